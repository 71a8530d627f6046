"""Fitness for grading is information: it never makes a valid bundle invalid."""

from __future__ import annotations

from charts import LOINC, ago, bundle, concept, domain, encoded, infusion, observation, patient, score

from fhir_mappers.validation.fitness import fitness_for_grading
from fhir_mappers.validation.validating import validate_resource


def texts(*resources: dict[str, object]) -> list[str]:
    outcome = validate_resource(encoded(bundle(*resources)), fitness=fitness_for_grading)
    assert {i.severity for i in outcome.issues} <= {"information", "warning"}
    assert outcome.valid
    return [i.text for i in outcome.issues if i.severity == "information"]


def test_domains_with_and_without_a_finding_are_named() -> None:
    said = texts(patient(50), infusion(ago(days=1)), score("ice-score", 5), domain("motor", "motor-none"))
    assert said[0] == "Can be graded: ice, motor. Without a finding: consciousness, seizure, raised-icp."


def test_codes_nobody_knows_are_counted() -> None:
    odd = observation("odd", concept(LOINC, "1234-5"), {"valueInteger": 1})
    assert any("http://loinc.org|1234-5 (1)" in text for text in texts(patient(50), odd))


def test_records_that_cannot_be_used_are_named() -> None:
    late = score("ice-score", 5, at="2026-11-22")
    assert any("Observation/ice-score" in text and "date without a time" in text for text in texts(patient(50), late))


def test_two_patients_cannot_be_graded_as_one() -> None:
    other = {**patient(50), "id": "q"}
    assert texts(patient(50), other) == ["Grading needs one Patient in the Bundle; it holds 2."]


def test_a_resource_that_is_no_bundle_gets_no_information() -> None:
    assert list(fitness_for_grading(patient(50))) == []
