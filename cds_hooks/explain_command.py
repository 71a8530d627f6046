"""`icans-cds explain`: one file, and every step from its records to the advice."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cds_hooks import wording
from cds_hooks.decide import Decision
from cds_hooks.evaluating import decided
from cds_hooks.files import content_of
from cds_hooks.printing import printable, say
from cds_hooks.refusal import Refusal
from cds_hooks.status import trend_said
from fhir_mappers.site import ANYWHERE, Site
from rules import Assessment, Domain, Knowledge
from rules.explaining import Change, Charting, Explanation, LookedUp, RowSaid, explain, fact_name, facts_said
from rules.facts import Facts

_ACTS = {"withhold": "the protocol then withholds the causative agent", "stop": "the protocol then stops it for good"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the explanation; `depth` 0 is a heading."""

    depth: int
    text: str


def run(name: str, as_of: datetime | None, as_json: bool, knowledge: Knowledge, site: Site = ANYWHERE) -> int:
    """Explains one file on standard output. Exit code: 0, 1 the file cannot be used, 2 it cannot be opened."""
    try:
        content = content_of(name)
    except OSError as problem:
        print(f"icans-cds explain: {name}: {problem.strerror}; a readable file was expected", file=sys.stderr)
        return 2
    try:
        decision = decided(content, as_of, knowledge, site)
    except Refusal as refusal:
        print(f"icans-cds explain: {name}: {refusal.text}", file=sys.stderr)
        return 1
    assert decision.assessment is not None
    found = explain(decision.assessment, knowledge)
    if as_json:
        print(json.dumps({"file": name, **as_data(decision, decision.assessment, found)}))
    else:
        _show(lines(decision, decision.assessment, found, knowledge), Console(highlight=False))
    return 0


def _show(found: Iterable[Line], console: Console) -> None:
    """Folded to the width of a terminal; elsewhere one line a statement, for a search or a comparison."""
    for line in found:
        if not console.is_terminal:
            say(f"{'  ' * line.depth}{line.text}")
        elif line.depth == 0:
            console.print(Text(f"\n{printable(line.text)}", style="bold"))
        else:
            console.print(Padding(Text(printable(line.text)), (0, 0, 0, 2 * line.depth), expand=False))


def as_data(decision: Decision, assessment: Assessment, found: Explanation) -> dict[str, Any]:
    """The explanation as JSON beside the record of the decision."""
    return {
        **decision.record,
        "explained": {"at_least": found.at_least, "at_most": found.at_most, "silent": found.silent},
        "cells": [
            {
                "domain": c.domain.value,
                "value": c.value,
                "says": c.words,
                "at_least": c.at_least,
                "at_most": c.at_most,
                "cell": [c.cell_at_least, c.cell_at_most],
                "why": c.why or None,
                "cites": list(c.sources),
            }
            for c in found.cells
        ],
        "leaves_open": {domain.value: worst for domain, worst in found.leaves_open.items()},
        "facts": facts_said(assessment.facts),
        "rows": [_row(said) for said in found.rows],
        "doses": [
            {"row": d.proposal.row.id, "dose": d.proposal.dose.id, "recommended": d.proposal.recommended, "against": list(d.against)}
            for d in found.doses
        ],
        "renal": {"band": assessment.renal.band, "because": assessment.renal.because},
        "raises": [_change(c) for c in found.raises],
        "lowers": [_change(c) for c in found.lowers],
        "settles": [_change(c) for c in found.settles],
        "ignored": [{"domain": i.domain.value, "cause": i.cause} for i in found.ignored],
        "completed": None if found.completed is None else _charting(found.completed),
        "well": _charting(found.well),
    }


def _row(said: RowSaid) -> dict[str, Any]:
    return {
        "protocol": said.protocol,
        "row": said.row.id,
        "topic": said.row.topic,
        "holds": said.holds,
        "failed": [{"fact": c.fact, "expected": list(c.expected), "found": c.found} for c in said.failed],
        "missing": list(said.missing),
        "because": said.because,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "domain": change.domain.value,
        "if": change.words,
        "at_least": change.at_least,
        "at_most": change.at_most,
        "act": change.act,
    }


def _charting(charting: Charting) -> dict[str, Any]:
    return {"if": list(charting.words), "at_least": charting.at_least, "at_most": charting.at_most}


def lines(decision: Decision, assessment: Assessment, found: Explanation, knowledge: Knowledge) -> Iterator[Line]:
    """The explanation as a clinician would argue it."""
    yield Line(0, f"{wording.headline(assessment)}.")
    yield Line(1, f"As of {assessment.snapshot.as_of.isoformat(sep=' ', timespec='minutes')}, by {assessment.criteria.title}.")
    yield Line(1, _exposure(assessment))
    yield Line(0, "What was found")
    yield from _findings(assessment, found)
    yield Line(0, "What was not assessed")
    yield from _not_assessed(assessment, found)
    yield Line(0, "So the grade is")
    yield from _conclusion(assessment, knowledge)
    yield Line(0, "What would change it next")
    yield from _next(assessment, found, knowledge)
    yield Line(0, "What is advised")
    yield from _advice(assessment, found)
    yield Line(0, "What the protocol was asked")
    yield from _facts(assessment.facts)
    if decision.issues:
        yield Line(0, "What could not be used")
        yield from (Line(1, f"{issue.evidence}: {issue.problem}") for issue in decision.issues)
    if found.rows:
        yield Line(0, "Rows that did not hold")
        yield from _failed_rows(found.rows)


