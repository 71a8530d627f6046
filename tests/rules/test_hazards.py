"""The hazard log, row by row: what the core does about each hazard that it controls (docs/hazards.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from charts import NOW
from snapshots import KNOWLEDGE, RUNNING, finding, graded, snapshot

from rules import (
    Administration,
    Assessment,
    ChartedGrade,
    ClinicalSnapshot,
    Diagnosis,
    Domain,
    Finding,
    Measurement,
    Note,
    Order,
    assess,
)
from rules.documents import from_file

ICE, CAPD, LOC, SEIZURE, MOTOR, ICP = (
    Domain.ICE, Domain.CAPD, Domain.CONSCIOUSNESS, Domain.SEIZURE, Domain.MOTOR, Domain.RAISED_ICP,
)
NEGATIVE = {SEIZURE: "seizure-none", MOTOR: "motor-none", ICP: "icp-none"}
WELL = {ICE: 10, LOC: "loc-alert", **NEGATIVE}


def judged(values: object, **more: object) -> Assessment:
    return assess(snapshot(values, **more), KNOWLEDGE)  # type: ignore[arg-type]


def rows(found: Assessment) -> set[str]:
    return {row.id for advice in found.advice for row in advice.rows}


def says(found: Assessment) -> str:
    return " ".join(text for advice in found.advice for row in advice.rows for text in (row.summary, *row.do))


def product(substance: str, drug_class: str, days: float, name: str = "p") -> Administration:
    return Administration(substance, drug_class, NOW - timedelta(days=days), f"MedicationAdministration/{name}")


def given(substance: str, drug_class: str, hours: float, mg: float = 10, **more: object) -> Administration:
    return Administration(
        substance, drug_class, NOW - timedelta(hours=hours), f"MedicationAdministration/{substance}-{hours}",
        dose=mg, unit="mg", **more,  # type: ignore[arg-type]
    )


def measured(kind: str, value: float, hours: float = 1) -> Measurement:
    return Measurement(kind, value, "", NOW - timedelta(hours=hours), f"Observation/{kind}-{hours}")


def at(found: ClinicalSnapshot, hours: float) -> ClinicalSnapshot:
    return replace(found, as_of=NOW + timedelta(hours=hours))


@pytest.mark.parametrize("hours", [20.0, 23.9, 24.1, 60.0])
def test_h01_an_examination_under_a_sedative_does_not_release_a_seizure(hours: float) -> None:
    """Both were charted after the hold, but neither can be used: time alone would have released it (D3, A20)."""
    seen = [
        finding(SEIZURE, "seizure-prolonged", hours=hours),
        finding(ICE, "ice-unable-unarousable", hours=0.05),
        finding(LOC, "loc-unarousable", hours=0.05),
        finding(MOTOR, "motor-none", hours=1),
        finding(ICP, "icp-none", hours=1),
    ]
    sedated = replace(snapshot({}), findings=tuple(seen), administrations=(RUNNING, given("propofol", "sedative", 2, 100, running=True)))
    found = assess(sedated, KNOWLEDGE)
    assert found.grading.set_aside
    assert found.grading.at_least == 4
    awake = replace(sedated, findings=(*seen, finding(ICE, 10, hours=0), finding(LOC, "loc-alert", hours=0)))
    released = assess(awake, KNOWLEDGE).grading
    assert (released.at_least == 4) == (hours < 24)


@pytest.mark.parametrize("hours", [0.0, 1.1, 5.0, 26.0, 24 * 6.0])
def test_h01_a_severe_grade_does_not_expire(hours: float) -> None:
    severe = snapshot({ICE: 0, LOC: "loc-unarousable", **NEGATIVE})
    assert assess(at(severe, hours), KNOWLEDGE).grading.at_least == 4


def test_h02_a_missing_domain_is_not_read_as_normal() -> None:
    found = judged({SEIZURE: "seizure-none", MOTOR: "motor-none"})
    assert (found.grading.at_least, found.grading.at_most) == (0, 4)
    assert set(found.grading.unassessed) == {ICE, LOC, ICP}
    assert judged({}).grading.status == "indeterminate"


def test_h03_a_charted_low_grade_does_not_hide_a_seizure() -> None:
    low = (ChartedGrade(1, NOW - timedelta(minutes=30), "Observation/g"),)
    found = judged({**WELL, SEIZURE: "seizure-resolved-rapidly"}, charted=low)
    assert found.facts["icans_grade"] == 3
    assert "agent-withhold-grade-3" in rows(found)


@pytest.mark.parametrize("values", [{ICE: 5, LOC: "loc-awakens-to-voice"}, {ICE: 1, LOC: "loc-alert"}, {SEIZURE: "seizure-resolved-rapidly"}])
def test_h04_no_drug_is_proposed_by_mouth_at_grade_2_or_more(values: dict[Domain, int | str]) -> None:
    proposals = judged({**NEGATIVE, **values}).proposals
    assert proposals
    assert {p.dose.route for p in proposals} == {"IV"}


def test_h04_a_drafted_tablet_is_asked_about() -> None:
    draft = Order("levetiracetam", "antiseizure", "MedicationRequest/l", True, "draft", route="oral")
    assert "by mouth only if alert and swallow is documented safe" in says(judged({ICE: 5, LOC: "loc-alert"}, orders=(draft,)))


@pytest.mark.parametrize("values", [{ICE: 1}, {LOC: "loc-unarousable"}, {SEIZURE: "seizure-duration-unknown"}])
def test_h05_a_hold_says_that_an_order_does_not_stop_the_pump(values: dict[Domain, int | str]) -> None:
    text = says(judged(values))
    assert "An order change does not stop the pump: stop it at the bedside; do not flush the line." in text


def test_h06_a_seizure_asks_for_the_benzodiazepine_before_anything_is_graded() -> None:
    text = says(judged({SEIZURE: "seizure-duration-unknown"}))
    assert "Rescue benzodiazepine by local protocol now" in text


def test_h07_no_lumbar_puncture_is_asked_for_without_its_gate() -> None:
    """A27: only where nothing on record speaks against it; elsewhere it is named as what not to do yet."""
    for protocol in KNOWLEDGE.protocols:
        for row in (*protocol.rows, *protocol.checks):
            if row.when.get("lumbar_puncture_safe") == {True}:
                continue
            assert "lumbar-puncture" not in row.requests, row.id
            for line in row.do:
                assert "lumbar" not in line.lower() or line.startswith("Lumbar puncture: not before"), row.id


def test_h08_a_seizure_of_unknown_length_is_3_with_4_open() -> None:
    found = judged({**WELL, SEIZURE: "seizure-duration-unknown"})
    assert (found.grading.at_least, found.grading.at_most) == (3, 4)


def test_h09_premedication_is_not_treatment() -> None:
    start = replace(RUNNING, start=NOW - timedelta(hours=3))
    pre = given("dexamethasone", "corticosteroid", 4, 16)
    found = judged({ICE: 5, LOC: "loc-alert", **NEGATIVE}, administrations=(start, pre))
    assert found.facts["corticosteroid"] == "none"
    assert "steroid-grade-2" in rows(found)


def test_h09_treatment_is_not_premedication() -> None:
    start = replace(RUNNING, start=NOW - timedelta(days=3))
    doses = (given("dexamethasone", "corticosteroid", 0.5), given("dexamethasone", "corticosteroid", 6.5))
    found = judged([finding(ICE, 5, 8), finding(ICE, 5, 1)], administrations=(start, *doses))
    assert found.facts["corticosteroid"] == "active"
    assert not any(p.dose.substance == "dexamethasone" for p in found.proposals)


def test_h13_one_seizure_charted_three_times_is_one() -> None:
    thrice = [
        finding(SEIZURE, "seizure-resolved-rapidly", 3),
        finding(SEIZURE, "seizure-resolved-rapidly", 2.5, assessed=False),
        finding(SEIZURE, "seizure-duration-unknown", 2, assessed=False),
    ]
    found = judged(thrice)
    assert found.facts["seizures"] == "one"
    assert "agent-stop-seizures" not in rows(found)


def test_h13_an_uncertain_count_withholds_and_asks() -> None:
    found = judged([finding(SEIZURE, "seizure-resolved-rapidly", 3), finding(SEIZURE, "seizure-resolved-rapidly", 5)])
    assert found.facts["seizures"] == "uncertain"
    assert "agent-withhold-uncertain-count-3" in rows(found)
    assert "Confirm the number of seizures" in says(found)


def test_h14_epilepsy_from_before_is_not_counted() -> None:
    before = [finding(SEIZURE, "seizure-resolved-rapidly", 24 * 30), finding(SEIZURE, "seizure-resolved-rapidly", 24 * 60)]
    found = judged([*before, *(finding(d, v) for d, v in WELL.items())], diagnoses=(Diagnosis("epilepsy", None, "Condition/e"),))
    assert found.facts["seizures"] == "none"
    assert found.grading.at_least == 0


@pytest.mark.parametrize("grade", [1, 2, 3, 4])
def test_h15_another_engager_is_not_told_to_continue_or_hold_by_the_blinatumomab_rule(grade: int) -> None:
    score = {1: 8, 2: 5, 3: 1, 4: 1}[grade]
    values = {**WELL, ICE: score, LOC: "loc-unarousable" if grade == 4 else "loc-alert"}
    found = judged(values, administrations=(product("teclistamab", "t-cell-engager", 2),))
    assert found.facts["icans_grade"] == grade
    acts = {row.act for advice in found.advice for row in advice.rows}
    assert acts == {None}
    assert "linatumomab" not in says(found)


def test_h16_nobody_is_asked_to_hold_a_cell_product() -> None:
    found = judged({ICE: 0, LOC: "loc-unarousable"}, administrations=(product("axicabtagene-ciloleucel", "car-t", 5),))
    assert {row.act for advice in found.advice for row in advice.rows} == {None}
    assert "agent-other" in rows(found)


def test_h17_the_window_of_car_t_stays_open_while_the_grade_is_unresolved() -> None:
    cells = product("axicabtagene-ciloleucel", "car-t", 45)
    assert judged([finding(ICE, 4, 24 * 20)], administrations=(cells,)).exposure is not None


def test_h18_a_gap_near_four_hours_is_asked_about_and_a_pause_is_no_new_cycle() -> None:
    def course(gap: timedelta) -> Assessment:
        second = NOW - timedelta(days=1)
        first = Administration("blinatumomab", "t-cell-engager", second - gap - timedelta(days=3), "MedicationAdministration/1", end=second - gap)
        return judged({}, administrations=(first, replace(RUNNING, start=second)))

    near = course(timedelta(hours=4, minutes=12)).exposure
    pause = course(timedelta(days=6)).exposure
    assert near is not None
    assert near.near_limit
    assert pause is not None
    assert (pause.cycle, pause.near_limit) == (1, False)
    assert (pause.infusion_days, pause.days_since_first) == (4, 10)


def test_h22_an_icans_record_without_an_exposure_is_not_silent() -> None:
    found = judged({ICE: 5}, administrations=())
    assert found.presumed
    assert "exposure-presumed" in rows(found)
    assert found.proposals == ()


def test_h25_a_sedated_value_keeps_its_conditional_grade() -> None:
    lorazepam = given("lorazepam", "benzodiazepine", 2, 2)
    found = judged([finding(ICE, 9, 3), finding(LOC, "loc-awakens-to-voice", 0.5)], administrations=(RUNNING, lorazepam))
    (aside,) = found.grading.set_aside
    assert (found.grading.at_least, aside.at_least, found.grading.at_most) == (1, 2, 4)


@pytest.mark.parametrize(("value", "other", "drug"), [("loc-awakens-to-voice", None, False), ("loc-awakens-to-touch", "loc-unarousable", True)])
def test_h26_a_proxy_alone_recommends_no_drug(value: str, other: str | None, drug: bool) -> None:
    rass = Finding(LOC, value, NOW, "Observation/r", other=other, proxy="RASS")
    proposals = judged([rass]).proposals
    assert bool(proposals) is drug
    assert not any(p.recommended for p in proposals)


def test_h27_a_baseline_deficit_is_shown_and_never_subtracted() -> None:
    found = judged([finding(ICE, 7, 24 * 21), finding(ICE, 7, 1)])
    assert found.baseline is not None
    assert found.baseline.value == 7
    assert found.grading.at_least == 1


def test_h28_ice_0_of_an_intubated_patient_is_not_a_grade() -> None:
    found = judged({ICE: 0}, diagnoses=(Diagnosis("intubated", NOW - timedelta(hours=9), "Procedure/t"),))
    assert found.grading.at_least is None
    assert found.grading.set_aside[0].cause.kind == "intubation"


def test_h29_hidden_fever_does_not_hide_crs() -> None:
    steroid = given("dexamethasone", "corticosteroid", 3)
    low = (measured("body-temperature", 36.8), measured("systolic-blood-pressure", 80), measured("oxygen-saturation", 97))
    assert judged({ICE: 5}, administrations=(RUNNING, steroid), measurements=low).crs.state == "present"
    fine = (*low[::2], measured("systolic-blood-pressure", 120))
    assert judged({ICE: 5}, administrations=(RUNNING, steroid), measurements=fine).crs.state == "masked"


def test_h30_no_tocilizumab_is_asked_for_without_crs() -> None:
    for values in ({}, {"body-temperature": 37.0, "systolic-blood-pressure": 118.0, "oxygen-saturation": 97.0}):
        found = judged({ICE: 1}, measurements=tuple(measured(k, v) for k, v in values.items()))
        assert "No tocilizumab for ICANS alone" in says(found)
        assert not any(p.dose.substance == "tocilizumab" for p in found.proposals)


@pytest.mark.parametrize(("creatinine", "most"), [(None, 500), (0.8, 1000), (1.9, 750), (3.5, 500)])
def test_h31_levetiracetam_follows_the_kidneys(creatinine: float | None, most: float) -> None:
    labs = [measured("body-weight", 70)] + ([measured("creatinine", creatinine)] if creatinine is not None else [])
    found = judged({SEIZURE: "seizure-resolved-rapidly"}, sex="male", measurements=tuple(labs))
    assert {p.dose.amount_mg for p in found.proposals if p.dose.substance == "levetiracetam"} == {most}


def test_h31_dialysis_is_every_24_hours() -> None:
    found = judged({SEIZURE: "seizure-resolved-rapidly"}, diagnoses=(Diagnosis("hemodialysis", None, "Procedure/d"),))
    assert {p.dose.every_hours for p in found.proposals if p.dose.substance == "levetiracetam"} == {24}


@pytest.mark.parametrize("substance", ["cefepime", "fentanyl", "diphenhydramine"])
def test_h33_a_drug_without_a_window_never_lowers_the_grade(substance: str) -> None:
    found = judged({ICE: 4}, administrations=(RUNNING, given(substance, "other", 1)))
    assert (found.grading.at_least, found.grading.set_aside) == (2, ())


@pytest.mark.parametrize("age", [1, 11, 12, 17])
def test_h39_no_drug_is_proposed_under_18(age: int) -> None:
    found = judged({CAPD if age < 12 else ICE: 10 if age < 12 else 1, SEIZURE: "seizure-prolonged"}, age=age)
    assert found.grading.at_least == 4
    assert found.proposals == ()


def test_h39_a_light_adult_is_treated_as_an_adult() -> None:
    assert judged({ICE: 1, LOC: "loc-alert"}, measurements=(measured("body-weight", 44),)).proposals


def test_h40_ice_in_a_small_child_is_not_a_score() -> None:
    found = judged({ICE: 10, LOC: "loc-alert", **NEGATIVE}, age=8)
    assert found.grading.tool is CAPD
    assert CAPD in found.grading.unassessed
    assert found.grading.at_most == 4


@pytest.mark.parametrize("kind", ["bilirubin", "alanine-aminotransferase", "ammonia", "sodium", "glucose"])
def test_h42_h47_a_laboratory_value_never_changes_the_grade(kind: str) -> None:
    assert judged({ICE: 5}, measurements=(measured(kind, 400),)).grading == judged({ICE: 5}).grading


def test_h44_a_deceased_patient_gets_no_advice() -> None:
    found = judged({ICE: 0, LOC: "loc-unarousable"}, deceased=True)
    assert (found.advice, found.proposals) == ((), ())


def test_h44_grade_5_of_a_living_patient_is_not_used() -> None:
    five = (ChartedGrade(5, NOW - timedelta(hours=1), "Observation/g"),)
    assert judged({}, charted=five).charted is None
    assert judged({}, charted=five, deceased=True).charted is not None


def test_h48_two_engagers_are_two_courses_and_blinatumomab_is_held() -> None:
    second = product("teclistamab", "t-cell-engager", 0.1)
    found = judged([finding(SEIZURE, "seizure-resolved-rapidly", 5)], administrations=(RUNNING, second))
    assert {course.substance for course in found.exposures} == {"blinatumomab", "teclistamab"}
    assert found.grading.at_least == 3, "charted before the second product, and still counted"
    assert "agent-withhold-grade-3" in rows(found)


def test_h48_time_alone_does_not_drop_what_the_first_product_did() -> None:
    first = Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=9), "MedicationAdministration/1", end=NOW - timedelta(days=6))
    chart = snapshot([finding(ICE, 1, 24 * 6)], administrations=(first, product("teclistamab", "t-cell-engager", 5)))
    for hours in (0, 23, 25, 24 * 8):
        assert assess(at(chart, hours), KNOWLEDGE).grading.at_least == 3


def test_h48_a_new_cycle_of_the_same_product_starts_afresh() -> None:
    first = Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=40), "MedicationAdministration/1", end=NOW - timedelta(days=12))
    second = replace(RUNNING, start=NOW - timedelta(hours=6))
    assert judged([finding(ICE, 1, 24 * 13)], administrations=(first, second)).grading.at_least is None


def test_h51_a_finding_from_the_future_does_not_count() -> None:
    soon = replace(finding(ICE, 5), at=NOW + timedelta(minutes=5))
    late = replace(soon, at=NOW + timedelta(minutes=5, seconds=1))
    assert graded([soon]).at_least == 2
    assert graded([late]).at_least is None


def test_h52_text_never_feeds_a_grade() -> None:
    note = Note("other", NOW, "Observation/n", "ICE 0, unarousable, status epilepticus")
    assert judged({}, notes=(note,)).grading == judged({}).grading


def test_h55_one_changed_byte_is_another_document(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "rules" / "knowledge" / "default-protocol.json"
    copy = tmp_path / "protocol.json"
    copy.write_bytes(shipped.read_bytes())
    same = from_file(copy, "protocol").ref
    copy.write_bytes(shipped.read_bytes().replace(b"10 mg", b"16 mg", 1))
    assert same.sha256 != from_file(copy, "protocol").ref.sha256
    assert same.sha256 == KNOWLEDGE.protocols[0].ref.sha256


def test_h56_a_pump_stays_out_of_the_scanner() -> None:
    assert "an external infusion pump is not MR safe" in says(judged({ICE: 1, LOC: "loc-alert"}))
