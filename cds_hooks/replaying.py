"""The chart as it stood at an earlier instant, and the instants worth asking about.

A record counts from the time it speaks of (examined, given, ordered, begun), else from when it was
recorded; when it was filed is not known. What lasted over the instant had not ended: an administration
is in progress, a diagnosis had no abatement. An undated record, and one whose time cannot be read,
is always there. The status of an order is the one it has now: what it was then is not in the chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from fhir_mappers.codes import Terminology
from fhir_mappers.elements import Unreadable, exact_time, whole_day
from fhir_mappers.reading import Given
from rules.facts import EFFECTOR_CLASSES

ASSESSED = frozenset(
    {"ice-score", "ice-orientation", "ice-naming", "ice-following-commands", "ice-writing", "ice-attention"}
    | {"capd-score", "consciousness", "seizure", "motor", "raised-icp"}
)
"""The questions whose answer is an assessment for ICANS."""
_WITHDRAWN = frozenset({"entered-in-error", "cancelled", "not-done"})
_DAY_LENGTH = len("2026-11-22")
_ENDED = re.compile(rb'("status"\s*:\s*)"(?:completed|stopped)"')


class _Coding(Struct, gc=False):
    system: str | None = None
    code: str | None = None


class _Concept(Struct, gc=False):
    coding: list[_Coding | None] | None = None


class _Period(Struct, gc=False):
    start: str | None = None
    end: str | None = None


class _Dated(Struct, gc=False):
    """Just what tells when a record counts and what it is about."""

    resourceType: str | None = None  # noqa: N815 - FHIR's own element names
    id: str | None = None
    status: str | None = None
    code: _Concept | None = None
    medicationCodeableConcept: _Concept | None = None  # noqa: N815
    effectiveDateTime: str | None = None  # noqa: N815
    effectiveInstant: str | None = None  # noqa: N815
    effectivePeriod: _Period | None = None  # noqa: N815
    performedDateTime: str | None = None  # noqa: N815
    performedPeriod: _Period | None = None  # noqa: N815
    onsetDateTime: str | None = None  # noqa: N815
    onsetPeriod: _Period | None = None  # noqa: N815
    recordedDate: str | None = None  # noqa: N815
    authoredOn: str | None = None  # noqa: N815
    authored: str | None = None


_dated = msgspec.json.Decoder(_Dated)


def _head(raw: bytes) -> _Dated | None:
    """What can be read of a record; an element of another shape is left out, and None is what is no object."""
    try:
        return _dated.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return _loosely(body) if isinstance(body, dict) else None


def _loosely(body: dict[str, Any]) -> _Dated:
    found = _Dated()
    for name in _Dated.__struct_fields__:
        value = body.get(name)
        if name in ("code", "medicationCodeableConcept") and isinstance(value, dict) and isinstance(value.get("coding"), dict):
            value = {"coding": [value["coding"]]}
        try:
            setattr(found, name, msgspec.convert(value, _TYPES[name]))
        except msgspec.ValidationError:
            continue
    return found


_TYPES = get_type_hints(_Dated)


class Timed(Struct, frozen=True, gc=False):
    """One record and when it counts. `start` None: always. `then` is the record while it lasts.

    A struct like the records themselves: a chart has hundreds, and each is made again for each patient.
    """

    given: Given
    kind: str = ""
    id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    assessed: bool = False
    exposing: bool = False
    ordered: bool = False
    then: Given | None = None

    @property
    def evidence(self) -> str:
        """The name it is cited by."""
        return f"{self.kind}/{self.id}" if self.id else self.given.full_url or self.kind


def timed(given: Iterable[Given], codes: Terminology, zone: tzinfo | None = None) -> list[Timed]:
    """Each record with its time. What is no JSON object keeps no time; reading it says what is wrong."""
    return [_timed(one, codes, zone) for one in given]


def _timed(given: Given, codes: Terminology, zone: tzinfo | None) -> Timed:
    head = _head(given.raw)
    if head is None:
        return Timed(given)
    kind, identity = head.resourceType or "", head.id
    withdrawn = head.status in _WITHDRAWN
    if kind == "Observation":
        start = _moment(_observed(head), zone)
        assessed = start is not None and not withdrawn and _asks(head.code, codes)
        return Timed(given, kind, identity, start, None, assessed)
    if kind == "MedicationAdministration":
        start, end = _span(head.effectiveDateTime, head.effectivePeriod, zone)
        exposing = not withdrawn and _exposes(head.medicationCodeableConcept, codes)
        return Timed(given, kind, identity, start, end, exposing=exposing, then=_lasting(given) if end else None)
    if kind == "MedicationRequest":
        return Timed(given, kind, identity, _moment(head.authoredOn, zone), ordered=not withdrawn and bool(head.authoredOn))
    if kind == "Procedure":
        start, end = _span(head.performedDateTime, head.performedPeriod, zone)
        return Timed(given, kind, identity, start, end, then=_lasting(given) if end else None)
    if kind == "Condition":
        onset, _ = _span(head.onsetDateTime, head.onsetPeriod, zone)
        return Timed(given, kind, identity, onset or _moment(head.recordedDate, zone))
    if kind == "QuestionnaireResponse":
        start = _moment(head.authored, zone)
        return Timed(given, kind, identity, start, assessed=start is not None and head.status in ("completed", "amended"))
    return Timed(given, kind, identity)


def _observed(head: _Dated) -> str | None:
    text = head.effectiveDateTime or head.effectiveInstant
    period = head.effectivePeriod
    return text if text or period is None else period.end or period.start


@lru_cache(maxsize=4096)
def _moment(text: str | None, zone: tzinfo | None) -> datetime | None:
    """The instant of a text; what is charted together has the same."""
    if text is None:
        return None
    try:
        return exact_time(text, zone) if len(text) > _DAY_LENGTH else whole_day(text, zone)[0]
    except Unreadable:
        return None


def _span(text: str | None, period: _Period | None, zone: tzinfo | None) -> tuple[datetime | None, datetime | None]:
    if text is not None or period is None:
        return _moment(text, zone), None
    return _moment(period.start, zone), _moment(period.end, zone)


def _lasting(given: Given) -> Given:
    """The record before it ended. A status given twice is left as it is, for the reading to refuse."""
    raw, changed = _ENDED.subn(rb'\1"in-progress"', given.raw)
    return Given(raw, given.full_url) if changed == 1 else given


def _asks(code: _Concept | None, codes: Terminology) -> bool:
    for coding in (code.coding if code is not None else None) or ():
        if coding is not None and coding.code is not None:
            asked = codes.questions.get((coding.system, coding.code)) or codes.observation(coding.system, coding.code)
            if asked in ASSESSED:
                return True
    return False


def _exposes(concept: _Concept | None, codes: Terminology) -> bool:
    for coding in (concept.coding if concept is not None else None) or ():
        drug = codes.substance(coding.system, coding.code) if coding is not None else None
        if drug is not None and drug.drug_class in EFFECTOR_CLASSES:
            return True
    return False


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
    orders = {(r.start, r.evidence): r for r in records if r.ordered and r.start is not None}
    return [Asked(_utc(at), "order", orders[at, evidence]) for at, evidence in sorted(orders)] or last(records)


def grid(records: Sequence[Timed], every: timedelta) -> list[Asked]:
    """Fixed steps from the first assessment or product to the last assessment, dose or order."""
    first = [r.start for r in records if (r.assessed or r.exposing) and r.start is not None]
    if not first:
        return last(records)
    acts = [r for r in records if r.assessed or r.kind.startswith("Medication")]
    end = max(moment for r in acts for moment in (r.start, r.end) if moment is not None)
    start = min(first)
    return [Asked(_utc(start + every * step), "grid") for step in range(int((end - start) / every) + 1)]

