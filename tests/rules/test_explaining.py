"""An explanation argues what the rules decided, and what it says would happen does happen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from charts import NOW
from snapshots import KNOWLEDGE, RUNNING, finding, snapshot

from rules import Administration, Assessment, ChartedGrade, ClinicalSnapshot, Domain, Finding, Order, assess
from rules.explaining import Change, Charting, Explanation, Ignored, explain, fact_name, facts_said
from rules.snapshot import Value

ICE, CAPD, LOC, SEIZURE, MOTOR, ICP = Domain.ICE, Domain.CAPD, Domain.CONSCIOUSNESS, Domain.SEIZURE, Domain.MOTOR, Domain.RAISED_ICP
NEGATIVE: dict[Domain, Value] = {SEIZURE: "seizure-none", MOTOR: "motor-none", ICP: "icp-none"}
LORAZEPAM = Administration("lorazepam", "benzodiazepine", NOW - timedelta(hours=1.5), "m", dose=2, unit="mg")


def explained(one: ClinicalSnapshot) -> tuple[Assessment, Explanation]:
    assessment = assess(one, KNOWLEDGE)
    return assessment, explain(assessment, KNOWLEDGE)


def said(changes: Sequence[Change]) -> dict[str, tuple[int, int, str | None]]:
    return {change.words: (change.at_least, change.at_most, change.act) for change in changes}


def test_case_1_consciousness_charted_and_ice_missing() -> None:
    _, found = explained(snapshot({LOC: "loc-awakens-to-voice", **NEGATIVE}))
    raises = said(found.raises)
    assert raises["ICE 2 or less"] == (3, 3, "withhold")
    assert raises["any seizure"] == (3, 4, "withhold")
    assert raises["any sign of raised ICP or edema"] == (3, 4, "withhold")
    assert raises["consciousness awakens only to touch"] == (3, 3, "withhold")
    assert raises["deep focal motor weakness"] == (4, 4, "stop")
    assert said(found.settles) == {"ICE 3 or more": (2, 2, None)}
    assert said(found.lowers) == {
        "consciousness alert": (0, 3, None),
        "consciousness drowsy, awakens spontaneously": (1, 3, None),
    }
    assert found.completed == Charting(("ICE 10",), 2, 2)
    assert found.completed.settled
    assert (found.well.at_least, found.well.at_most) == (0, 0)
    assert found.leaves_open == {ICE: 3}
    assert [c.cell_at_least for c in found.cells] == [2, 0, 0, 0]
    assert found.silent is None


def test_a_held_seizure_of_unknown_length_is_not_settled_by_normal_findings() -> None:
    _, found = explained(snapshot({SEIZURE: "seizure-duration-unknown"}))
    assert found.completed is not None
    assert not found.completed.settled
    assert (found.well.at_least, found.well.at_most) == (3, 4)
    assert set(found.leaves_open) == {ICE, LOC, MOTOR, ICP}
    assert "prolonged seizure, over 5 min or repetitive seizures without return to baseline" in said(found.raises)


def test_a_final_grade_says_what_raises_and_what_lowers_it() -> None:
    _, found = explained(snapshot({ICE: 5, LOC: "loc-alert", **NEGATIVE}))
    assert found.completed is None
    assert found.settles == ()
    assert said(found.lowers) == {"ICE 10": (0, 0, None), "ICE 7 to 9": (1, 1, None)}


def test_under_a_sedative_an_abnormal_value_would_be_set_aside_and_raises_nothing() -> None:
    """The set-aside ICE 2 counts in no "what if": an alert patient does not raise the grade."""
    chart = [finding(ICE, 9, 5), finding(ICE, 2, 1), finding(LOC, "loc-alert", 1)]
    _, found = explained(snapshot(chart, administrations=(RUNNING, LORAZEPAM)))
    assert {change.domain for change in found.raises} == {SEIZURE, MOTOR, ICP}
    assert found.ignored == (Ignored(ICE, "lorazepam 2 mg"), Ignored(LOC, "lorazepam 2 mg"))
    assert said(found.lowers) == {"ICE 10": (0, 4, None)}
    (ice,) = [c for c in found.cells if c.domain is ICE]
    assert ice.why == "a newer one was set aside, so the floor of this one stands and its top is open"


def test_nothing_assessed_is_gradable_once_charted() -> None:
    _, found = explained(snapshot({}))
    assert (found.at_least, found.at_most, found.cells) == (None, 4, ())
    assert said(found.raises)["ICE 7 to 9"] == (1, 4, None)
    assert found.completed == found.well
    assert set(found.leaves_open.values()) == {4}


def test_a_childs_cell_is_settled_by_consciousness() -> None:
    _, found = explained(snapshot({CAPD: 5, LOC: "loc-alert"}, age=5))
    capd = found.cells[0]
    assert (capd.at_least, capd.at_most, capd.cell_at_least, capd.cell_at_most) == (1, 1, 1, 2)
    assert capd.why == "consciousness, charted and fresh, separates the grades that this cell shares"
    assert said(found.raises)["CAPD 9 or more"][0] == 3


@pytest.mark.parametrize(
    ("chart", "expected"),
    [
        (finding(LOC, "loc-awakens-to-touch", other="loc-unarousable", proxy="RASS -4"), "inferred from RASS -4; a scale may"),
        (finding(LOC, "loc-awakens-to-voice", 90), "it is past its window, so its floor stands"),
        (finding(LOC, "loc-awakens-to-voice", 1), ""),
    ],
)
def test_why_a_finding_counts_otherwise_than_its_cell(chart: Finding, expected: str) -> None:
    _, found = explained(snapshot([chart]))
    assert found.cells[0].why.startswith(expected)
    assert bool(found.cells[0].why) == bool(expected)


def test_a_charted_grade_that_drives_is_what_has_to_be_raised() -> None:
    charted = (ChartedGrade(3, NOW - timedelta(hours=1), "o"),)
    _, found = explained(snapshot({ICE: 8}, charted=charted))
    assert found.at_least == 3
    assert {change.at_least for change in found.raises} == {4}
    _, alone = explained(snapshot({ICE: 8}))
    assert min(change.at_least for change in alone.raises) == 2


def test_rows_say_every_condition_that_failed_and_every_fact_that_is_missing() -> None:
    _, found = explained(snapshot({ICE: 1}, age=None))
    rows = {said_row.row.id: said_row for said_row in found.rows}
    undecided = rows["steroid-grade-3"]
    assert (undecided.holds, undecided.missing, undecided.because) == (None, ("adult",), "not known: adult")
    assert rows["work-up-3-4"].because == "ICANS grade is 3, lumbar puncture safe is no"
    failed = rows["agent-withhold-ctcae-3"]
    assert failed.because.startswith("CTCAE neurological is below-3, asked for 3")
    assert {c.fact for c in failed.failed} >= {"ctcae_neurological", "icans_grade"}
    assert {said_row.holds for said_row in found.rows} == {True, False, None}
    assert {said_row.protocol for said_row in found.rows} == {"icans-default"}
    for one in found.rows:
        assert bool(one.failed) == (one.holds is False)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (snapshot({ICE: 2}, deceased=True), "the patient has died"),
        (snapshot({MOTOR: "motor-deep-focal-weakness"}, administrations=()), "no immune effector therapy with an open"),
    ],
)
def test_no_row_is_said_where_no_protocol_was_asked(one: ClinicalSnapshot, expected: str) -> None:
    assessment, found = explained(one)
    assert assessment.advice == ()
    assert found.rows == found.doses == ()
    assert str(found.silent).startswith(expected)


@pytest.mark.parametrize(
    ("chart", "expected"),
    [
        ([finding(LOC, "loc-awakens-to-voice")], "no ICE charted within its window"),
        ([finding(SEIZURE, "seizure-resolved-rapidly")], "no ICE and no consciousness charted within its window"),
        ([finding(LOC, "loc-awakens-to-touch", proxy="RASS -4")], "the grade does not rest on a charted domain"),
        ([finding(ICE, 1)], "the row prefers another dose"),
        ([finding(ICE, 5)], "the row says consider, not give"),
    ],
)
def test_why_a_dose_is_not_preselected(chart: list[Finding], expected: str) -> None:
    _, found = explained(snapshot(chart))
    assert expected in {reason for dose in found.doses for reason in dose.against}


def test_a_dose_says_a_reason_exactly_when_it_is_not_preselected() -> None:
    seen = set()
    scores = (None, finding(ICE, 1), finding(ICE, 5), finding(ICE, 1, 30))
    levels = (None, finding(LOC, "loc-unarousable"), finding(LOC, "loc-awakens-to-voice", proxy="AVPU V"))
    seizures = (None, finding(SEIZURE, "seizure-resolved-rapidly"))
    for chosen in itertools.product(scores, levels, seizures):
        _, found = explained(snapshot([f for f in chosen if f is not None]))
        for dose in found.doses:
            assert dose.proposal.recommended == (not dose.against), (chosen, dose)
            seen |= {dose.proposal.recommended, *dose.against}
    assert {True, False, "the dosing document does not let it be preselected"} <= seen


def _charts() -> list[ClinicalSnapshot]:
    sedated = (RUNNING, LORAZEPAM)
    proxy = finding(LOC, "loc-awakens-to-touch", other="loc-unarousable", proxy="RASS -4")
    charts = [[], [finding(ICE, 5)], [finding(ICE, 2, 30)], [proxy], [finding(SEIZURE, "seizure-prolonged", 30)]]
    charts += [[finding(ICE, 9, 5), finding(ICE, 2)], [finding(LOC, "loc-alert"), finding(MOTOR, "motor-none", 90)]]
    found = [snapshot(c, administrations=given) for c in charts for given in ((RUNNING,), sedated, ())]
    return [*found, snapshot({CAPD: 3}, age=4), snapshot({CAPD: 20, LOC: "loc-awakens-to-voice"}, age=4)]


@pytest.mark.parametrize("one", _charts())
def test_what_is_said_to_change_the_grade_does_so(one: ClinicalSnapshot) -> None:
    """Each value that a sentence covers, charted, gives the grade of the sentence; what no sentence names changes nothing."""
    assessment, found = explained(one)
    low = found.at_least or 0
    said_to = {change.domain: set() for change in (*found.raises, *found.lowers, *found.settles)}
    for change in (*found.raises, *found.lowers, *found.settles):
        said_to[change.domain].add((change.at_least, change.at_most))
    for domain, cells in assessment.criteria.cells.items():
        for value in cells:
            kept = [f for f in one.findings if f.at < NOW or f.domain is not domain]
            again = assess(replace(one, findings=(*kept, Finding(domain, value, NOW, "x"))), KNOWLEDGE)
            at_least = again.facts["icans_grade"]
            at_least = at_least if isinstance(at_least, int) else 0
            if any(s.finding.evidence == "x" for s in again.grading.set_aside):
                assert domain in {i.domain for i in found.ignored}
            elif at_least != low:
                assert at_least in {grade for grade, _ in said_to[domain]}, (domain, value)


def test_a_draft_of_an_engager_asks_the_protocol_without_an_open_window() -> None:
    draft = Order("blinatumomab", "t-cell-engager", "MedicationRequest/d", draft=True, status="draft")
    _, found = explained(snapshot({}, administrations=(), orders=(draft,)))
    assert found.silent is None
    assert found.rows


def test_facts_in_words() -> None:
    assessment, _ = explained(snapshot({ICE: 1}, age=None))
    words = facts_said(assessment.facts)
    assert (words["adult"], words["icans_grade"], words["engager_draft"]) == ("not known", "3", "no")
    assert facts_said({"adult": True})["adult"] == "yes"
    assert [fact_name(n) for n in ("icans_grade", "ctcae_neurological", "crs")] == ["ICANS grade", "CTCAE neurological", "CRS"]