def _exposure(assessment: Assessment) -> str:
    course = assessment.exposure
    if course is None and assessment.presumed:
        return "No product on record; an ICANS record presumes one."
    if course is None:
        return "No immune effector therapy with an open risk window."
    as_of = assessment.snapshot.as_of
    running = "running" if course.ended is None else f"last given {wording.age(course.ended, as_of)}"
    near = " A gap is within 30 min of the limit of an interruption: say whether it was one." if course.near_limit else ""
    return (
        f"On {course.substance}, {running}: cycle {course.cycle}, day {course.cycle_day} of it; {course.infusion_days} completed "
        f"days of infusion in all; {course.days_since_first} days since the first dose ({', '.join(course.evidence[-3:])}).{near}"
    )


def _findings(assessment: Assessment, found: Explanation) -> Iterator[Line]:
    snapshot, grading = assessment.snapshot, assessment.grading
    if not found.cells:
        yield Line(1, "Nothing that can be graded.")
    for cell in found.cells:
        yield from _cell(assessment, cell)
    for aside in grading.set_aside:
        words = f"{wording.name_of(aside.domain)}, {assessment.criteria.says(aside.finding)}, {wording.age(aside.finding.at, snapshot.as_of)}"
        yield Line(1, f"Set aside: {words}: {aside.cause.text} ({aside.cause.evidence}). If not due to it: grade {aside.at_least}.")
    baseline = assessment.baseline
    if baseline is not None:
        said = assessment.criteria.says(baseline)
        yield Line(1, f"Baseline before this course: {said}, {wording.age(baseline.at, snapshot.as_of)}; compared, never subtracted.")
    for text in sorted({note.text for note in snapshot.notes if note.at <= snapshot.as_of}):
        yield Line(1, f"Does not count: {text}.")
    yield Line(1, f"{wording.crs_said(assessment)}.")


def _cell(assessment: Assessment, cell: LookedUp) -> Iterator[Line]:
    graded = assessment.grading.domain(cell.domain)
    assert graded is not None
    name = wording.name_of(cell.domain)
    seen = wording.age(graded.finding.at, assessment.snapshot.as_of)
    said = cell.words.removeprefix(f"{name} ").removeprefix(f"{name}, ")
    table = _grades(cell.cell_at_least, cell.cell_at_most)
    yield Line(1, _sentence(f"{name}: {said}, {seen} ({graded.finding.evidence}): {table}"))
    yield Line(2, "; ".join(cell.sources))
    if cell.why:
        yield Line(2, f"Here it counts as {_grades(cell.at_least, cell.at_most)}: {cell.why}.")
    if graded.overdue:
        yield Line(2, f"Overdue: due every {graded.due_every.total_seconds() / 3600:g} h at this grade.")
    yield from (Line(2, _sentence(flag)) for flag in graded.flags)


def _not_assessed(assessment: Assessment, found: Explanation) -> Iterator[Line]:
    if not found.leaves_open and not assessment.grading.set_aside:
        yield Line(1, "Every domain was assessed.")
    for domain, worst in found.leaves_open.items():
        yield Line(1, _sentence(f"{wording.name_of(domain)} may still be grade {worst}: missing, not normal"))


def _grades(least: int | None, most: int) -> str:
    if least is None:
        return f"not gradable, grade {most} not excluded"
    return f"grade {least}" if least == most else f"grade {least} to {most}"


def _conclusion(assessment: Assessment, knowledge: Knowledge) -> Iterator[Line]:
    grading = assessment.grading
    held = " and ".join(wording.name_of(d) for d in grading.determining)
    why = f"the most severe domain decides, here {held}" if held else "no domain holds a grade"
    yield Line(1, _sentence(f"{_grades(grading.at_least, grading.at_most)} ({grading.status}): {why}"))
    if grading.rests_on_proxy:
        yield Line(1, "Provisional: it rests on a scale that is no ASTCT domain; examine.")
    charted = assessment.charted
    if charted is not None:
        at = wording.age(charted.at, assessment.snapshot.as_of)
        drives = charted is assessment.driving_charted and charted.grade > (grading.at_least or 0)
        effect = "being higher it is the grade that counts" if drives else "it stands beside the computed grade"
        yield Line(1, f"A clinician charted grade {charted.grade}, {at} ({charted.evidence}): {effect}.")
    yield Line(1, trend_said(assessment, knowledge))


