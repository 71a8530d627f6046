"""Dates and times of FHIR R4 (datatypes.html, primitive types) and their order."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

_DATE = r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])%s)?)?"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE_ONLY = re.compile(_DATE % "")
_DATE_TIME = re.compile(_DATE % f"(?:T{_CLOCK}{_ZONE})?")
_INSTANT = re.compile(rf"([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_CLOCK}{_ZONE}")
_TIME = re.compile(_CLOCK)
_LONGEST = 64


def _is(pattern: re.Pattern[str], text: str) -> bool:
    match = pattern.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return False
    year, month, day = match.groups()
    if year == "0000":
        return False
    return day is None or day <= "28" or int(day) <= monthrange(int(year), int(month))[1]


def is_date(text: str) -> bool:
    """A calendar date: YYYY, YYYY-MM or YYYY-MM-DD."""
    return _is(_DATE_ONLY, text)


def is_date_time(text: str) -> bool:
    """A date, or a date with hours, minutes, seconds and a zone. 24:00 is not allowed, a leap second is."""
    return _is(_DATE_TIME, text)


def is_instant(text: str) -> bool:
    """A time known at least to the second, with a zone."""
    return _is(_INSTANT, text)


def is_time(text: str) -> bool:
    """hh:mm:ss without a zone."""
    return len(text) <= _LONGEST and _TIME.fullmatch(text) is not None


def surely_after(first: object, second: object) -> bool:
    """Whether one date or dateTime is later than the other, whatever the missing precision or zone may be."""
    if not (
        isinstance(first, str) and isinstance(second, str) and is_date_time(first) and is_date_time(second)
    ):
        return False
    if "T" in first and "T" in second:
        return _moment(first) > _moment(second)
    if "T" not in first and "T" not in second:
        shared = min(len(first), len(second))
        return first[:shared] > second[:shared]
    return _bounds(first)[0] > _bounds(second)[1]


def _moment(text: str) -> datetime:
    clock = re.sub(r":60(?=[.Z+-])", ":59", text.replace("Z", "+00:00"))
    whole, fraction, zone = clock[:19], clock[19:-6], clock[-6:]  # a dateTime with a time has its offset
    moment = datetime.fromisoformat(whole + zone)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the first or last day of the calendar
        moment = moment.replace(tzinfo=UTC)
    return moment + timedelta(seconds=float((fraction or ".0")[:8]))


def _bounds(text: str) -> tuple[datetime, datetime]:
    """The earliest and latest moment meant; a date without a zone may be anywhere on earth."""
    if "T" in text:
        return _moment(text), _moment(text)
    first = datetime.fromisoformat((text + "-01-01")[:10] if len(text) == 4 else (text + "-01")[:10])
    year, month = first.year, first.month
    if len(text) == 4:
        last = datetime(year, 12, 31)
    else:
        last = first if len(text) == 10 else datetime(year, month, monthrange(year, month)[1])
    try:
        return (
            (first - timedelta(hours=14)).replace(tzinfo=UTC),
            (last + timedelta(hours=36)).replace(tzinfo=UTC),
        )
    except OverflowError:
        return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
