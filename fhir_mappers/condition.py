"""One Condition: a domain finding, a note, a charted diagnosis of ICANS, a diagnosis that matters, or an issue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fhir_mappers.chart import Chart
from fhir_mappers.elements import Unreadable, exact_time, whole_day
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import CodeableConcept, Condition
from rules.snapshot import ChartedGrade, Diagnosis, Domain, Finding, Note

_CURRENT = frozenset({"active", "recurrence", "relapse"})
_DROPPED = frozenset({"refuted", "entered-in-error"})

_FINDINGS = {
    "cerebral-edema": (Domain.RAISED_ICP, "icp-edema-extent-unknown"),
    "papilledema": (Domain.RAISED_ICP, "icp-papilledema"),
    "sixth-nerve-palsy": (Domain.RAISED_ICP, "icp-cn6-palsy"),
    "deep-focal-weakness": (Domain.MOTOR, "motor-deep-focal-weakness"),
}
_SEIZURES = {"seizure": "seizure-duration-unknown", "status-epilepticus": "seizure-prolonged"}
"""A coded seizure says neither duration nor return to baseline; status epilepticus is over 5 min by definition."""
_NOTES = {"tremor": "tremor", "myoclonus": "myoclonus", "headache": "headache"}

Mapped = Finding | ChartedGrade | Note | Diagnosis | MappingIssue


def mapped(condition: Condition, evidence: str, chart: Chart) -> Iterator[Mapped]:
    """Everything one Condition says; nothing when it is about something else."""
    kind: str | None = None
    try:
        kind = chart.condition(condition.code)
        if kind is None and (asked := chart.asked(condition.code)) is not None:
            yield MappingIssue(evidence, asked[1])
        if kind is None or _status(condition.verificationStatus) in _DROPPED:
            return
        if kind in _SEIZURES:
            yield from _seizure(kind, condition, evidence, chart)
        elif kind in _FINDINGS:
            yield from _finding(kind, condition, evidence, chart)
        elif kind in _NOTES:
            first, _ = _when(condition, chart)
            yield Note(kind, first, evidence, _NOTES[kind])
        elif kind.startswith("icans"):
            yield from _charted(kind, "icans-diagnosis", condition, evidence, chart)
        elif kind.startswith("crs"):
            yield from _charted(kind, "crs-diagnosis", condition, evidence, chart)
        else:
            yield Diagnosis(kind, _exact_onset(condition, chart), evidence, _is_current(condition))
    except Unreadable as problem:
        about = "icans" if kind is not None and kind.startswith("icans") else None
        yield MappingIssue(evidence, f"diagnosis: {problem}", about)


def _status(concept: CodeableConcept | None) -> str | None:
    return next((c.code for c in concept.codings() if c.code), None) if concept is not None else None


def _is_current(condition: Condition) -> bool:
    return _status(condition.clinicalStatus) in (*_CURRENT, None) and condition.abatementDateTime is None


def _unconfirmed(condition: Condition, what: str, evidence: str, domain: Domain) -> MappingIssue | None:
    """A diagnosis that nobody confirmed asks for the examination; it is not graded."""
    status = _status(condition.verificationStatus)
    if status == "confirmed":
        return None
    found = f"verification status {status}" if status else "no verification status"
    return MappingIssue(evidence, f"{what} coded with {found}: not graded, examine and chart it", domain.value)


def _finding(kind: str, condition: Condition, evidence: str, chart: Chart) -> Iterator[Mapped]:
    domain, value = _FINDINGS[kind]
    if not _is_current(condition):
        return
    problem = _unconfirmed(condition, kind, evidence, domain)
    if problem is not None:
        yield problem
        return
    _, last = _when(condition, chart)
    yield Finding(domain, value, min(last, chart.as_of), evidence, assessed=False)


def _seizure(kind: str, condition: Condition, evidence: str, chart: Chart) -> Iterator[Mapped]:
    """A seizure is an event: it counts from its own onset, also when it is charted as resolved.

    A day counts only when it is today; otherwise the time is asked for.
    """
    problem = _unconfirmed(condition, "seizure", evidence, Domain.SEIZURE)
    if problem is not None:
        yield problem
        return
    onset = condition.onsetDateTime or (condition.onsetPeriod.start if condition.onsetPeriod else None)
    if onset is None:
        yield MappingIssue(evidence, "seizure coded without its own time: chart when it was", Domain.SEIZURE.value)
        return
    first, last = whole_day(onset, chart.zone)
    if first != last and not first <= chart.as_of <= last:
        yield MappingIssue(
            evidence, f"seizure coded with the date {onset} only: chart when it was", Domain.SEIZURE.value
        )
        return
    at = chart.past(first) if first == last else chart.as_of
    yield Finding(Domain.SEIZURE, _SEIZURES[kind], at, evidence, assessed=False)


def _charted(kind: str, scale: str, condition: Condition, evidence: str, chart: Chart) -> Iterator[Mapped]:
    """A diagnosis of ICANS or CRS is a clinician's conclusion: it stands beside the computed grade."""
    if scale == "crs-diagnosis" and not _is_current(condition):
        return
    _, last = _when(condition, chart)
    grade = int(kind[-1]) if kind[-1].isdigit() else 0
    yield ChartedGrade(grade, min(last, chart.as_of), evidence, scale)


def _when(condition: Condition, chart: Chart) -> tuple[datetime, datetime]:
    """The earliest and latest instant the onset may be; the day it was recorded stands in. Raises Unreadable."""
    onset = condition.onsetDateTime or (condition.onsetPeriod.start if condition.onsetPeriod else None)
    text = onset or condition.recordedDate
    if text is None:
        raise Unreadable("no onset and no recorded date; onsetDateTime was expected")
    first, last = whole_day(text, chart.zone)
    chart.past(first)
    return first, last


def _exact_onset(condition: Condition, chart: Chart) -> datetime | None:
    text = condition.onsetDateTime or condition.recordedDate
    if text is None:
        return None
    try:
        return exact_time(text, chart.zone)
    except Unreadable:
        return None
