"""The chart as it stood at an earlier instant, and the instants worth asking about.

A record counts from the time it speaks of (examined, given, ordered, begun), else from when it was
recorded; when it was filed is not known. What lasted over the instant had not ended: an administration
is in progress, a diagnosis had no abatement. An undated record, and one whose time cannot be read,
is always there. The status of an order is the one it has now: what it was then is not in the chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from fhir_mappers.chart import codings
from fhir_mappers.codes import Terminology
from fhir_mappers.elements import Unreadable, exact_time, whole_day
from fhir_mappers.reading import Given, decoded
from fhir_mappers.views import (
    VIEWS,
    CodeableConcept,
    Condition,
    MedicationAdministration,
    MedicationRequest,
    Observation,
    Period,
    Procedure,
    QuestionnaireResponse,
    Resource,
)
from rules.facts import EFFECTOR_CLASSES

ASSESSED = frozenset(
    {"ice-score", "ice-orientation", "ice-naming", "ice-following-commands", "ice-writing", "ice-attention"}
    | {"capd-score", "consciousness", "seizure", "motor", "raised-icp"}
)
"""The questions whose answer is an assessment for ICANS."""
_WITHDRAWN = frozenset({"entered-in-error", "cancelled", "not-done"})
_DAY_LENGTH = len("2026-11-22")
_ENDED = re.compile(rb'("status"\s*:\s*)"(?:completed|stopped)"')


def _loosely(raw: bytes) -> Resource | None:
    """What can be read of a record that its view refuses: an element of another shape is left out.

    None for what is no JSON object, and for a type that is not read.
    """
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    kind = body.get("resourceType") if isinstance(body, dict) else None
    view = VIEWS.get(kind) if isinstance(kind, str) else None
    if view is None:
        return None
    found: dict[str, Any] = {}
    for name, wanted in get_type_hints(view).items():
        value = body.get(name)
        if name in ("code", "medicationCodeableConcept") and isinstance(value, dict):
            value = {"coding": _codings(value.get("coding"))}
        with suppress(msgspec.ValidationError):
            found[name] = msgspec.convert(value, wanted)
    return view(**found)


def _codings(given: Any) -> list[dict[str, Any]]:
    listed = [given] if isinstance(given, dict) else given if isinstance(given, list) else []
    return [{name: one.get(name) for name in ("system", "code")} for one in listed if isinstance(one, dict)]


class Timed(Struct, frozen=True, gc=False):
    """One record and when it counts. `start` None: always. `then` is the record while it lasts.

    `evidence` is the name that an order is cited by, None of any other record. A struct like the records
    themselves: a chart has hundreds, and each is made again for each patient.
    """

    given: Given
    start: datetime | None = None
    end: datetime | None = None
    assessed: bool = False
    of_drug: bool = False
    exposing: bool = False
    evidence: str | None = None
    then: Given | None = None


def timed(given: Iterable[Given], codes: Terminology, zone: tzinfo | None = None) -> list[Timed]:
    """Each record with its time. What is no JSON object keeps no time; reading it says what is wrong."""
    return [_timed(decoded(one), codes, zone) for one in given]


def _timed(given: Given, codes: Terminology, zone: tzinfo | None) -> Timed:
    view = given.view or _loosely(given.raw)
    if type(view) is Observation:  # by far the most
        start = _moment(_observed(view), zone)
        return Timed(given, start, None, start is not None and view.status not in _WITHDRAWN and _asks(view.code, codes))
    match view:
        case MedicationAdministration():
            start, end = _span(view.effectiveDateTime, view.effectivePeriod, zone)
            exposing = view.status not in _WITHDRAWN and _exposes(view.medicationCodeableConcept, codes)
            return Timed(given, start, end, of_drug=True, exposing=exposing, then=_lasting(given) if end else None)
        case MedicationRequest():
            signed = view.status not in _WITHDRAWN and bool(view.authoredOn)
            named = f"MedicationRequest/{view.id}" if view.id else given.full_url or "MedicationRequest"
            return Timed(given, _moment(view.authoredOn, zone), of_drug=True, evidence=named if signed else None)
        case Procedure():
            start, end = _span(view.performedDateTime, view.performedPeriod, zone)
            return Timed(given, start, end, then=_lasting(given) if end else None)
        case Condition():
            onset, _ = _span(view.onsetDateTime, view.onsetPeriod, zone)
            return Timed(given, onset or _moment(view.recordedDate, zone))
        case QuestionnaireResponse():
            start = _moment(view.authored, zone)
            return Timed(given, start, assessed=start is not None and view.status in ("completed", "amended"))
    return Timed(given)


def _observed(view: Observation) -> str | None:
    text = view.effectiveDateTime or view.effectiveInstant
    period = view.effectivePeriod
    return text if text or period is None else period.end or period.start


def _moment(text: str | None, zone: tzinfo | None) -> datetime | None:
    if text is None:
        return None
    try:
        return exact_time(text, zone) if len(text) > _DAY_LENGTH else whole_day(text, zone)[0]
    except Unreadable:
        return None


def _span(text: str | None, period: Period | None, zone: tzinfo | None) -> tuple[datetime | None, datetime | None]:
    if text is not None or period is None:
        return _moment(text, zone), None
    return _moment(period.start, zone), _moment(period.end, zone)


def _lasting(given: Given) -> Given:
    """The record before it ended. A status given twice is left as it is, for the reading to refuse."""
    raw, changed = _ENDED.subn(rb'\1"in-progress"', given.raw)
    return Given(raw, given.full_url) if changed == 1 else given


def _asks(code: CodeableConcept | None, codes: Terminology) -> bool:
    return any(codes.observation(coding.system, coding.code) in ASSESSED for coding in codings(code))


def _exposes(concept: CodeableConcept | None, codes: Terminology) -> bool:
    drugs = (codes.substance(coding.system, coding.code) for coding in codings(concept))
    return any(drug is not None and drug.drug_class in EFFECTOR_CLASSES for drug in drugs)


def as_of(records: Sequence[Timed], instant: datetime) -> list[Given]:
    """The records that were there at an instant, as they were."""
    there = (r for r in records if r.start is None or r.start <= instant)
    return [r.then if r.then is not None and r.end is not None and r.end > instant else r.given for r in there]


@dataclass(frozen=True, slots=True)
class Asked:
    """One instant to evaluate at, why, and the order that is signed then, if any."""

    at: datetime
    trigger: str
    order: Timed | None = None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def last(records: Sequence[Timed]) -> list[Asked]:
    """The last assessment; without any the last time of the chart; nothing when the chart holds no time."""
    assessed = [r.start for r in records if r.assessed and r.start is not None]
    times = assessed or [r.start for r in records if r.start is not None]
    return [Asked(_utc(max(times)), "assessment" if assessed else "chart")] if times else []


def every_assessment(records: Sequence[Timed]) -> list[Asked]:
    """Each instant at which a domain was charted; the last time of the chart when none was."""
    times = sorted({r.start for r in records if r.assessed and r.start is not None})
    return [Asked(_utc(at), "assessment") for at in times] or last(records)


def every_order(records: Sequence[Timed]) -> list[Asked]:
    """Each medication order when it was signed; the last time of the chart when there was none."""
    orders = {(r.start, r.evidence): r for r in records if r.evidence is not None and r.start is not None}
    return [Asked(_utc(at), "order", orders[at, evidence]) for at, evidence in sorted(orders)] or last(records)


def grid(records: Sequence[Timed], every: timedelta) -> list[Asked]:
    """Fixed steps from the first assessment or product to the last assessment, dose or order."""
    first = [r.start for r in records if (r.assessed or r.exposing) and r.start is not None]
    if not first:
        return last(records)
    acts = [r for r in records if r.assessed or r.of_drug]
    end = max(moment for r in acts for moment in (r.start, r.end) if moment is not None)
    start = min(first)
    return [Asked(_utc(start + every * step), "grid") for step in range(int((end - start) / every) + 1)]

