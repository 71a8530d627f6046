"""Why a grade is what it is, and what would change it next: an assessment argued as a clinician would.

What would change the grade is found by grading again with each possible value, not by a second set of rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rules.assessing import Assessment, Knowledge
from rules.facts import FACTS, Facts
from rules.grading import Grading, grade
from rules.protocol import Row
from rules.snapshot import SCORES, Domain, Finding, Value


@dataclass(frozen=True, slots=True)
class LookedUp:
    """One domain: what was found, in which cell it falls, what that is worth, and who says so."""

    domain: Domain
    words: str
    at_least: int
    at_most: int
    cell_at_least: int
    cell_at_most: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowSaid:
    """One row: whether it held, and if not which condition failed or which fact is unknown."""

    row: Row
    holds: bool | None
    because: str


@dataclass(frozen=True, slots=True)
class Change:
    """A finding that would change the grade if it were charted now: its words and the grade that follows."""

    words: str
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind an assessment, in the order of its argument."""

    cells: tuple[LookedUp, ...]
    rows: tuple[RowSaid, ...]
    raises: tuple[Change, ...]
    settles: tuple[Change, ...]


def explain(assessment: Assessment, knowledge: Knowledge) -> Explanation:
    """The argument behind an assessment. Pure; grades again once for each value of each domain."""
    changes = tuple(_changes(assessment, knowledge))
    low = assessment.grading.at_least or 0
    return Explanation(
        cells=tuple(_looked_up(assessment)),
        rows=tuple(_row_said(row, assessment.facts) for p in knowledge.protocols for row in p.rows),
        raises=tuple(c for c in changes if c.at_least > low),
        settles=tuple(
            c for c in changes if c.at_least == low and c.at_most < assessment.grading.at_most
        ),
    )


def _looked_up(assessment: Assessment) -> list[LookedUp]:
    criteria = assessment.criteria
    found = []
    for graded in assessment.grading.by_domain:
        cell = criteria.cell(graded.finding)
        sources = tuple(f"{c.ref}: {c.at}" for c in cell.cites)
        least, most = criteria.interval(graded.finding)
        words = criteria.says(graded.finding)
        found.append(LookedUp(graded.domain, words, graded.at_least, graded.at_most, least, most, sources))
    return found


def _row_said(row: Row, facts: Facts) -> RowSaid:
    holds = row.holds(facts)
    if holds:
        return RowSaid(row, True, ", ".join(f"{name} is {facts[name]}" for name in row.when))
    if holds is None:
        return RowSaid(row, None, f"not known: {', '.join(row.unknown(facts))}")
    failed = [name for name, allowed in row.when.items() if facts[name] is not None and facts[name] not in allowed]
    name = failed[0]
    allowed = [value for value in FACTS[name] if value in row.when[name]]
    return RowSaid(row, False, f"{name} is {facts[name]}, asked for {_either(allowed)}")


def _either(values: Sequence[object]) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _changes(assessment: Assessment, knowledge: Knowledge) -> list[Change]:
    """Each value of each domain charted now, values that lead to the same grade grouped in one sentence."""
    found: list[Change] = []
    for domain, cells in assessment.criteria.cells.items():
        by_grade: dict[tuple[int, int], list[Value]] = {}
        for value in cells:
            again = _with(assessment, knowledge, domain, value)
            if again.at_least is not None:
                by_grade.setdefault((again.at_least, again.at_most), []).append(value)
        found += [
            Change(_words(assessment, domain, values), least, most) for (least, most), values in by_grade.items()
        ]
    return found


def _with(assessment: Assessment, knowledge: Knowledge, domain: Domain, value: Value) -> Grading:
    """The grade if this value were charted at this instant. A value that lasts (a seizure) stays besides."""
    snapshot = assessment.snapshot
    finding = Finding(domain, value, snapshot.as_of, "if charted now")
    since = assessment.exposures[-1].started if assessment.exposures else None
    findings = (*snapshot.findings, finding)
    return grade(replace(snapshot, findings=findings, administrations=()), assessment.criteria, knowledge.windows, since)


def _words(assessment: Assessment, domain: Domain, values: Sequence[Value]) -> str:
    """Values in words, scores as a range: "ICE 0 to 2", "any of: seizure that resolved rapidly, ..."."""
    criteria = assessment.criteria
    numbers = sorted(v for v in values if isinstance(v, int))
    words: list[str] = []
    if numbers and domain in SCORES:
        name = domain.value.upper()
        words.append(f"{name} {numbers[0]}" if len(numbers) == 1 else f"{name} {numbers[0]} to {numbers[-1]}")
    words += [criteria.cells[domain][v].says for v in values if not isinstance(v, int)]
    return "; or ".join(words)


def facts_said(facts: Facts) -> Mapping[str, str]:
    """The facts in words: unknown ones say so."""
    return {name: "not known" if value is None else str(value) for name, value in facts.items()}
