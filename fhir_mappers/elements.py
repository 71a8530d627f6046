"""Reads single FHIR elements: exact times, days, quantities and their units, references.

Nothing is repaired: what cannot be read for certain is a message that says what was expected.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from typing import Any

from fhir_mappers.views import Identifier, Observation, Quantity, Reference

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Unreadable(Exception):  # noqa: N818 - a value for the caller, not a failure of the program
    """An element that cannot be used: the message says what was found and what was expected."""


EARLIEST_YEAR = 1900
"""Our own limit: a time before it is what a system writes for "not set" (year 1 in .NET), and arithmetic ends near year 1."""
LATEST_YEAR = 2199
_USUAL = re.compile(r"(?:19|2\d)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


@lru_cache(maxsize=4096)
def exact_time(text: str, zone: tzinfo | None = None) -> datetime:
    """A FHIR dateTime or instant with its offset. Without one it is refused, unless the site set its zone.

    Raises Unreadable. Missing seconds are read as :00; a partial date is no exact time. Remembered: what is
    charted together has the same.
    """
    if _USUAL.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # said below
    found = _INSTANT.fullmatch(text)
    if found is None:
        kind = "a date without a time" if _DAY.fullmatch(text) else "not a FHIR dateTime"
        raise Unreadable(f"time {text[:40]!r} is {kind}; an exact time with its offset was expected")
    minutes, seconds, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{minutes}{seconds or ':00'}{(fraction or '')[:7]}{offset or ''}")
        moment.astimezone(UTC)  # at the ends of time an offset may lead beyond
        _not_too_early(moment.year)
    except (ValueError, OverflowError) as problem:
        raise Unreadable(f"time {text[:40]!r} does not exist ({problem})") from None
    if offset is not None:
        return moment
    if zone is None:
        raise Unreadable(f"time {text[:40]!r} has no offset from UTC and no zone is set for this site")
    return moment.replace(tzinfo=zone)


def evaluation_time(text: str, zone: tzinfo | None = None) -> datetime:
    """An instant to evaluate at. Raises Unreadable: as exact_time does, and for "for ever" (year 9999)."""
    moment = exact_time(text, zone)
    if moment.year > LATEST_YEAR:
        raise Unreadable(f"time {text[:40]!r} is after {LATEST_YEAR}: no instant to evaluate at")
    return moment


def whole_day(text: str, zone: tzinfo | None = None) -> tuple[datetime, datetime]:
    """The first and last instant a time of day precision may mean; an exact time means itself.

    Without a zone the day is taken as long as it can be anywhere on earth (UTC+14 to UTC-12).
    """
    if not _DAY.fullmatch(text):
        moment = exact_time(text, zone)
        return moment, moment
    try:
        day = date.fromisoformat(text)
        _not_too_early(day.year)
        start = datetime(day.year, day.month, day.day, tzinfo=zone or UTC)
        start.astimezone(UTC)
        end = start + timedelta(days=1) - timedelta(seconds=1)
        return (start, end) if zone is not None else (start - timedelta(hours=14), end + timedelta(hours=12))
    except (ValueError, OverflowError) as problem:
        raise Unreadable(f"date {text!r} does not exist ({problem})") from None


def _not_too_early(year: int) -> None:
    if year < EARLIEST_YEAR:
        raise ValueError(f"before {EARLIEST_YEAR}: no time was set")


def effective_time(observation: Observation, zone: tzinfo | None = None) -> datetime:
    """When an observation was made: the instant, or the end (else the start) of its period. Raises Unreadable."""
    text = observation.effectiveDateTime or observation.effectiveInstant
    if text is None and observation.effectivePeriod is not None:
        text = observation.effectivePeriod.end or observation.effectivePeriod.start
    if text is None:
        found = "a Timing" if observation.effectiveTiming is not None else "none"
        raise Unreadable(f"effective time: found {found}; effectiveDateTime with an offset was expected")
    return exact_time(text, zone)


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a unit becomes the one a measurement is read in: value x factor + offset."""

    factor: float
    offset: float
    measures: str | None


@dataclass(frozen=True, slots=True)
class Scale:
    """A measurement's own unit, its plausible range and the units that convert to it."""

    unit: str
    lowest: float
    highest: float
    accepts: Mapping[str, Conversion]


