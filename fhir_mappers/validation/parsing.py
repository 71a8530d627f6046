"""JSON from bytes, strictly: what RFC 8259 and FHIR R4 (json.html) forbid is kept for the walk to find.

A repeated key makes a `Repeated`; NaN and Infinity stay a float (all other fractions are Decimal), so that
each is reported at its place in the tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_mappers.validation.issues import Issue

_SPACE = " \t\r\n"
BOM = b"\xef\xbb\xbf"
LONGEST_INTEGER = 18


class Repeated(dict[str, Any]):
    """A JSON object in which a key stood more than once; the last one won."""

    names: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    keys = [key for key, _ in pairs]
    repeated = Repeated(made)
    repeated.names = tuple(key for key in made if keys.count(key) > 1)
    return repeated


def _integer(lexeme: str) -> int | Decimal:
    """-0 and absurdly long integers are no integers of FHIR; a Decimal is refused where an integer belongs."""
    return Decimal(lexeme) if lexeme == "-0" or len(lexeme) > LONGEST_INTEGER else int(lexeme)


def _fraction(lexeme: str) -> Decimal | float:
    try:
        return Decimal(lexeme)
    except InvalidOperation:  # an exponent that no decimal type can hold
        return float("inf")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JSON value, or the issue that says why there is none."""

    value: Any = None
    issue: Issue | None = None


def parse(data: bytes) -> Parsed:
    """Read one JSON document. A byte order mark is stripped (RFC 8259 section 8.1 lets a parser ignore it)."""
    try:
        text = data.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as e:
        return _failed(f"not UTF-8: byte {e.start} cannot be decoded (FHIR JSON is UTF-8)")
    start = len(text) - len(text.lstrip(_SPACE))
    if start == len(text):
        return _failed("empty: no JSON found")
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        return _failed("nested too deeply to be read")
    except json.JSONDecodeError as e:
        line = text.count("\n", 0, e.pos) + 1
        column = e.pos - text.rfind("\n", 0, e.pos)
        return _failed(f"not JSON: {e.msg} (line {line} of the document, column {column})")
    rest = text[end:].lstrip(_SPACE)
    if rest:
        hint = " (more than one resource? name the file .ndjson)" if rest.startswith("{") else ""
        return _failed(f"not JSON: text follows the end of the document{hint}")
    return Parsed(value)


def _failed(text: str) -> Parsed:
    return Parsed(issue=Issue("fatal", "structure", "", text))
