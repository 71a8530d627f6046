"""`icans-cds explain` on each example and on charts that are hard to argue."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from charts import NOW
from rich.console import Console
from snapshots import KNOWLEDGE, RUNNING, finding, snapshot

from cds_hooks import explain_command
from cds_hooks.decide import Decision
from cds_hooks.explain_command import Line, lines
from fhir_mappers.issues import MappingIssue
from rules import Administration, ChartedGrade, ClinicalSnapshot, Domain, Knowledge, assess, load_knowledge
from rules.explaining import explain

ICE, LOC, SEIZURE = Domain.ICE, Domain.CONSCIOUSNESS, Domain.SEIZURE
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("case-*.json"))
BOTH = load_knowledge((Path("icans-default"), Path("asco-2021")))


def argued(one: ClinicalSnapshot, knowledge: Knowledge = KNOWLEDGE, issues: tuple[MappingIssue, ...] = ()) -> str:
    assessment = assess(one, knowledge)
    decision = Decision(UUID(int=0), NOW, [], {}, assessment, issues)
    found = explain(assessment, knowledge)
    return "\n".join(line.text for line in lines(decision, assessment, found, knowledge))


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(name: str, as_json: bool = False) -> str:
        path = next(path for path in EXAMPLES if path.stem == name)
        assert explain_command.run(str(path), None, as_json, KNOWLEDGE) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_every_example_is_argued_in_every_step(name: str, printed: Callable[..., str]) -> None:
    text = printed(name)
    steps = ("What was found", "What was not assessed", "So the grade is", "What would change it next", "What is advised")
    assert [line for line in text.splitlines() if line in steps] == list(steps)
    assert ".." not in text
    assert "None" not in text
    data = json.loads(printed(name, as_json=True))
    held = [row["row"] for row in data["rows"] if row["holds"]]
    assert {advice["row"] for advice in data["advice"]} <= set(held)
    assert {d["dose"] for d in data["doses"] if d["recommended"]} == {d["dose"] for d in data["doses"] if not d["against"]}


def test_case_1_is_argued_as_a_clinician_would(printed: Callable[..., str]) -> None:
    text = printed("case-1-cycle-3-day-1")
    for sentence in (
        "On blinatumomab, running: cycle 3, day 1 of it; 42 completed days of infusion in all; 98 days since the first dose",
        "Consciousness: awakens to voice, 1 h ago (Observation/case-1-consciousness): grade 2.",
        "ICE may still be grade 3: missing, not normal.",
        "ICE 2 or less; consciousness awakens only to touch; any seizure; or any sign of raised ICP or edema: "
        "raises it to grade 3 (grade 4 not excluded); the protocol then withholds the causative agent.",
        "ICE 10, charted now, would settle it at grade 2.",
        "Dose: dexamethasone 10 mg IV every 12 h, two doses: offered, not preselected: no ICE charted within its window.",
        "Does not count: tremor.",
    ):
        assert sentence in text


def test_case_2_says_that_normal_findings_do_not_release_the_seizure(printed: Callable[..., str]) -> None:
    text = printed("case-2-day-4-printed")
    assert "lowers it: a seizure holds 24 h, then until a score and consciousness are charted." in text
    assert "charted now, would leave grade 3 to 4." in text


def test_what_was_set_aside_and_what_would_be() -> None:
    lorazepam = Administration("lorazepam", "benzodiazepine", NOW - timedelta(hours=1.5), "m", dose=2, unit="mg")
    chart = [finding(ICE, 9, 5), finding(ICE, 2, 1), finding(LOC, "loc-alert", 1)]
    text = argued(snapshot(chart, administrations=(RUNNING, lorazepam)))
    assert "Set aside: ICE, ICE 2, 1 h ago: lorazepam 2 mg (m). If not due to it: grade 3." in text
    assert "An abnormal ICE charted now would be set aside (lorazepam 2 mg); a normal one counts." in text
    assert "Here it counts as grade 1 to 4: a newer one was set aside" in text
    assert "Overdue: due every 4 h at this grade." in text
    assert "ICE 10 lowers it to no grade that is known (grade 4 not excluded)." in text
    assert "onsciousness alert raises" not in text


def test_nothing_assessed_is_never_printed_as_0() -> None:
    text = argued(snapshot({}))
    assert "Not gradable, grade 4 not excluded (indeterminate): no domain holds a grade." in text
    assert "Nothing that can be graded." in text
    only_two = argued(snapshot({SEIZURE: "seizure-none", Domain.MOTOR: "motor-none", Domain.RAISED_ICP: "icp-none", LOC: "loc-alert"}))
    assert "ICE 10, charted now, would settle it at grade 0." in only_two


def test_what_settles_a_chart_without_a_grade() -> None:
    text = argued(snapshot([finding(LOC, "loc-alert", proxy="AVPU A", other="loc-awakens-spontaneously"), finding(ICE, 10, 1)]))
    assert "inferred from AVPU A" in text


def test_the_deceased_are_not_advised_on() -> None:
    text = argued(snapshot({ICE: 2}, deceased=True, charted=(ChartedGrade(5, NOW - timedelta(hours=1), "o"),)))
    assert "Nothing: no protocol is asked, as the patient has died." in text
    assert "Nothing: the patient has died." in text
    assert "Rows that did not hold" not in text
    assert "A clinician charted grade 5, 1 h ago (o): being higher it is the grade that counts." in text


def test_no_product_and_a_presumed_one() -> None:
    none = argued(snapshot({Domain.MOTOR: "motor-deep-focal-weakness"}, administrations=()))
    assert "No immune effector therapy with an open risk window." in none
    assert "Nothing: no protocol is asked, as no immune effector therapy with an open risk window" in none
    assert "No product on record; an ICANS record presumes one." in argued(snapshot({ICE: 5}, administrations=()))


def test_grade_4_is_the_highest() -> None:
    text = argued(snapshot({LOC: "loc-unarousable"}))
    assert "Nothing raises it: grade 4 is the highest that is computed." in text
    assert "would settle it" not in text


def test_a_charted_grade_that_drives() -> None:
    text = argued(snapshot({ICE: 8}, charted=(ChartedGrade(3, NOW - timedelta(hours=1), "o"),)))
    assert "A clinician charted grade 3, 1 h ago (o): being higher it is the grade that counts." in text


def test_a_lower_charted_grade_stands_beside() -> None:
    text = argued(snapshot({ICE: 1}, charted=(ChartedGrade(1, NOW - timedelta(hours=1), "o"),)))
    assert "A clinician charted grade 1, 1 h ago (o): it stands beside the computed grade." in text


def test_a_scale_a_baseline_a_gap_near_the_limit_and_unread_records() -> None:
    bags = (
        Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=2), "a", end=NOW - timedelta(hours=20)),
        Administration("blinatumomab", "t-cell-engager", NOW - timedelta(hours=16), "b", end=NOW - timedelta(hours=2)),
    )
    chart = [finding(ICE, 9, 60), finding(LOC, "loc-awakens-to-touch", proxy="RASS -4", other="loc-unarousable")]
    text = argued(snapshot(chart, administrations=bags), issues=(MappingIssue("Observation/x", "no time"),))
    assert "Provisional: it rests on a scale that is no ASTCT domain; examine." in text
    assert "Baseline before this course: ICE 9" in text
    assert "A gap is within 30 min of the limit of an interruption: say whether it was one." in text
    assert "last given 2 h ago" in text
    assert "Observation/x: no time" in text


def test_two_protocols_are_told_apart_and_undecided_rows_said() -> None:
    text = argued(snapshot({ICE: 1}, age=None), BOTH)
    assert "(icans-default, work-up-3-4)" in text
    assert "(asco-2021, " in text
    assert "Undecided: " in text
    assert "(steroid-grade-3): not known: adult." in text
    assert "Not known: adult." in text


def test_a_complete_examination_says_so() -> None:
    values = {ICE: 10, LOC: "loc-alert", SEIZURE: "seizure-none", Domain.MOTOR: "motor-none", Domain.RAISED_ICP: "icp-none"}
    assert "Every domain was assessed." in argued(snapshot(values))


def test_a_terminal_folds_and_nothing_of_a_chart_controls_it() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=40, color_system=None)
    explain_command._show([Line(0, "Heading"), Line(2, "word " * 20 + "\x1b[31m [bold]x[/bold]")], console)
    text = written.getvalue()
    assert all(len(line) <= 40 for line in text.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines())
    assert "\x1b[31m" not in text
    assert "[bold]x[/bold]" in text


@pytest.mark.parametrize(("content", "code", "expected"), [(None, 2, "a readable file was expected"), (b"{}", 1, "was expected")])
def test_a_file_that_cannot_be_used(content: bytes | None, code: int, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chart.json"
    if content is not None:
        path.write_bytes(content)
    assert explain_command.run(str(path), None, False, KNOWLEDGE) == code
    assert expected in capsys.readouterr().err


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EXAMPLES[0].read_bytes())))
    assert explain_command.run("-", None, True, KNOWLEDGE) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "-"