def _next(assessment: Assessment, found: Explanation, knowledge: Knowledge) -> Iterator[Line]:
    """What would raise, narrow or lower the grade; alternatives that lead to one grade in one sentence."""
    if assessment.snapshot.deceased:
        yield Line(1, "Nothing: the patient has died.")
        return
    low = found.at_least or 0
    yield from _together(found.raises, "raises it to")
    if low == assessment.criteria.worst:
        yield Line(1, f"Nothing raises it: grade {low} is the highest that is computed.")
    yield from _together(found.settles, "gives" if found.at_least is None else "narrows it to")
    yield from _together(found.lowers, "lowers it to")
    for ignored in found.ignored:
        yield Line(1, f"An abnormal {wording.name_of(ignored.domain)} charted now would be set aside ({ignored.cause}); a normal one counts.")
    if found.completed is not None:
        yield Line(1, _completed(found.completed))
    if low > 0 and found.well != found.completed:
        yield Line(1, _well(assessment, found.well, low, knowledge))


def _together(changes: Sequence[Change], verb: str) -> Iterator[Line]:
    """The changes that lead to one grade in one sentence: "ICE 2 or less; or any seizure: raises it to grade 3"."""
    for at_least in sorted({change.at_least for change in changes}):
        alike = [change for change in changes if change.at_least == at_least]
        phrases = [phrase for change in alike for phrase in change.phrases]
        said = f"{'; '.join(phrases[:-1])}; or {phrases[-1]}:" if len(phrases) > 1 else phrases[0]
        most = max(change.at_most for change in alike)
        acts = {change.act for change in alike}
        act = _ACTS.get(acts.pop() or "", "") if len(acts) == 1 else ""
        yield Line(1, _sentence(f"{said} {verb} {_open_grade(at_least, most)}{act and f'; {act}'}"))


def _open_grade(at_least: int, at_most: int) -> str:
    """A grade with what stays open above it; nothing above 0 is never printed as 0 while something is open."""
    if at_least == at_most:
        return f"grade {at_least}"
    known = f"grade {at_least}" if at_least else "no grade that is known"
    return f"{known} (grade {at_most} not excluded)"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _completed(charting: Charting) -> str:
    """What is missing, charted as normal."""
    words = _listed(charting.words)
    if charting.settled:
        return _sentence(f"{words}, charted now, would settle it at grade {charting.at_least}")
    return _sentence(f"{words}, charted now, would leave {_grades(charting.at_least, charting.at_most)}")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _well(assessment: Assessment, charting: Charting, low: int, knowledge: Knowledge) -> str:
    """Every domain charted as normal: lower, or what holds the grade all the same."""
    everything = f"everything normal now ({_listed(charting.words)})"
    if charting.at_least is not None and charting.at_least < low:
        return _sentence(f"{everything} would lower it to {_open_grade(charting.at_least, charting.at_most)}")
    held = Domain.SEIZURE in assessment.grading.determining
    hours = f"{knowledge.windows.seizure_hold.total_seconds() / 3600:g} h"
    why = f": a seizure holds {hours}, then until a score and consciousness are charted" if held else ""
    return _sentence(f"not even {everything} lowers it{why}")


def _advice(assessment: Assessment, found: Explanation) -> Iterator[Line]:
    if found.silent is not None:
        yield Line(1, f"Nothing: no protocol is asked, as {found.silent}.")
        return
    for said in (r for r in found.rows if r.holds):
        yield from _held(assessment, said, several=len(assessment.advice) > 1)
    for said in (r for r in found.rows if r.holds is None):
        yield Line(1, f"Undecided: {said.topic} ({said.row.id}): {said.because}.")
    for dose in found.doses:
        mark = "preselected" if dose.proposal.recommended else f"offered, not preselected: {'; '.join(dose.against)}"
        yield Line(1, f"Dose: {dose.proposal.dose.substance} {dose.proposal.dose.text}: {mark}.")
    yield Line(1, f"Renal function: {assessment.renal.because} (band {assessment.renal.band}).")


def _held(assessment: Assessment, said: RowSaid, several: bool) -> Iterator[Line]:
    row = said.row
    protocol = f"{said.protocol}, " if several else ""
    text = " ".join(row.do) or row.summary
    yield Line(1, f"{said.topic} ({protocol}{row.id}): {wording.filled(text, assessment)}")
    yield Line(2, f"Because {said.because}.")
    cites = "; ".join(f"{c.ref}: {c.at}" for c in row.cites)
    yield Line(2, _sentence(f"{row.strength}; {row.certainty} [{cites}]"))


def _facts(facts: Facts) -> Iterator[Line]:
    said = facts_said(facts)
    known = [f"{fact_name(name)} {said[name]}" for name, value in facts.items() if value is not None]
    unknown = [fact_name(name) for name, value in facts.items() if value is None]
    yield Line(1, f"Known: {', '.join(known)}.")
    if unknown:
        yield Line(1, f"Not known: {', '.join(unknown)}.")


def _failed_rows(rows: Sequence[RowSaid]) -> Iterator[Line]:
    failed = [said for said in rows if said.holds is False]
    for protocol, topic in dict.fromkeys((said.protocol, said.topic) for said in failed):
        yield Line(1, f"{topic} ({protocol}):")
        alike = (said for said in failed if (said.protocol, said.topic) == (protocol, topic))
        yield from (Line(2, f"{said.row.id}: {said.because}.") for said in alike)
