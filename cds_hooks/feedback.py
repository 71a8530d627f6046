"""What users did with cards: one POST read whole, or refused whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from cds_hooks import strict_json
from cds_hooks.hook_request import MAX_TEXT
from cds_hooks.refusal import Refusal

OUTCOMES = ("accepted", "overridden")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)

MAX_ITEMS = 10_000
Item = dict[str, Any]


def parse(body: bytes) -> list[Item]:
    """The items of a feedback body, as sent.

    Raises Refusal (400) naming the first item that is malformed: then nothing is to be stored. Taken as real
    clients send it: `overrideReasons` (Epic), an extension in place of a reason, reasons without display,
    card ids that are no UUIDs, times with an offset.
    """
    envelope = strict_json.members(strict_json.checked(body), "The body")
    raw = envelope.get("feedback")
    if raw is None:
        raise Refusal(400, "required", "feedback is missing; it must be a list of items.", "feedback")
    raws = strict_json.value(raw, list[msgspec.Raw], "feedback", "a list of items")
    if not raws:
        raise Refusal(400, "value", "feedback is empty; it must hold at least one item.", "feedback")
    if len(raws) > MAX_ITEMS:
        raise Refusal(413, "too-costly", f"feedback holds {len(raws)} items; at most {MAX_ITEMS} are taken at once.", "feedback")
    return [_item(raw, f"feedback[{index}]") for index, raw in enumerate(raws)]


def _item(raw: msgspec.Raw, place: str) -> Item:
    strict_json.members(raw, place)  # an object, no key twice
    item = strict_json.value(bytes(raw), dict[str, Any], place, "a JSON object")
    _text(item, "card", place)
    if _text(item, "outcome", place) not in OUTCOMES:
        raise _wrong(f"{place}.outcome", f"one of {', '.join(OUTCOMES)}")
    _timestamp(_text(item, "outcomeTimestamp", place), f"{place}.outcomeTimestamp")
    _accepted(item, place)
    for name in ("overrideReason", "overrideReasons"):
        if item.get(name) is not None:
            _reasons(item[name], f"{place}.{name}")
    return item


def _text(item: Mapping[str, Any], name: str, place: str) -> str:
    text = item.get(name)
    if text is None:
        raise Refusal(
            400, "required", f"{place}.{name} is missing; it must be a non-empty string.", f"{place}.{name}"
        )
    if not isinstance(text, str) or not text.strip():
        raise _wrong(f"{place}.{name}", "a non-empty string")
    if len(text) > MAX_TEXT:
        raise Refusal(400, "too-long", f"{place}.{name} is longer than {MAX_TEXT} characters.", f"{place}.{name}")
    return text


def _timestamp(text: str, place: str) -> None:
    try:
        usable = _TIME.fullmatch(text) is not None and datetime.fromisoformat(text.upper()).tzinfo is not None
    except ValueError:
        usable = False
    if not usable:
        raise _wrong(place, "an exact time with its zone, such as 2026-11-22T21:24:59Z")


def _accepted(item: Mapping[str, Any], place: str) -> None:
    """`accepted` says which suggestions; `overridden` need not say anything."""
    place = f"{place}.acceptedSuggestions"
    suggestions = item.get("acceptedSuggestions")
    if suggestions is None and item["outcome"] == "overridden":
        return
    if not isinstance(suggestions, list) or not (suggestions or item["outcome"] == "overridden"):
        raise _wrong(place, "a list of at least one object with an id")
    for index, suggestion in enumerate(suggestions):
        if not isinstance(suggestion, dict):
            raise _wrong(f"{place}[{index}]", "an object with an id")
        _text(suggestion, "id", f"{place}[{index}]")


def _reasons(reasons: Any, place: str) -> None:
    """One reason, or a list of them under the plural name."""
    for reason in reasons if isinstance(reasons, list) else [reasons]:
        if not isinstance(reason, dict) or not reason.keys() & {"reason", "userComment", "extension"}:
            raise _wrong(place, "an object with a reason, a userComment or an extension")
        coding, comment = reason.get("reason"), reason.get("userComment")
        if coding is not None:
            if not isinstance(coding, dict):
                raise _wrong(f"{place}.reason", "a Coding")
            _text(coding, "code", f"{place}.reason")
        if comment is not None and not isinstance(comment, str):
            raise _wrong(f"{place}.userComment", "a string")


def _wrong(place: str, expected: str) -> Refusal:
    return Refusal(400, "value", f"{place} must be {expected}.", place)
