"""The recorded outcomes: a library's change of behaviour, or ours, shows here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_mappers.validation import validate_file, validate_resource

SAMPLE = Path(__file__).parents[1] / "data" / "validation"


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE / name).read_text(encoding="utf-8").splitlines()]


FAULTS = [
    json.loads(line) for line in (SAMPLE / "seeded-faults.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("expected", recorded("expected.ndjson"), ids=lambda e: e["file"])
def test_the_outcome_of_each_file_is_the_recorded_one(expected: dict[str, Any]) -> None:
    assert validate_file(SAMPLE / expected["file"], name=expected["file"]).as_json() == expected


def test_every_sample_file_is_recorded() -> None:
    found = {p.relative_to(SAMPLE).as_posix() for p in SAMPLE.glob("*/*") if p.is_file()}
    assert found == {e["file"] for e in recorded("expected.ndjson")}


@pytest.mark.parametrize("expected", recorded("expected-faults.ndjson"), ids=lambda e: e["id"])
def test_the_outcome_of_each_fault_is_the_recorded_one(expected: dict[str, Any]) -> None:
    fault = next(f for f in FAULTS if f["id"] == expected["id"])
    outcome = validate_resource(fault["raw"].encode("utf-8", "surrogatepass"))
    assert {"id": fault["id"], "valid": outcome.valid, "outcome": outcome.operation_outcome()} == expected


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f["id"])
def test_every_planted_fault_is_found_and_nothing_else(fault: dict[str, Any]) -> None:
    assert validate_resource(fault["raw"].encode("utf-8", "surrogatepass")).valid == (
        fault["expected"] == "valid"
    )


@pytest.mark.parametrize("path", sorted(SAMPLE.glob("hl7-*-core-examples/*")), ids=lambda p: p.name)
def test_the_official_examples_are_valid(path: Path) -> None:
    lacks_div = path.name == "diagnosticreport-cbc.json"  # as published
    assert validate_file(path).valid is not lacks_div


@pytest.mark.parametrize("expected", [*recorded("expected.ndjson"), *recorded("expected-faults.ndjson")])
def test_every_outcome_is_itself_a_valid_operation_outcome(expected: dict[str, Any]) -> None:
    outcome = validate_resource(expected["outcome"])
    assert outcome.issues == ()
    severities = {issue["severity"] for issue in expected["outcome"]["issue"]}
    assert expected["valid"] is not bool(severities & {"error", "fatal"})
