"""What is odd about a record that can be read for certain: said, never repaired (value rules: observation.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from fhir_mappers.validation.definitions import definition, other_version_of_element

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_NO_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(Z|[+-]\d\d:\d\d)?", re.ASCII)
_TIMES = ("effectiveDateTime", "effectiveInstant", "issued", "authoredOn", "onsetDateTime", "recordedDate", "performedDateTime", "authored")
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
LONGEST_ID = 255
"""Ids up to this length are read (Epic sends 70 to 88 characters); R4 allows 64."""


class DoubledKey(ValueError):  # noqa: N818 - a defect of the record, not of the program
    """One object of a record holds a key twice."""


def parsed(raw: bytes) -> dict[str, Any]:
    """A record as plain JSON. Raises DoubledKey naming the key; ValueError when it is not strict JSON.

    Decoding keeps one of two equal keys: a record that comes back as it was, byte for byte, has none twice.
    Only what does not come back (numbers or characters written another way) is looked at key by key.
    """
    try:
        body: dict[str, Any] = _decode(raw)
        again = _encode(body)
        if again == raw or again == msgspec.json.format(raw, indent=-1):
            return body
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass  # the slow look says what it is
    found: dict[str, Any] = json.loads(raw, object_pairs_hook=_once)
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise DoubledKey(next(key for key in keys if keys.count(key) > 1))
    return found


def noted(record: dict[str, Any]) -> list[str]:
    """Each oddity of a record in a sentence; none for a clean one. What a client named is not repeated."""
    found: list[str] = []
    identity = record.get("id")
    if isinstance(identity, str) and not _ID.fullmatch(identity):
        found.append(f"its id is not a FHIR R4 id (1 to 64 letters, digits, - and .): {len(identity)} characters, read as it is")
    kind = str(record["resourceType"])
    names, times = _names(kind)
    if not record.keys() <= names:
        unknown = sorted(record.keys() - names)
        versions = [f"{key} ({version})" for key in unknown if (version := other_version_of_element(kind, key))]
        of_others = f": {', '.join(versions[:5])}" if versions else ""
        found.append(f"{len(unknown)} elements that R4 does not have here were passed over{of_others}")
        if "context" in unknown:
            found.append("context (STU3) was taken for the encounter")
    if not all(record.values()):  # most records are clean
        empty = sum(value is None or value in ("", [], {}) for value in record.values())
        if empty:
            found.append(f"{empty} empty elements were read as absent")
    for name in times:
        if name in record and isinstance(record[name], str) and record[name][16:17] != ":" and _NO_SECONDS.fullmatch(record[name]):
            found.append("a time without seconds was read as :00")
            break
    return found


@lru_cache(maxsize=32)
def _names(kind: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """What a record of a type may hold, its elements and the siblings of primitives; and which of them are times."""
    names = definition(kind).elements
    return frozenset([*names, *(f"_{name}" for name in names), "fhir_comments"]), tuple(name for name in _TIMES if name in names)
