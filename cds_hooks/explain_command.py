"""`icans-cds explain`: one file, and every step from its records to the advice."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from cds_hooks import wording
from cds_hooks.decide import Decision
from cds_hooks.evaluate import decided
from cds_hooks.refusal import Refusal
from rules import Assessment, Knowledge
from rules.explaining import Change, Explanation, explain, facts_said


def run(name: str, as_of: datetime | None, as_json: bool, knowledge: Knowledge, zone: tzinfo | None = None) -> int:
    """Explains one file on standard output. Exit code: 0, 1 the file cannot be used, 2 it cannot be opened."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as problem:
        print(f"icans-cds explain: {name}: {problem.strerror}; a readable file was expected", file=sys.stderr)
        return 2
    try:
        decision = decided(content, as_of, knowledge, zone)
    except Refusal as refusal:
        print(f"icans-cds explain: {name}: {refusal.text}", file=sys.stderr)
        return 1
    assert decision.assessment is not None
    found = explain(decision.assessment, knowledge)
    if as_json:
        print(json.dumps({"file": name, **as_data(decision, found)}, ensure_ascii=False))
    else:
        print("\n".join(lines(decision, decision.assessment, found)))
    return 0


def as_data(decision: Decision, found: Explanation) -> dict[str, Any]:
    """The explanation as JSON beside the record of the decision."""
    assert decision.assessment is not None
    return {
        **decision.record,
        "cells": [
            {"domain": c.domain.value, "says": c.words, "at_least": c.at_least, "at_most": c.at_most, "cites": list(c.sources)}
            for c in found.cells
        ],
        "facts": facts_said(decision.assessment.facts),
        "rows": [{"row": r.row.id, "topic": r.row.topic, "holds": r.holds, "because": r.because} for r in found.rows],
        "raises": [_change(c) for c in found.raises],
        "settles": [_change(c) for c in found.settles],
    }


def _change(change: Change) -> dict[str, Any]:
    return {"if": change.words, "at_least": change.at_least, "at_most": change.at_most}


def lines(decision: Decision, assessment: Assessment, found: Explanation) -> Iterator[str]:
    """The explanation as a clinician would argue it."""
    snapshot, grading = assessment.snapshot, assessment.grading
    yield f"{wording.headline(assessment)}."
    yield f"As of {snapshot.as_of.isoformat()}, by {assessment.criteria.title}."
    yield from _exposure(assessment)
    yield ""
    yield "What was found"
    for cell in found.cells:
        graded = grading.domain(cell.domain)
        assert graded is not None
        seen = wording.age(graded.finding.at, snapshot.as_of)
        yield f"  {wording.name_of(cell.domain)}: {cell.words}, {seen} ({graded.finding.evidence})"
        yield f"    the table says {_grades(cell.cell_at_least, cell.cell_at_most)} [{'; '.join(cell.sources)}]"
        if (cell.at_least, cell.at_most) != (cell.cell_at_least, cell.cell_at_most):
            yield f"    it counts as {_grades(cell.at_least, cell.at_most)}: {_why_open(graded)}"
        for flag in graded.flags:
            yield f"    {flag}"
    for aside in grading.set_aside:
        said = assessment.criteria.says(aside.finding)
        yield f"  set aside: {wording.name_of(aside.domain)} ({said}), because of {aside.cause.text} ({aside.cause.evidence}); if not due to it: grade {aside.at_least}"
    if grading.unassessed:
        names = ", ".join(wording.name_of(d) for d in grading.unassessed)
        yield f"  not assessed: {names}; that leaves the top at {grading.at_most}"
    for note in sorted({n.text for n in snapshot.notes}):
        yield f"  {note}: does not count towards the grade"
    yield ""
    yield "So the grade is"
    yield f"  {_conclusion(assessment)}"
    yield from _next(found)
    yield ""
    yield "What is advised"
    for said_row in (r for r in found.rows if r.holds):
        yield f"  {said_row.row.topic}: {said_row.row.id}: {wording.filled(said_row.row.summary or said_row.row.do[0], assessment)}"
        yield f"    because {said_row.because} [{said_row.row.strength}; {said_row.row.certainty}]"
    for said_row in (r for r in found.rows if r.holds is None):
        yield f"  undecided: {said_row.row.id}: {said_row.because}"
    for proposal in assessment.proposals:
        mark = "preselected" if proposal.recommended else "offered, not preselected"
        yield f"  dose: {proposal.dose.substance} {proposal.dose.text}: {mark}"
    yield f"  renal function: {assessment.renal.because} (band {assessment.renal.band})"
    if decision.issues:
        yield ""
        yield "What could not be used"
        for issue in decision.issues:
            yield f"  {issue.evidence}: {issue.problem}"
    yield ""
    yield "Rows that did not hold"
    for said_row in (r for r in found.rows if r.holds is False):
        yield f"  {said_row.row.id}: {said_row.because}"


def _exposure(assessment: Assessment) -> Iterator[str]:
    course = assessment.exposure
    if course is None:
        yield "No open risk window." if not assessment.presumed else "No product on record; an ICANS record presumes one."
        return
    running = "still running" if course.ended is None else f"last given {wording.age(course.ended, assessment.snapshot.as_of)}"
    yield (
        f"On {course.substance}, {running}: cycle {course.cycle} day {course.cycle_day}, {course.infusion_days} completed "
        f"infusion days in all, {course.days_since_first} days since the first dose."
    )


def _grades(least: int, most: int) -> str:
    return f"grade {least}" if least == most else f"grade {least} to {most}"


def _why_open(graded: Any) -> str:
    if graded.provisional:
        return "inferred from a scale, which may raise but never settles"
    if graded.stale:
        return "older than its window, so its floor stands and its top is open"
    return "settled by consciousness"


def _conclusion(assessment: Assessment) -> str:
    grading = assessment.grading
    if grading.at_least is None:
        return f"not computable: nothing usable was assessed; at most {grading.at_most}"
    held = ", ".join(wording.name_of(d) for d in grading.determining) or "no domain above 0"
    return f"{_grades(grading.at_least, grading.at_most)} ({grading.status}): the worst domain decides, here {held}"


def _next(found: Explanation) -> Iterator[str]:
    if found.raises:
        yield "What would raise it"
    for change in sorted(found.raises, key=lambda c: (c.at_least, c.at_most)):
        yield f"  {change.words}: raises it to {_grades(change.at_least, change.at_most)}"
    if found.settles:
        yield "What would narrow it"
    for change in found.settles:
        yield f"  {change.words}: leaves {_grades(change.at_least, change.at_most)}"
