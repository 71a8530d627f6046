"""How long reading 300 Observations takes, as a ratio to decoding the same bytes with the fastest JSON decoder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import msgspec  # noqa: E402
from charts import LOINC, NOW, UCUM, ago, bundle, concept, domain, infusion, observation, patient, score  # noqa: E402

from fhir_mappers.reading import unwrap  # noqa: E402
from fhir_mappers.snapshot import snapshot_from  # noqa: E402
from rules import load_knowledge  # noqa: E402

LABS = {
    "2951-2": (140.0, "mmol/L"), "2160-0": (0.9, "mg/dL"), "2345-7": (101.0, "mg/dL"), "1988-5": (12.0, "mg/L"),
    "2276-4": (681.0, "ng/mL"), "26881-3": (5.77, "pg/mL"), "777-3": (61.0, "10*9/L"), "8310-5": (37.9, "Cel"),
    "8480-6": (118.0, "mm[Hg]"), "59408-5": (97.0, "%"),
}


def lab(number: int) -> dict[str, Any]:
    """A laboratory value or vital sign as an EHR sends it, with all that is not read."""
    code, (value, unit) = list(LABS.items())[number % len(LABS)]
    quantity = {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit}}
    return observation(
        f"lab-{number}", concept(LOINC, code), quantity, ago(hours=number % 48 + 1),
        category=[concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
        meta={"versionId": "1", "lastUpdated": ago(hours=1)}, issued=ago(hours=1), encounter={"reference": "Encounter/1"},
        performer=[{"reference": "Practitioner/1", "display": "Laboratory"}],
    )


def chart(observations: int = 300) -> bytes:
    """A chart of one patient on blinatumomab: five scored domains, the rest laboratory and vital signs."""
    answers = {"consciousness": "loc-alert", "seizure": "seizure-none", "motor": "motor-none", "raised-icp": "icp-none"}
    scored = [score("ice-score", 5), *(domain(name, answer) for name, answer in answers.items())]
    return json.dumps(bundle(patient(50), infusion(ago(days=3)), *scored, *map(lab, range(observations - 5)))).encode()


def spent(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    body, proxies = chart(), load_knowledge().proxies
    pairs = [
        (spent(lambda: msgspec.json.decode(body)), spent(lambda: snapshot_from(unwrap(body, "Bundle").given, "p", NOW, proxies)))
        for _ in range(200)
    ]
    decoding, reading = (sorted(times)[20] for times in zip(*pairs, strict=True))
    print(f"reading {reading * 1e3:.2f} ms, {reading / decoding:.2f} times decoding the same {len(body)} bytes")


if __name__ == "__main__":
    main()
