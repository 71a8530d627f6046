"""The traps of the table, the two clocks, what is set aside and why (clinical basis 1.3, 6; hazard log A)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from charts import NOW
from snapshots import KNOWLEDGE, RUNNING, finding, graded, snapshot

from rules import Administration, ChartedGrade, Diagnosis, Domain, Finding, assess
from rules.grading import POST_ICTAL

ICE, LOC, SEIZURE, MOTOR, ICP = Domain.ICE, Domain.CONSCIOUSNESS, Domain.SEIZURE, Domain.MOTOR, Domain.RAISED_ICP
NEGATIVE = {SEIZURE: "seizure-none", MOTOR: "motor-none", ICP: "icp-none"}


def given(substance: str, hours: float, running: bool = False, drug_class: str = "benzodiazepine") -> Administration:
    return Administration(substance, drug_class, NOW - timedelta(hours=hours), f"MedicationAdministration/{substance}", running=running, dose=2, unit="mg")


@pytest.mark.parametrize(
    ("trap", "values", "least", "most"),
    [
        ("TR1 awake is not 'awakens spontaneously'", {ICE: 10, LOC: "loc-alert", **NEGATIVE}, 0, 0),
        ("TR2 drowsy with ICE 10 is grade 1", {ICE: 10, LOC: "loc-awakens-spontaneously", **NEGATIVE}, 1, 1),
        ("TR3 ICE 0 alone", {ICE: 0}, 3, 4),
        ("TR3 ICE 0, alert", {ICE: 0, LOC: "loc-alert", **NEGATIVE}, 3, 3),
        ("TR4 ICE 0, unarousable", {ICE: 0, LOC: "loc-unarousable", **NEGATIVE}, 4, 4),
        ("TR5 over 5 min is grade 4", {SEIZURE: "seizure-prolonged"}, 4, 4),
        ("TR6 two seizures with return to baseline", {ICE: 10, LOC: "loc-alert", **NEGATIVE, SEIZURE: "seizure-resolved-rapidly"}, 3, 3),
        ("TR7 duration unknown", {ICE: 10, LOC: "loc-alert", **NEGATIVE, SEIZURE: "seizure-duration-unknown"}, 3, 4),
        ("TR8 only deep focal weakness scores", {ICE: 10, LOC: "loc-alert", **NEGATIVE}, 0, 0),
        ("TR9 nerve VI palsy", {ICP: "icp-cn6-palsy"}, 4, 4),
        ("TR10 ICE not performed is not 0", {LOC: "loc-alert", **NEGATIVE}, 0, 3),
        ("TR11 papilledema with ICE 10", {ICE: 10, LOC: "loc-alert", **NEGATIVE, ICP: "icp-papilledema"}, 4, 4),
        ("TR12 slowing is no seizure", {ICE: 8, LOC: "loc-alert", **NEGATIVE}, 1, 1),
    ],
)
def test_trap(trap: str, values: dict[Domain, int | str], least: int, most: int) -> None:
    found = graded(values)
    assert (found.at_least, found.at_most) == (least, most), trap


def test_the_exception_of_d8_holds_only_for_a_missing_ice() -> None:
    assert graded({LOC: "loc-awakens-to-voice", **NEGATIVE}).at_most == 3
    assert graded({LOC: "loc-unarousable", **NEGATIVE}).at_most == 4
    stale = [finding(d, v) for d, v in NEGATIVE.items()] + [finding(LOC, "loc-alert", 13)]
    assert graded(stale).at_most == 4
    assert graded({Domain.CONSCIOUSNESS: "loc-alert", **NEGATIVE}, KNOWLEDGE.children, age=5).at_most == 4


def test_a_partial_ice_is_a_range() -> None:
    found = graded([Finding(ICE, 6, NOW, "Observation/i", other=9), *(finding(d, v) for d, v in NEGATIVE.items()), finding(LOC, "loc-alert")])
    assert (found.at_least, found.at_most) == (1, 2)
    assert KNOWLEDGE.adults.says(found.by_domain[0].finding) == "ICE 6 to 9"


@pytest.mark.parametrize(("hours", "top"), [(11.99, 2), (12.0, 2), (12.01, 4)])
def test_fresh_ends_inclusively_and_then_only_the_top_opens(hours: float, top: int) -> None:
    found = graded([finding(ICE, 5, hours), *(finding(d, v) for d, v in NEGATIVE.items()), finding(LOC, "loc-alert")])
    assert (found.at_least, found.at_most) == (2, top)


@pytest.mark.parametrize(("ice", "hours", "overdue"), [(10, 12.0, False), (10, 12.1, True), (5, 4.0, False), (5, 4.1, True), (8, 4.1, True), (8, 3.9, False)])
def test_due_by_the_grade(ice: int, hours: float, overdue: bool) -> None:
    scored = graded([finding(ICE, ice, hours)]).domain(ICE)
    assert scored is not None
    assert scored.overdue is overdue


def test_due_at_grade_1_after_the_first_day() -> None:
    scored = graded([finding(ICE, 8, 30), finding(ICE, 8, 7)]).domain(ICE)
    assert scored is not None
    assert (scored.overdue, scored.due_every) == (False, timedelta(hours=8))


def test_consciousness_is_due_hourly_at_grade_3() -> None:
    roused = graded([finding(ICE, 1, 0.5), finding(LOC, "loc-alert", 1.1)]).domain(LOC)
    assert roused is not None
    assert roused.overdue


def test_two_values_at_one_instant_the_worse_counts() -> None:
    assert graded([finding(ICE, 10), finding(ICE, 5)]).at_least == 2


def test_a_proxy_raises_and_leaves_the_top_open() -> None:
    rass = Finding(LOC, "loc-awakens-to-touch", NOW, "Observation/r", other="loc-unarousable", proxy="RASS -4")
    found = graded([finding(ICE, 10), finding(LOC, "loc-alert"), rass, *(finding(d, v) for d, v in NEGATIVE.items())])
    assert (found.at_least, found.at_most, found.rests_on_proxy) == (3, 4, True)
    assert "awakens only to touch or unarousable" in KNOWLEDGE.adults.says(rass)


def test_a_proxy_never_lowers() -> None:
    alert = Finding(LOC, "loc-alert", NOW, "Observation/r", proxy="RASS 0")
    assert graded([finding(LOC, "loc-awakens-to-touch"), alert]).at_least == 3
    assert graded([alert, *(finding(d, v) for d, v in NEGATIVE.items()), finding(ICE, 10)]).at_most == 4


def test_an_old_proxy_does_not_outlive_a_charted_value() -> None:
    rass = Finding(LOC, "loc-unarousable", NOW - timedelta(hours=5), "Observation/r", proxy="RASS -5")
    assert graded([rass, finding(LOC, "loc-alert")]).at_least == 0


def test_a_sedative_sets_only_abnormal_values_aside_and_the_last_unsedated_one_stays() -> None:
    found = graded([finding(ICE, 9, 5), finding(ICE, 4, 1)], administrations=(RUNNING, given("lorazepam", 2)))
    assert (found.at_least, found.at_most) == (1, 4)
    (aside,) = found.set_aside
    assert (aside.at_least, aside.cause.kind, aside.cause.text) == (2, "sedation", "lorazepam 2 mg")
    normal = graded([finding(ICE, 10, 1)], administrations=(RUNNING, given("lorazepam", 2)))
    assert normal.at_least == 0
    assert normal.set_aside == ()


def test_a_sedated_proxy_is_set_aside_too() -> None:
    rass = Finding(LOC, "loc-unarousable", NOW, "Observation/r", proxy="RASS -5")
    found = graded([rass], administrations=(RUNNING, given("propofol", 1, running=True, drug_class="sedative")))
    assert found.at_least is None
    assert found.set_aside[0].cause.text == "propofol 2 mg"


@pytest.mark.parametrize(("hours", "aside"), [(12.9, True), (13.0, True), (13.1, False), (0.5, False)])
def test_the_window_of_lorazepam(hours: float, aside: bool) -> None:
    found = graded([finding(ICE, 4, 1)], administrations=(RUNNING, given("lorazepam", hours)))
    assert bool(found.set_aside) is aside


def test_a_drug_without_a_window_never_sets_aside() -> None:
    found = graded([finding(ICE, 4)], administrations=(RUNNING, given("fentanyl", 2, drug_class="opioid")))
    assert found.set_aside == ()


def test_seizure_motor_and_pressure_count_under_a_sedative() -> None:
    found = graded({MOTOR: "motor-deep-focal-weakness"}, administrations=(RUNNING, given("lorazepam", 2)))
    assert found.at_least == 4


def test_neuromuscular_block_sets_examination_aside() -> None:
    block = given("rocuronium", 2, running=True, drug_class="neuromuscular-blocker")
    found = graded({ICE: 0, LOC: "loc-unarousable", MOTOR: "motor-deep-focal-weakness"}, administrations=(RUNNING, block))
    assert found.at_least is None
    assert {a.cause.kind for a in found.set_aside} == {"neuromuscular-block"}


def test_intubation_sets_ice_aside_and_nothing_else() -> None:
    tube = Diagnosis("intubated", NOW - timedelta(hours=3), "Procedure/tube")
    found = graded({ICE: 0, LOC: "loc-awakens-to-touch"}, diagnoses=(tube,))
    assert found.at_least == 3
    assert [(a.domain, a.cause.kind) for a in found.set_aside] == [(ICE, "intubation")]


def test_natural_sleep_is_discarded_only_when_shown() -> None:
    night = NOW.replace(hour=3)
    rass = Finding(LOC, "loc-awakens-to-voice", night, "Observation/r", proxy="RASS -1")
    woke = [Finding(ICE, 10, night + timedelta(hours=2), "Observation/i"), Finding(LOC, "loc-alert", night + timedelta(hours=2), "Observation/l")]
    assert graded([rass], as_of=night + timedelta(hours=3)).at_least == 2
    shown = graded([rass, woke[0], woke[1]], as_of=night + timedelta(hours=1))
    assert shown.at_least is None, "set aside, and the confirmation is still in the future"
    assert shown.set_aside[0].cause.kind == "sleep"
    day = replace(rass, at=NOW)
    assert graded([day, *woke]).at_least == 2
    deep = replace(rass, other="loc-awakens-to-touch")
    assert graded([deep, *woke], as_of=night + timedelta(hours=1)).at_least == 2


def test_haemorrhage_sets_coded_weakness_aside_and_not_an_assessors() -> None:
    bleed = Diagnosis("intracranial-hemorrhage", NOW - timedelta(hours=2), "Condition/bleed")
    coded = finding(MOTOR, "motor-deep-focal-weakness", assessed=False)
    assert graded([coded], diagnoses=(bleed,)).at_least is None
    assert graded([replace(coded, assessed=True)], diagnoses=(bleed,)).at_least == 4
    assert graded([coded], diagnoses=(replace(bleed, active=False),)).at_least == 4


def test_the_post_ictal_hour_is_flagged_and_counted() -> None:
    found = graded([finding(SEIZURE, "seizure-duration-unknown", 1), finding(LOC, "loc-unarousable", 0.5)])
    roused = found.domain(LOC)
    assert roused is not None
    assert (found.at_least, found.rests_on_post_ictal) == (4, True)
    assert roused.flags == (POST_ICTAL,)
    assert not graded([finding(SEIZURE, "seizure-duration-unknown", 2), finding(LOC, "loc-unarousable", 0.5)]).rests_on_post_ictal


def test_a_prolonged_seizure_still_holds_while_a_later_one_holds() -> None:
    first, second = finding(SEIZURE, "seizure-prolonged", 30), finding(SEIZURE, "seizure-resolved-rapidly", 10)
    assert graded([first, second]).at_least == 4


def test_a_released_seizure_does_not_come_back_with_a_new_one() -> None:
    exam = [finding(ICE, 10, 40), finding(LOC, "loc-alert", 40)]
    assert graded([finding(SEIZURE, "seizure-prolonged", 70), *exam, finding(SEIZURE, "seizure-resolved-rapidly", 2)]).at_least == 3


def test_a_charted_grade_stops_driving_once_the_patient_was_examined_after_it() -> None:
    charted = (ChartedGrade(3, NOW - timedelta(hours=2), "Observation/g"),)
    examined = assess(snapshot({ICE: 10, LOC: "loc-alert"}, charted=charted), KNOWLEDGE)
    assert examined.driving_charted is None
    assert assess(snapshot({ICE: 10}, charted=charted), KNOWLEDGE).driving_charted is not None


def test_a_baseline_is_shown_and_not_subtracted() -> None:
    found = assess(snapshot([finding(ICE, 8, 24 * 21), finding(ICE, 8, 1)]), KNOWLEDGE)
    assert found.baseline is not None
    assert found.baseline.value == 8
    assert found.grading.at_least == 1


def test_a_child_of_unknown_age_is_graded_by_the_score_that_was_charted() -> None:
    assert assess(snapshot({Domain.CAPD: 9}, age=None), KNOWLEDGE).grading.tool is Domain.CAPD  # type: ignore[arg-type]
    assert assess(snapshot({ICE: 9}, age=None), KNOWLEDGE).grading.tool is ICE  # type: ignore[arg-type]
    assert assess(snapshot({Domain.CAPD: 9}, age=15, developmental_delay=True), KNOWLEDGE).grading.at_least == 3


def test_the_window_stays_open_while_the_grade_is_unresolved() -> None:
    cells = Administration("axicabtagene-ciloleucel", "car-t", NOW - timedelta(days=40), "MedicationAdministration/c")
    unresolved = snapshot([finding(ICE, 5, 24 * 11)], administrations=(cells,))
    assert assess(unresolved, KNOWLEDGE).exposure is not None
    assert assess(snapshot([], administrations=(cells,)), KNOWLEDGE).exposure is None
    late = snapshot([finding(SEIZURE, "seizure-resolved-rapidly", 1)], administrations=(cells,))
    assert assess(late, KNOWLEDGE).exposure is None


def test_a_diagnosis_of_icans_stands_beside_and_does_not_drive() -> None:
    coded = (ChartedGrade(3, NOW - timedelta(hours=1), "Condition/g", "icans-diagnosis"),)
    found = assess(snapshot({ICE: 10}, charted=coded), KNOWLEDGE)
    assert found.charted is not None
    assert (found.driving_charted, found.facts["icans_grade"]) == (None, 0)


def test_set_aside_is_a_state_of_its_own() -> None:
    found = assess(snapshot([finding(ICE, 4, 1)], administrations=(RUNNING, given("lorazepam", 2))), KNOWLEDGE)
    assert found.facts["score"] == "set-aside"
    two = graded([finding(ICE, 4, 2), finding(ICE, 3, 1)], administrations=(RUNNING, given("lorazepam", 3)))
    assert len(two.set_aside) == 1, "only the newest is shown"


def test_other_diagnoses_and_a_haemorrhage_from_before_explain_nothing() -> None:
    other = (Diagnosis("epilepsy", None, "Condition/e"),)
    assert graded({ICE: 4, MOTOR: "motor-deep-focal-weakness"}, diagnoses=other, administrations=(RUNNING, given("rocuronium", 99, drug_class="neuromuscular-blocker"))).at_least == 4
    old = (Diagnosis("intracranial-hemorrhage", NOW - timedelta(days=300), "Condition/b"),)
    coded = finding(MOTOR, "motor-deep-focal-weakness", assessed=False)
    assert assess(snapshot([coded], diagnoses=old), KNOWLEDGE).grading.at_least == 4


@pytest.mark.parametrize(
    ("earlier", "low", "high", "least", "most"),
    [
        (9, 3, 10, 1, 2),  # grade 1 stands: nobody showed that it is gone
        (2, 5, 8, 2, 2),  # every value of the range is better than grade 3: it falls, not below its own top
        (10, 3, 10, 0, 2),
        (5, 8, 10, 1, 1),
        (5, 0, 2, 3, 3),
        (5, 7, 9, 1, 1),
    ],
)
def test_a_score_taken_in_part_does_not_lower_what_the_last_whole_one_was_worth(
    earlier: int, low: int, high: int, least: int, most: int
) -> None:
    partial = Finding(ICE, low, NOW, "Observation/part", other=high)
    rest = [finding(LOC, "loc-alert"), *(finding(d, v) for d, v in NEGATIVE.items())]
    found = graded([finding(ICE, earlier, 3), partial, *rest])
    assert (found.at_least, found.at_most) == (least, most)
    scored = found.domain(ICE)
    assert scored is not None
    assert bool(scored.flags) is (least > {3: 0, 5: 1, 8: 0, 0: 3, 7: 1}[low])
    assert graded([partial, *rest]).at_least == {3: 0, 5: 1, 8: 0, 0: 3, 7: 1}[low]


def test_a_block_given_later_and_a_tube_that_was_out_explain_nothing() -> None:
    later = given("rocuronium", 0.5, running=True, drug_class="neuromuscular-blocker")
    assert graded({MOTOR: "motor-deep-focal-weakness"}, administrations=(RUNNING, later)).at_least == 4
    out = Diagnosis("intubated", NOW - timedelta(hours=9), "Procedure/tube", active=False, ended=NOW - timedelta(hours=2))
    assert graded({ICE: 0}, diagnoses=(out,)).at_least == 3
    assert graded([finding(ICE, 0, 3)], diagnoses=(out,)).at_least is None