@dataclass(frozen=True, slots=True)
class Units:
    """The units document: aliases, score units, measurements, masses."""

    aliases: Mapping[str, str]
    score_units: frozenset[str]
    scales: Mapping[str, Scale]
    masses: Mapping[str, float]

    def canonical(self, quantity: Quantity) -> str:
        """The UCUM code of a quantity, through a closed list of aliases; "" without a unit."""
        named = (quantity.code or quantity.unit or "").strip()
        return self.aliases.get(named, named)


@lru_cache(maxsize=1)
def load_units() -> Units:
    """The units that ship with the package."""
    body: dict[str, Any] = json.loads((files("fhir_mappers") / "terminology" / "units.json").read_bytes())
    scales = {
        row["kind"]: Scale(
            unit=row["unit"],
            lowest=row["lowest"],
            highest=row["highest"],
            accepts={
                a["unit"]: Conversion(a["factor"], a.get("offset", 0.0), a.get("property"))
                for a in row["accepts"]
            },
        )
        for row in body["measurements"]
    }
    masses = {row["unit"]: float(row["factor"]) for row in body["masses"]}
    return Units(body["aliases"], frozenset(body["score_units"]), scales, masses)


def whole_number(quantity: Quantity, units: Units) -> int:
    """A score in a Quantity: a whole number, no comparator, no unit but 1 or {score}. Raises Unreadable."""
    if quantity.comparator is not None:
        raise Unreadable(f"value has the comparator {quantity.comparator[:8]!r}; a plain number was expected")
    if units.canonical(quantity) not in units.score_units:
        raise Unreadable(f"unit {(quantity.code or quantity.unit or '')[:20]!r}; no unit, 1 or {{score}} was expected")
    if quantity.value is None or not math.isfinite(quantity.value) or quantity.value != int(quantity.value):
        raise Unreadable(f"value {quantity.value}; a whole number was expected")
    return int(quantity.value)


def measured(kind: str, quantity: Quantity, measures: str | None, units: Units) -> float:
    """A measurement in its own unit; an unknown unit or an impossible value is refused. Raises Unreadable.

    `measures` is what the code measures (mass, moles): a unit of another property is refused.
    """
    scale = units.scales[kind]
    if quantity.comparator is not None:
        raise Unreadable(f"{kind} has the comparator {quantity.comparator[:8]!r}; a plain number was expected")
    unit = units.canonical(quantity)
    conversion = scale.accepts.get(unit)
    if conversion is None:
        raise Unreadable(f"{kind} in {unit[:20]!r}; one of {', '.join(scale.accepts)} was expected")
    if measures is not None and conversion.measures is not None and measures != conversion.measures:
        raise Unreadable(f"{kind} in {unit!r}, but its code measures {measures}")
    if quantity.value is None or not math.isfinite(quantity.value):
        raise Unreadable(f"{kind} without a number")
    value = quantity.value * conversion.factor + conversion.offset
    if not scale.lowest <= value <= scale.highest:
        raise Unreadable(f"{kind} {value:g} {scale.unit}; {scale.lowest:g} to {scale.highest:g} was expected")
    return value


def reference_key(text: str) -> str:
    """A reference without its server and version: "Patient/1" of any literal form, urn:uuid as it is."""
    if text.startswith(("urn:", "#")):
        return text
    parts = text.split("/_history/")[0].rstrip("/").split("/")
    return "/".join(parts[-2:])


def identifier_key(identifier: Identifier | None) -> str | None:
    """A business identifier as a key: "identifier:system|value"; None unless both are there."""
    if identifier is None or not identifier.system or not identifier.value:
        return None
    return f"identifier:{identifier.system}|{identifier.value}"


def refers_to(reference: Reference | None, keys: frozenset[str]) -> bool:
    """Whether a reference names one of the keys: by its literal form, else by its business identifier.

    An absolute URL counts by its whole base when a key tells the patient's own ("base:...").
    """
    if reference is None:
        return False
    literal = reference.reference
    if literal is None:
        return identifier_key(reference.identifier) in keys
    if reference_key(literal) not in keys:
        return False
    bases = [key for key in keys if key.startswith("base:")]
    return not literal.startswith("http") or not bases or f"base:{server_of(literal)}" in bases


def server_of(url: str) -> str:
    """The base of an absolute reference: what stands before Type/id."""
    return "/".join(url.split("/_history/")[0].rstrip("/").split("/")[:-2])
