"""One Procedure: a CAR-T infusion, intubation, extubation, dialysis. Its codes come by a site's concept map."""

from __future__ import annotations

from datetime import datetime, timedelta

from fhir_mappers.chart import Chart
from fhir_mappers.elements import Unreadable, exact_time, whole_day
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import Procedure
from rules.snapshot import Administration, Diagnosis

_NOT_DONE = frozenset({"not-done", "entered-in-error", "preparation"})
_DONE = frozenset({"in-progress", "on-hold", "completed", "stopped"})
DIALYSIS_COUNTS = timedelta(days=7)
"""A dialysis within this time says "on haemodialysis"; an older one alone does not (project decision)."""
TUBES = {"intubation": "intubated", "extubation": "extubated"}

Mapped = Administration | Diagnosis | MappingIssue


def mapped(procedure: Procedure, evidence: str, chart: Chart) -> Mapped | None:
    """What a Procedure says; None when it is about something else or was not done."""
    try:
        kind = chart.procedure(procedure.code)
        status = (procedure.status or "").strip()
        if status in _NOT_DONE:
            return None
        if kind is None:
            asked = chart.asked(procedure.code)
            return None if asked is None else MappingIssue(evidence, asked[1])
        if status not in _DONE:
            raise Unreadable(f"status {status[:24]!r}; in-progress, completed or stopped was expected")
        start, end = _times(procedure, chart)
    except Unreadable as problem:
        return MappingIssue(evidence, f"procedure: {problem}")
    if kind == "car-t-infusion":
        return Administration("car-t product", "car-t", start, evidence, end=end)
    if kind == "hemodialysis":
        recent = status == "in-progress" or chart.as_of - (end or start) <= DIALYSIS_COUNTS
        return Diagnosis(kind, start, evidence, active=recent, ended=end)
    ended = end if kind == "intubation" else None
    return Diagnosis(TUBES[kind], start, evidence, active=ended is None, ended=ended)


def _times(procedure: Procedure, chart: Chart) -> tuple[datetime, datetime | None]:
    """Start and end. A day without a time is read as its first instant. Raises Unreadable."""
    period = procedure.performedPeriod
    if procedure.performedDateTime is not None:
        return chart.past(whole_day(procedure.performedDateTime, chart.zone)[0]), None
    if period is None or period.start is None:
        raise Unreadable("no time; performedDateTime or performedPeriod.start was expected")
    start = chart.past(whole_day(period.start, chart.zone)[0])
    if period.end is None:
        return start, None
    end = exact_time(period.end, chart.zone)
    if end < start:
        raise Unreadable(f"period ends {period.end} before it starts {period.start}")
    return start, end if end <= chart.as_of else None


def extubated(tubes: list[Diagnosis]) -> list[Diagnosis]:
    """Intubations with their end: the next extubation on record; extubations themselves are dropped."""
    ends = sorted(d.onset for d in tubes if d.kind == "extubated" and d.onset is not None)
    found = []
    for tube in (d for d in tubes if d.kind != "extubated"):
        if tube.kind == "intubated" and tube.ended is None and tube.onset is not None:
            end = next((at for at in ends if at >= tube.onset), None)
            found.append(tube if end is None else Diagnosis(tube.kind, tube.onset, tube.evidence, False, end))
        else:
            found.append(tube)
    return found
