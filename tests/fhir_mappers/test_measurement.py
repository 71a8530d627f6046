"""The short way of a laboratory value: the same as the long way, or not taken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from charts import LOINC, NOW, SUBJECT, UCUM, ago, bundle, concept, encoded, observation, patient
from reading_time import LABS, lab

from fhir_mappers import observation as observations
from fhir_mappers.belonging import names_of
from fhir_mappers.chart import Chart
from fhir_mappers.codes import load_terminology
from fhir_mappers.elements import load_units
from fhir_mappers.measurement import irrelevant, plain
from fhir_mappers.reading import Given, read, unwrap
from fhir_mappers.snapshot import snapshot_from
from fhir_mappers.views import Observation
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
CHART = Chart(names_of("p", []), NOW, None, load_terminology(), load_units(), KNOWLEDGE.proxies, {})


def both(resource: dict[str, Any] | bytes) -> tuple[object, list[object]]:
    raw = resource if isinstance(resource, bytes) else encoded(resource)
    ((record,), _) = read([Given(raw)])
    assert isinstance(record.view, Observation)
    return plain(record, record.view, CHART), list(observations.mapped(record.view, record.evidence, CHART))


@pytest.mark.parametrize("number", range(len(LABS)))
def test_the_short_way_reads_the_same(number: int) -> None:
    short, long = both(lab(number))
    assert [short] == long


@pytest.mark.parametrize(
    "unit", [("14682-9", 80.0, "umol/L"), ("2345-7", 180.0, "mg/dL"), ("8310-5", 101.3, "[degF]"), ("29463-7", 154.0, "[lb_av]")]
)
def test_and_converts_the_same(unit: tuple[str, float, str]) -> None:
    code, value, name = unit
    short, long = both(observation("x", concept(LOINC, code), {"valueQuantity": {"value": value, "code": name, "system": UCUM}}))
    assert all(one == short for one in long)


SODIUM = {"value": 140.0, "unit": "mmol/L", "code": "mmol/L", "system": UCUM}


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "preliminary"}, {"status": "final "}, {"subject": {"reference": "Patient/q"}}, {"subject": None},
        {"dataAbsentReason": concept("x", "unknown")}, {"modifierExtension": [{"url": "urn:x"}]},
        {"component": [{"code": concept(LOINC, "8480-6")}]}, {"effectiveDateTime": None}, {"effectiveDateTime": "2026-11-22"},
        {"effectiveDateTime": "2027-01-01T00:00:00Z"}, {"valueQuantity": {**SODIUM, "value": 1000}}, {"valueQuantity": {**SODIUM, "comparator": "<"}},
        {"valueQuantity": {**SODIUM, "code": "mg", "unit": "mg"}}, {"valueQuantity": {**SODIUM, "value": None}},
        {"code": {"coding": [{"system": LOINC, "code": "2951-2"}, {"system": LOINC, "code": "2947-0"}]}},
        {"code": {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "2951-2"}]}}, {"code": {"text": "sodium"}},
    ],
)
def test_anything_unusual_takes_the_long_way(odd: dict[str, Any]) -> None:
    short, _ = both({**observation("x", concept(LOINC, "2951-2"), {"valueQuantity": SODIUM}), **odd})
    assert short is None


@pytest.mark.parametrize("doubled", [b'"value": 140.0, "value": ', b'"subject": {"reference": "Patient/q"}, "subject": '])
def test_a_key_twice_is_refused_here_too(doubled: bytes) -> None:
    name = doubled.split(b":")[0] + b": "
    raw = encoded(observation("x", concept(LOINC, "2951-2"), {"valueQuantity": SODIUM})).replace(name, doubled, 1)
    found = snapshot_from([Given(encoded(patient(50))), Given(raw)], "p", NOW, KNOWLEDGE.proxies)
    assert found.snapshot.measurements == ()
    assert "twice" in found.issues[0].problem


def test_an_alias_of_a_system_is_not_irrelevant() -> None:
    other = observation("x", {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.1", "code": "2951-2"}]}, {"valueQuantity": SODIUM})
    found = snapshot_from(unwrap(encoded(bundle(patient(50), other)), "B").given, "p", NOW, KNOWLEDGE.proxies)
    assert [m.kind for m in found.snapshot.measurements] == ["sodium"]
    ((record,), _) = read([Given(encoded(observation("y", concept(LOINC, "6768-6"), {"valueQuantity": SODIUM})))])
    assert isinstance(record.view, Observation)
    assert irrelevant(record.view, CHART)
    assert SUBJECT["reference"] in CHART.literal


def test_reading_300_observations_costs_under_3_times_decoding_them() -> None:
    script = Path(__file__).parents[1] / "support" / "reading_time.py"
    said = [subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120).stdout for _ in range(3)]
    ratios = [float(re.search(r"([\d.]+) times", one).group(1)) for one in said]  # type: ignore[union-attr]
    assert min(ratios) < 3, said
    assert json.dumps(ago(hours=1))
