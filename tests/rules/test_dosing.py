"""Doses by renal band: edges, dialysis, what is not known, caps (clinical basis 3.2; A4, A9, A34)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from charts import NOW
from hypothesis import given
from hypothesis import strategies as st
from snapshots import KNOWLEDGE, snapshot

from rules import Diagnosis, Measurement
from rules.dosing import RenalFunction, body_surface, renal_function

DOSING = KNOWLEDGE.dosing


def measured(kind: str, value: float, hours: float = 1) -> Measurement:
    return Measurement(kind, value, "", NOW - timedelta(hours=hours), f"Observation/{kind}-{hours}")


def renal(*measurements: Measurement, sex: str | None = "male", age: int | None = 40, **more: object) -> RenalFunction:
    found = snapshot({}, age=age, sex=sex, measurements=measurements, **more)  # type: ignore[arg-type]
    return renal_function(found, DOSING, KNOWLEDGE.windows)


@pytest.mark.parametrize(
    ("clearance", "band"),
    [(80.01, "above-80"), (80, "50-80"), (50.01, "50-80"), (50, "30-50"), (30.01, "30-50"), (30, "below-30"), (0, "below-30")],
)
def test_an_edge_takes_the_lower_dose(clearance: float, band: str) -> None:
    assert DOSING.band(clearance) == band


@pytest.mark.parametrize(
    ("band", "treatment", "every", "prophylaxis"),
    [("above-80", 1000, 12, 500), ("50-80", 1000, 12, 500), ("30-50", 750, 12, 500), ("below-30", 500, 12, 250), ("hemodialysis", 500, 24, 500), ("unknown", 500, 12, 500)],
)
def test_levetiracetam_by_band(band: str, treatment: float, every: int, prophylaxis: float) -> None:
    found = DOSING.dose("levetiracetam-treatment", band)
    assert (found.amount_mg, found.every_hours) == (treatment, every)
    assert DOSING.dose("levetiracetam-prophylaxis", band).amount_mg == prophylaxis


@given(st.floats(min_value=0, max_value=300))
def test_no_dose_exceeds_the_daily_cap_of_its_band(clearance: float) -> None:
    caps = {"above-80": 3000, "50-80": 2000, "30-50": 1500, "below-30": 1000}
    band = DOSING.band(clearance)
    for name in ("levetiracetam-treatment", "levetiracetam-prophylaxis"):
        dose = DOSING.dose(name, band)
        assert dose.amount_mg * 24 / dose.every_hours <= caps[band]


def test_cockcroft_gault() -> None:
    weight, creatinine = measured("body-weight", 72), measured("creatinine", 1.0)
    assert renal(weight, creatinine).clearance == pytest.approx(100)
    assert renal(weight, creatinine, sex="female").clearance == pytest.approx(85)
    tall = renal(weight, creatinine, measured("body-height", 180))
    assert tall.clearance == pytest.approx(100 * 1.73 / body_surface(72, 180))
    assert tall.normalized
    assert "not normalised: no height" in renal(weight, creatinine).because


@pytest.mark.parametrize(
    ("given_", "because"),
    [
        ({}, "no creatinine on record"),
        ({"creatinine": 1.0}, "no weight on record"),
        ({"creatinine": 1.0, "body-weight": 70, "sex": None}, "no sex on record"),
        ({"creatinine": 1.0, "body-weight": 70, "age": None}, "no age on record"),
        ({"creatinine": 0.0, "body-weight": 70}, "no usable creatinine on record"),
    ],
)
def test_what_is_missing_leaves_the_band_unknown(given_: dict[str, float | None], because: str) -> None:
    measurements = [measured(k, v) for k, v in given_.items() if k not in ("sex", "age") and v is not None]
    found = renal(*measurements, sex="male" if "sex" not in given_ else None, age=40 if "age" not in given_ else None)
    assert (found.band, found.because) == ("unknown", because)


def test_an_old_creatinine_is_not_known() -> None:
    weight = measured("body-weight", 70)
    assert renal(weight, measured("creatinine", 1, 48)).band != "unknown"
    assert renal(weight, measured("creatinine", 1, 48.1)).because == "creatinine older than 48 h"


def test_dialysis_comes_before_any_clearance() -> None:
    assert renal(diagnoses=(Diagnosis("hemodialysis", None, "Procedure/d"),)).band == "hemodialysis"


def test_a_rising_creatinine_is_said() -> None:
    weight = measured("body-weight", 70)
    rising = renal(weight, measured("creatinine", 1.5), measured("creatinine", 1.0, 48))
    assert rising.acute
    assert "ask the pharmacist" in rising.because
    assert not renal(weight, measured("creatinine", 1.4), measured("creatinine", 1.0, 48)).acute
    assert not renal(weight, measured("creatinine", 1.5), measured("creatinine", 1.0, 24 * 8)).acute


def test_corticosteroid_equivalents() -> None:
    assert DOSING.dexamethasone_equivalent("prednisone", 100) == pytest.approx(15)
    assert DOSING.dexamethasone_equivalent("methylprednisolone", 1000) == pytest.approx(187.5)
    assert DOSING.dexamethasone_equivalent("levetiracetam", 500) is None


def test_dexamethasone_stays_under_its_caps() -> None:
    for name in ("dexamethasone-every-6-h", "dexamethasone-every-12-h", "dexamethasone-every-12-h-two-doses"):
        dose = DOSING.dose(name, "any")
        assert dose.amount_mg <= 20
        assert dose.amount_mg * 24 / dose.every_hours <= 40
