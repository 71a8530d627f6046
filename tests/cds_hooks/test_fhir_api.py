"""FHIR out: every resource the service publishes or answers passes our own validator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from charts import NOW, ago, bundle, domain, infusion, patient, score
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.settings import Settings
from fhir_mappers.terminology_out import published
from fhir_mappers.validation.validating import validate_resource


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(Settings(database_url=f"sqlite:///{tmp_path}/a.db")))


def errors(resource: dict[str, Any]) -> list[str]:
    return [i.text for i in validate_resource(resource).issues if i.severity in ("error", "fatal")]


def graded(client: TestClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/fhir/$evaluate-icans", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert errors(found) == []
    return found


def resources(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in found["entry"] if e["resource"]["resourceType"] == kind]


CHART = [patient(50), infusion(ago(days=3)), score("ice-score", 5), domain("consciousness", "loc-alert")]


def test_a_bundle_comes_back_graded(client: TestClient) -> None:
    found = graded(client, bundle(*CHART))
    (grade,) = resources(found, "Observation")
    assert grade["valueRange"] == {"low": {"value": 2}, "high": {"value": 4}}
    assert grade["status"] == "preliminary"
    assert {"reference": "Observation/ice-score"} in grade["derivedFrom"]
    assert grade["code"]["coding"][0]["code"] == "icans-grade-computed"
    assert len(resources(found, "DetectedIssue")) >= 1


def test_nothing_assessed_has_a_reason_and_no_value(client: TestClient) -> None:
    (grade,) = resources(graded(client, bundle(patient(50), infusion(ago(days=3)))), "Observation")
    assert grade["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert not any(key.startswith("value") for key in grade)


def test_parameters_carry_the_bundle_and_the_time(client: TestClient) -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "bundle", "resource": bundle(*CHART)}, {"name": "asOf", "valueDateTime": ago(minutes=30)}],
    }
    (grade,) = resources(graded(client, parameters), "Observation")
    assert grade["effectiveDateTime"] == ago(minutes=30)


def test_issues_come_as_an_operation_outcome(client: TestClient) -> None:
    bad = {**score("ice-score", 5, at=ago(minutes=5)), "id": "late", "valueInteger": 11}
    (outcome,) = resources(graded(client, bundle(*CHART, bad)), "OperationOutcome")
    assert "Observation/late" in outcome["issue"][0]["diagnostics"]


def test_a_computed_grade_read_back_is_not_a_charted_one(client: TestClient) -> None:
    (grade,) = resources(graded(client, bundle(*CHART)), "Observation")
    again = client.post("/fhir/$evaluate-icans", json=bundle(*CHART, grade))
    (second,) = resources(again.json(), "Observation")
    assert second["valueRange"] == grade["valueRange"]
    assert NOW.isoformat() == second["effectiveDateTime"]


@pytest.mark.parametrize("kind", sorted(published()))
def test_what_is_published_is_valid_and_readable(client: TestClient, kind: str) -> None:
    listed = client.get(f"/fhir/{kind}").json()
    assert listed["total"] == len(published()[kind]) > 0
    for identity, resource in published()[kind].items():
        assert errors(resource) == [], identity
    identity = next(iter(published()[kind]))
    assert client.get(f"/fhir/{kind}/{identity}").json()["id"] == identity


def test_our_code_systems_are_published_as_they_are(client: TestClient) -> None:
    assert {"icans-assessment", "icans-answer"} <= set(published()["CodeSystem"])
    assert errors(client.get("/fhir/metadata").json()) == []


def test_an_unknown_resource_is_404(client: TestClient) -> None:
    assert client.get("/fhir/CodeSystem/nothing").status_code == 404
    assert client.get("/fhir/Patient").status_code == 404


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_an_instant_that_means_not_set_is_refused(client: TestClient, at: str) -> None:
    for body in (
        {**bundle(*CHART), "timestamp": at},
        {"resourceType": "Parameters", "parameter": [{"name": "bundle", "resource": bundle(*CHART)}, {"name": "asOf", "valueDateTime": at}]},
        {"resourceType": "Parameters", "parameter": [{"name": "bundle", "resource": bundle(*CHART)}, {"name": "asOf", "valueInstant": at}]},
    ):
        answer = client.post("/fhir/$evaluate-icans", json=body)
        assert answer.status_code == 400
        assert "from 1900 to 2199" in answer.text
