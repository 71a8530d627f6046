"""How long assess() takes on a full snapshot, as a ratio to decoding the JSON of the same chart."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import msgspec  # noqa: E402
from charts import NOW, ago, bundle, concept, domain, infusion, observation, patient, score  # noqa: E402
from snapshots import KNOWLEDGE, snapshot  # noqa: E402

from rules import Domain, Measurement, assess  # noqa: E402

VALUES = {
    Domain.CONSCIOUSNESS: "loc-alert",
    Domain.SEIZURE: "seizure-none",
    Domain.MOTOR: "motor-none",
    Domain.RAISED_ICP: "icp-none",
}


def best(action: Callable[[], object]) -> float:
    """The tenth percentile of 500 runs, in seconds."""
    times = []
    for _ in range(500):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return sorted(times)[50]


def main() -> None:
    measured = tuple(Measurement(kind, 1.0, "", NOW, "Observation/m") for kind in ("creatinine", "body-weight"))
    full = snapshot({Domain.ICE: 5, **VALUES}, measurements=measured, sex="male")
    domains = [domain(str(name), answer) for name, answer in VALUES.items()]
    others = [observation(str(n), concept("http://loinc.org", "2951-2"), {"valueInteger": n}) for n in range(50)]
    chart = json.dumps(bundle(patient(50), infusion(ago(days=3)), score("ice-score", 5), *domains, *others)).encode()
    spent = best(lambda: assess(full, KNOWLEDGE))
    decoding = best(lambda: msgspec.json.decode(chart))
    ratio = spent / decoding
    print(f"assess {spent * 1e6:.0f} us, {ratio:.1f} times decoding the same chart of {len(chart)} bytes")


if __name__ == "__main__":
    main()
