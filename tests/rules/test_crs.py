"""CRS: every cell, masked fever, and unknown that stays unknown (clinical basis 7; A6, H29)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from charts import NOW
from snapshots import KNOWLEDGE, snapshot

from rules import Administration, ChartedGrade, Diagnosis, Domain, Finding, Measurement
from rules.crs import Crs, crs

KINDS = {"t": "body-temperature", "bp": "systolic-blood-pressure", "sat": "oxygen-saturation", "flow": "inhaled-oxygen-flow"}


def vitals(hours: float = 1, **values: float) -> tuple[Measurement, ...]:
    return tuple(Measurement(KINDS[k], v, "", NOW - timedelta(hours=hours), f"Observation/{k}") for k, v in values.items())


def given(substance: str, drug_class: str, running: bool = False, hours: float = 2) -> Administration:
    return Administration(substance, drug_class, NOW - timedelta(hours=hours), f"MedicationAdministration/{substance}", running=running)


def found(
    *measurements: Measurement, drugs: tuple[Administration, ...] = (), findings: tuple[Finding, ...] = (), **more: object
) -> Crs:
    return crs(snapshot(findings, measurements=measurements, administrations=drugs, **more), KNOWLEDGE.crs, KNOWLEDGE.windows)


@pytest.mark.parametrize(
    ("values", "grade", "state"),
    [
        ({"t": 37.2, "bp": 118, "sat": 97}, 0, "none"),
        ({"t": 38.0, "bp": 118, "sat": 97}, 1, "present"),
        ({"t": 37.99, "bp": 118, "sat": 97}, 0, "none"),
        ({"t": 39, "bp": 85, "sat": 97}, 2, "present"),
        ({"t": 39, "bp": 118, "flow": 6}, 2, "present"),
        ({"t": 39, "bp": 118, "flow": 6.5}, 3, "present"),
        # hypotension or hypoxia without fever is no CRS by the table, but tocilizumab is not to be removed (A6)
        ({"t": 37.0, "bp": 85, "sat": 97}, 0, "without-fever"),
        ({"t": 37.0, "bp": 118, "sat": 84}, 0, "without-fever"),
    ],
)
def test_the_table(values: dict[str, float], grade: int, state: str) -> None:
    result = found(*vitals(**values))
    assert (result.at_least, result.at_most) == (grade, grade)
    assert result.state == state


def test_without_a_temperature_nothing_tells_of_fever() -> None:
    assert found(*vitals(bp=85, sat=97)).state == "unknown"


def test_vasopressors_and_ventilation() -> None:
    one = found(*vitals(t=39, sat=97), drugs=(given("norepinephrine", "vasopressor", running=True),))
    assert (one.at_least, one.at_most) == (3, 4)
    two = (given("norepinephrine", "vasopressor", running=True), given("epinephrine", "vasopressor", running=True))
    assert found(*vitals(t=39, sat=97), drugs=two).at_least == 4
    with_vasopressin = (two[0], given("vasopressin", "vasopressor", running=True))
    assert found(*vitals(t=39, sat=97), drugs=with_vasopressin).at_least == 3


def test_a_tube_alone_is_not_hypoxia_and_a_charted_device_is() -> None:
    tube = Diagnosis("intubated", NOW, "Procedure/t")
    airway = found(*vitals(t=39, bp=118, sat=97), diagnoses=(tube,))
    assert (airway.at_least, airway.at_most, airway.unassessed) == (1, 4, (Domain.HYPOXIA,))
    device = Finding(Domain.HYPOXIA, "hypoxia-positive-pressure", NOW - timedelta(hours=1), "Observation/d")
    assert found(*vitals(t=39, bp=118, sat=97), findings=(device,)).at_least == 4
    old = replace(device, at=NOW - timedelta(hours=30))
    assert found(*vitals(t=39, bp=118, sat=97), findings=(old,)).at_least == 1
    nasal = replace(device, value="hypoxia-low-flow")
    flow = Measurement("inhaled-oxygen-flow", 15, "", NOW - timedelta(hours=1), "Observation/f")
    assert found(*vitals(t=39, bp=118, sat=97), flow, findings=(nasal,)).at_least == 3


def test_low_saturation_without_a_charted_device_leaves_the_top_open() -> None:
    result = found(*vitals(t=39, bp=118, sat=88))
    assert (result.at_least, result.at_most) == (2, 4)


@pytest.mark.parametrize("values", [{}, {"t": 37}, {"bp": 118, "sat": 97}, {"t": 37, "bp": 118}])
def test_unknown_stays_unknown(values: dict[str, float]) -> None:
    result = found(*vitals(**values))
    assert result.state == "unknown"
    assert result.at_most == 4


def test_old_vitals_are_not_vitals() -> None:
    assert found(*vitals(hours=6.1, t=37, bp=118, sat=97)).state == "unknown"
    assert found(*vitals(hours=6, t=37, bp=118, sat=97)).state == "none"


def test_masked_fever_lets_pressure_and_oxygen_drive() -> None:
    steroid = (given("dexamethasone", "corticosteroid"),)
    assert found(*vitals(t=37, bp=118, sat=97), drugs=steroid).state == "masked"
    low = found(*vitals(t=37, bp=85, sat=97), drugs=steroid)
    assert (low.state, low.at_least, low.masked) == ("present", 2, True)
    assert not found(*vitals(t=37, bp=85, sat=97), drugs=(given("dexamethasone", "corticosteroid", hours=80),)).masked


def test_a_charted_grade_counts_beside_the_computed_one() -> None:
    charted = (ChartedGrade(2, NOW - timedelta(hours=1), "Observation/g", "crs"),)
    assert found(charted=charted).state == "present"
    assert found(*vitals(t=39, bp=85, flow=8), charted=charted).at_least == 3
    coded = (ChartedGrade(1, NOW - timedelta(hours=1), "Condition/g", "crs-diagnosis"),)
    assert found(*vitals(t=37, bp=118, sat=97), charted=coded).at_least == 1
    old = (ChartedGrade(2, NOW - timedelta(hours=13), "Observation/g", "crs"),)
    assert found(charted=old).state == "unknown"
