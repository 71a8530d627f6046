"""The chart as it stood at an earlier instant, and the instants worth asking about.

A record counts from the time it speaks of (examined, given, ordered, begun), else from when it was
recorded; when it was filed is not known. What lasted over the instant had not ended: an administration
is in progress, a diagnosis had no abatement. An undated record, and one whose time cannot be read,
is always there. The status of an order is the one it has now: what it was then is not in the chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec
from msgspec import Struct

from fhir_mappers.codes import Terminology
from fhir_mappers.elements import Unreadable, whole_day
from fhir_mappers.reading import Given
from rules.facts import EFFECTOR_CLASSES

ASSESSED = frozenset(
    {"ice-score", "ice-orientation", "ice-naming", "ice-following-commands", "ice-writing", "ice-attention"}
    | {"capd-score", "consciousness", "seizure", "motor", "raised-icp"}
)
"""The questions whose answer is an assessment for ICANS."""
_WITHDRAWN = frozenset({"entered-in-error", "cancelled", "not-done"})
_ENDED = re.compile(rb'("status"\s*:\s*)"(?:completed|stopped)"')


class _Dated(Struct, gc=False):
    """Just what tells when a record counts and what it is about."""

    resourceType: str | None = None  # noqa: N815 - FHIR's own element names
    id: Any = None
    status: Any = None
    code: Any = None
    medicationCodeableConcept: Any = None  # noqa: N815
    effectiveDateTime: Any = None  # noqa: N815
    effectiveInstant: Any = None  # noqa: N815
    effectivePeriod: Any = None  # noqa: N815
    performedDateTime: Any = None  # noqa: N815
    performedPeriod: Any = None  # noqa: N815
    onsetDateTime: Any = None  # noqa: N815
    onsetPeriod: Any = None  # noqa: N815
    recordedDate: Any = None  # noqa: N815
    authoredOn: Any = None  # noqa: N815
    authored: Any = None


_dated = msgspec.json.Decoder(_Dated)


@dataclass(frozen=True, slots=True)
class Timed:
    """One record and when it counts. `start` None: always. `then` is the record while it lasts."""

    given: Given
    kind: str
    evidence: str
    start: datetime | None
    end: datetime | None = None
    assessed: bool = False
    exposing: bool = False
    ordered: bool = False
    then: Given | None = None


def timed(given: Iterable[Given], codes: Terminology, zone: tzinfo | None = None) -> list[Timed]:
    """Each record with its time. What is no JSON object keeps no time; reading it says what is wrong."""
    return [_timed(one, codes, zone) for one in given]


def _timed(given: Given, codes: Terminology, zone: tzinfo | None) -> Timed:
    try:
        head = _dated.decode(given.raw)
    except (msgspec.DecodeError, RecursionError):
        return Timed(given, "", "", None)
    kind = head.resourceType or ""
    evidence = f"{kind}/{head.id}" if head.id else given.full_url or kind
    withdrawn = head.status in _WITHDRAWN
    if kind == "Observation":
        start = _moment(_observed(head), zone)
        assessed = not withdrawn and _asks(head.code, codes)
        return Timed(given, kind, evidence, start, assessed=assessed and start is not None)
    if kind == "MedicationAdministration":
        start, end = _span(head.effectiveDateTime, head.effectivePeriod, zone)
        exposing = not withdrawn and _exposes(head.medicationCodeableConcept, codes)
        return Timed(given, kind, evidence, start, end, exposing=exposing, then=_lasting(given) if end else None)
    if kind == "MedicationRequest":
        return Timed(given, kind, evidence, _moment(head.authoredOn, zone), ordered=not withdrawn and bool(head.authoredOn))
    if kind == "Procedure":
        start, end = _span(head.performedDateTime, head.performedPeriod, zone)
        return Timed(given, kind, evidence, start, end, then=_lasting(given) if end else None)
    if kind == "Condition":
        onset, _ = _span(head.onsetDateTime, head.onsetPeriod, zone)
        return Timed(given, kind, evidence, onset or _moment(head.recordedDate, zone))
    if kind == "QuestionnaireResponse":
        start = _moment(head.authored, zone)
        return Timed(given, kind, evidence, start, assessed=start is not None and head.status in ("completed", "amended"))
    return Timed(given, kind, evidence, None)


def _observed(head: _Dated) -> Any:
    period = head.effectivePeriod if isinstance(head.effectivePeriod, dict) else {}
    return head.effectiveDateTime or head.effectiveInstant or period.get("end") or period.get("start")


def _moment(text: Any, zone: tzinfo | None) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        return whole_day(text, zone)[0].astimezone(UTC)
    except Unreadable:
        return None


def _span(text: Any, period: Any, zone: tzinfo | None) -> tuple[datetime | None, datetime | None]:
    if text is not None or not isinstance(period, dict):
        return _moment(text, zone), None
    return _moment(period.get("start"), zone), _moment(period.get("end"), zone)


def _lasting(given: Given) -> Given:
    """The record before it ended. A status given twice is left as it is, for the reading to refuse."""
    raw, changed = _ENDED.subn(rb'\1"in-progress"', given.raw)
    return Given(raw, given.full_url) if changed == 1 else given


def _codings(concept: Any) -> Iterator[tuple[Any, Any]]:
    """System and code of each coding, whatever shape the element has."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for coding in codings if isinstance(codings, list) else [codings]:
        if isinstance(coding, dict):
            yield coding.get("system"), coding.get("code")


def _asks(code: Any, codes: Terminology) -> bool:
    return any(isinstance(c, str) and codes.observation(s, c) in ASSESSED for s, c in _codings(code))


def _exposes(concept: Any, codes: Terminology) -> bool:
    found = (codes.substance(s, c) for s, c in _codings(concept) if isinstance(c, str))
    return any(drug is not None and drug.drug_class in EFFECTOR_CLASSES for drug in found)


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


def last(records: Sequence[Timed]) -> list[Asked]:
    """The last assessment; without any the last time of the chart; nothing when the chart holds no time."""
    assessed = [r.start for r in records if r.assessed and r.start is not None]
    times = assessed or [r.start for r in records if r.start is not None]
    return [Asked(max(times), "assessment" if assessed else "chart")] if times else []


def every_assessment(records: Sequence[Timed]) -> list[Asked]:
    """Each instant at which a domain was charted; the last time of the chart when none was."""
    times = sorted({r.start for r in records if r.assessed and r.start is not None})
    return [Asked(at, "assessment") for at in times] or last(records)


def every_order(records: Sequence[Timed]) -> list[Asked]:
    """Each medication order when it was signed; the last time of the chart when there was none."""
    orders = {(r.start, r.evidence): r for r in records if r.ordered and r.start is not None}
    return [Asked(at, "order", orders[at, evidence]) for at, evidence in sorted(orders)] or last(records)


def grid(records: Sequence[Timed], every: timedelta) -> list[Asked]:
    """Fixed steps from the first assessment or product to the last assessment, dose or order."""
    first = [r.start for r in records if (r.assessed or r.exposing) and r.start is not None]
    if not first:
        return last(records)
    acts = [r for r in records if r.assessed or r.kind.startswith("Medication")]
    end = max(moment for r in acts for moment in (r.start, r.end) if moment is not None)
    start = min(first)
    return [Asked(start + every * step, "grid") for step in range(int((end - start) / every) + 1)]

