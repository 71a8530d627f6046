"""Doses and bags become courses: one exposure, three clocks (clinical basis 4.3, blincyto-label).

A bag change is no new course: a gap under 4 h continues the infusion, 4 h or more interrupts it,
more than 7 days begins a new cycle. The risk window stays open after the last dose (D5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from rules.snapshot import Administration, Exposure
from rules.windows import Windows

_DAY = timedelta(days=1)
_NEAR = timedelta(minutes=30)


def exposures(given: Sequence[Administration], as_of: datetime, windows: Windows) -> tuple[Exposure, ...]:
    """Every course of an immune effector therapy on record up to `as_of`, oldest first."""
    relevant = [
        dose
        for dose in given
        if dose.start <= as_of and windows.risk(dose.substance, dose.drug_class) is not None
    ]
    relevant.sort(key=lambda dose: (dose.substance, dose.start, dose.evidence))
    found = [
        course
        for _, doses in groupby(relevant, key=lambda dose: dose.substance)
        for course in _courses(list(doses), as_of, windows)
    ]
    return tuple(sorted(found, key=lambda course: (course.started, course.substance)))


def at_risk(course: Exposure, as_of: datetime, windows: Windows) -> bool:
    """Whether the risk window of a course is open: to N days after its last dose, N by product (D5)."""
    return as_of <= closes(course, as_of, windows)


def closes(course: Exposure, as_of: datetime, windows: Windows) -> datetime:
    """The instant the risk window of a course closes; later than `as_of` while an infusion runs."""
    window = windows.risk(course.substance, course.drug_class) or timedelta(0)
    return (course.ended or max(as_of, course.last_given)) + window


def _courses(doses: list[Administration], as_of: datetime, windows: Windows) -> list[Exposure]:
    """Courses of one substance: split where the gap is longer than a course allows."""
    first = doses[0]
    split_after = (
        windows.new_cycle
        if first.substance in windows.risk_by_substance
        else windows.risk_by_class[first.drug_class]
    )
    spans = _spans(doses, as_of, windows)
    cycles: list[list[int]] = [[0]]
    covered_until = spans[0][1]
    for index in range(1, len(doses)):
        if spans[index][0] - covered_until > split_after:
            cycles.append([])
        cycles[-1].append(index)
        covered_until = max(covered_until, spans[index][1])
    return [
        _exposure([doses[i] for i in cycle], number, spans, cycle, first.start, as_of, windows)
        for number, cycle in enumerate(cycles, start=1)
    ]


def _spans(
    doses: Sequence[Administration], as_of: datetime, windows: Windows
) -> list[tuple[datetime, datetime]]:
    """From when to when each dose was given. A bag without a charted end lasts until the next one.

    A running dose lasts until the next bag, else until now. A single dose lasts an instant.
    """
    spans = []
    for index, dose in enumerate(doses):
        following = doses[index + 1].start if index + 1 < len(doses) else None
        if dose.end is not None:
            end = min(dose.end, as_of)
        elif following is not None and following - dose.start <= windows.new_cycle:
            end = following
        else:
            end = as_of if dose.running and following is None else dose.start
        spans.append((dose.start, max(end, dose.start)))
    return spans


def _exposure(
    doses: Sequence[Administration],
    number: int,
    spans: Sequence[tuple[datetime, datetime]],
    indexes: Sequence[int],
    first_ever: datetime,
    as_of: datetime,
    windows: Windows,
) -> Exposure:
    merged = _merged(spans[: indexes[-1] + 1])
    started = spans[indexes[0]][0]
    last_end = max(spans[i][1] for i in indexes)
    running = any(dose.running and dose.end is None for dose in doses) and last_end >= as_of
    own = [span for span in merged if span[0] >= started]
    gaps = [(after[0] - before[1], after[0]) for before, after in pairwise(own)]
    breaks = [(gap, restart) for gap, restart in gaps if gap >= windows.infusion_gap]
    return Exposure(
        substance=doses[0].substance,
        drug_class=doses[0].drug_class,
        started=started,
        ended=None if running else last_end,
        evidence=tuple(dose.evidence for dose in doses),
        cycle=number,
        cycle_day=(as_of - started) // _DAY + 1,
        infusion_days=sum((end - start for start, end in merged), timedelta(0)) // _DAY,
        days_since_first=(as_of - first_ever) // _DAY,
        first_ever=first_ever,
        last_given=max(dose.start for dose in doses),
        interruptions=tuple(gap for gap, _ in breaks),
        restarts=tuple(restart for _, restart in breaks),
        near_limit=any(abs(gap - windows.infusion_gap) <= _NEAR for gap, _ in gaps),
    )


def premedication(
    given: Sequence[Administration], course: Exposure, onset: datetime | None, windows: Windows
) -> tuple[Administration, ...]:
    """Corticosteroid doses that were premedication of a course, not treatment (A22).

    A single dose within 24 h before to 1 h after a start or restart, with no open episode; or one whose
    reason says so.
    """
    doses = [d for d in given if d.drug_class == "corticosteroid"]
    found = [d for d in doses if d.premedication]
    for start in (course.started, *course.restarts):
        if onset is not None and onset < start:
            continue
        near = [
            d
            for d in doses
            if start - windows.premedication_before <= d.start <= start + windows.premedication_after
        ]
        if len(near) == 1:
            found += near
    return tuple(dict.fromkeys(found))


def _merged(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping or touching spans as one, so that no hour of infusion counts twice."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
