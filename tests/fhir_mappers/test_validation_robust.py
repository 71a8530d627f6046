"""Nothing escapes: whatever stands in the document, an outcome comes back, and is itself valid."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappers.validation import validate_resource

SAMPLE = Path(__file__).parents[1] / "data" / "validation"
EXAMPLES = [json.loads(p.read_bytes()) for p in sorted(SAMPLE.glob("hl7-*-core-examples/*.json"))]
JUNK: list[Any] = [
    None, True, -1, 1.5, 1e400, float("nan"), 10**400, "", " ", "#", "#x", "\ud800", [], {}, [None], [{}], [[]],
    {"id": "x"}, {"resourceType": "Patient"}, {"resourceType": []}, "2020-13-01", "9999-12-31T23:59:60+14:00",
    "0001-01-01T00:00:00+14:00", {"reference": 5}, [{"reference": "#x"}], {"coding": [{"code": []}]}, {"extension": 5},
]  # fmt: skip
NAMES = [
    "_",
    "_id",
    "x",
    "value",
    "valueInteger",
    "_status",
    "contained",
    "resourceType",
    "entry",
    "total",
    "",
    "\ud800",
]


def places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def mutated(seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    resource: dict[str, Any] = copy.deepcopy(chance.choice(EXAMPLES))
    for _ in range(chance.randint(1, 4)):
        found = places(resource)
        if not found:
            break
        parent, key = chance.choice(found)
        act = chance.random()
        if act < 0.6:
            parent[key] = copy.deepcopy(chance.choice(JUNK))
        elif act < 0.75:
            del parent[key]
        elif isinstance(parent, dict):
            parent[chance.choice(NAMES)] = copy.deepcopy(chance.choice(JUNK))
    return resource


@settings(max_examples=400, deadline=None)
@given(st.integers())
def test_no_mutation_of_an_example_makes_an_exception(seed: int) -> None:
    resource = mutated(seed)
    for data in (resource, json.dumps(resource).encode()):
        outcome = validate_resource(data)
        said = outcome.operation_outcome()
        json.dumps(said).encode("ascii")
        assert validate_resource(said).valid


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_no_json_makes_an_exception(value: Any) -> None:
    assert not validate_resource(json.dumps(value).encode()).valid
    resource = {
        "resourceType": "Observation",
        "component": value,
        "extension": [value],
        "valueQuantity": value,
    }
    assert not validate_resource(json.dumps(resource).encode()).valid


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_an_exception(data: bytes) -> None:
    assert not validate_resource(data).valid
