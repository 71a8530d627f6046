"""The primitive types of FHIR R4 4.0.1 (datatypes.html#primitive, json.html#primitive): JSON type and pattern.

A check returns None when the value is right, else what was expected. Values are never repeated in a message:
they may be a patient's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal

from fhir_mappers.validation import times

Check = Callable[[object], str | None]
LONGEST_STRING = 1024 * 1024  # characters; datatypes.html#string
_INT32 = 2**31

_CODE = re.compile(r"\S+(?:\s\S+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANY_CASE_UUID = re.compile(_UUID.pattern, re.IGNORECASE)
_BLANK = re.compile(r"\s")
_BASE64 = re.compile(r"(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?")


def json_type(value: object) -> str:
    """What the value is in JSON's own words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN or Infinity, which JSON does not have"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _text(expected: str, good: Callable[[str], bool]) -> Check:
    def check(value: object) -> str | None:
        if type(value) is not str:
            return f"expected {expected}, found {json_type(value)}"
        if not value:
            return "an empty string: leave the element out"
        if not value.isascii() and not encodable(value):
            return "text holds half a surrogate pair, which is no Unicode character"
        return None if good(value) else f"not {expected}"

    return check


def _plain(kind: str) -> Check:
    """string and markdown: by far the most frequent, so without a second call."""

    def check(value: object) -> str | None:
        if type(value) is str and value and len(value) <= LONGEST_STRING and value.isascii():
            return None
        return carefully(value)

    carefully = _text(f"{kind} (at most 1,048,576 characters)", lambda text: len(text) <= LONGEST_STRING)
    return check


def encodable(text: str) -> bool:
    """Whether the text is Unicode: JSON can escape half a surrogate pair, UTF-8 cannot hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(kind: str, lowest: int) -> Check:
    def check(value: object) -> str | None:
        if type(value) is not int:
            shown = "a number that is not whole" if isinstance(value, Decimal) else json_type(value)
            return f"expected {kind} (a JSON number without fraction or exponent), found {shown}"
        return None if lowest <= value < _INT32 else f"out of range for {kind}: {lowest} to {_INT32 - 1}"

    return check


def _decimal(value: object) -> str | None:
    number = isinstance(value, int | float | Decimal) and type(value) is not bool
    if not number or (type(value) is float and not math.isfinite(value)):
        return f"expected decimal (a JSON number), found {json_type(value)}"
    return None


def _boolean(value: object) -> str | None:
    return None if type(value) is bool else f"expected boolean (true or false), found {json_type(value)}"


def _base64(text: str) -> bool:
    return _BASE64.fullmatch("".join(text.split())) is not None


def _uri(text: str) -> bool:
    if _BLANK.search(text):
        return False
    if text.startswith("urn:uuid:"):
        return _ANY_CASE_UUID.fullmatch(text) is not None
    return True


CHECKS: dict[str, Check] = {
    "base64Binary": _text("base64Binary (RFC 4648, whole groups of four)", _base64),
    "boolean": _boolean,
    "canonical": _text("canonical: an address without blanks", _uri),
    "code": _text(
        "code: no blank at either end, single blanks inside", lambda t: _CODE.fullmatch(t) is not None
    ),
    "date": _text("date: YYYY, YYYY-MM or YYYY-MM-DD, a day that exists", times.is_date),
    "dateTime": _text(
        "dateTime: a date, or YYYY-MM-DDThh:mm:ss with a zone (Z or +hh:mm), a moment that exists",
        times.is_date_time,
    ),
    "decimal": _decimal,
    "id": _text("id: 1 to 64 of A-Z a-z 0-9 - .", lambda t: _ID.fullmatch(t) is not None),
    "instant": _text("instant: YYYY-MM-DDThh:mm:ss with a zone (Z or +hh:mm)", times.is_instant),
    "integer": _whole("integer", -_INT32),
    "markdown": _plain("markdown"),
    "oid": _text("oid: urn:oid:1.2.3", lambda t: len(t) < 1000 and _OID.fullmatch(t) is not None),
    "positiveInt": _whole("positiveInt", 1),
    "string": _plain("string"),
    "time": _text("time: hh:mm:ss without a zone", times.is_time),
    "unsignedInt": _whole("unsignedInt", 0),
    "uri": _text("uri: an address without blanks, a well-formed UUID after urn:uuid:", _uri),
    "url": _text("url: an address without blanks", _uri),
    "uuid": _text("uuid: urn:uuid: and lower-case hexadecimal", lambda t: _UUID.fullmatch(t) is not None),
    "xhtml": _text("xhtml: a div element as a string", lambda _: True),
}
