"""The strictness msgspec leaves to us: UTF-8 throughout, bounded depth, size and strings, no key twice."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from cds_hooks.refusal import Refusal

MAX_DEPTH = 64
MAX_CONTAINERS = 400_000  # arrays and objects; a chart of 8 MB has about 110,000
MAX_STRING = 2_000_000  # bytes without a quote; FHIR R4 ends a string at 1 MiB, a photograph may be longer
_LOOKS = 16  # ours: charts nest about a dozen deep, and sixteen looks at a megabyte of brackets stay cheap
_BOM = b"\xef\xbb\xbf"
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_AS_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")  # +1, +1, -1, -1 as signed bytes
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_KNOWN = {
    "hook", "hookInstance", "fhirServer", "fhirAuthorization", "context", "prefetch", "extension",
    "userId", "patientId", "encounterId", "draftOrders", "selections", "patient", "administrations",
    "procedures", "observations", "conditions", "medications", "allergies", "encounter", "feedback",
    "card", "outcome", "outcomeTimestamp", "acceptedSuggestions", "overrideReason", "resourceType",
    "parameter",
}

T = TypeVar("T")


class _Key:
    """A key equal to nothing but itself, so that a member given twice is seen twice."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _key(_: type, name: Any) -> _Key:
    return _Key(name)


_MEMBERS = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=_key)


def checked(body: bytes) -> bytes:
    """The body without a byte order mark: UTF-8, at most 64 deep, its containers and strings bounded.

    Raises Refusal (400). Linear, and cheap before it is thorough: the costliest body found, 800 kB of brackets, takes 50 ms.
    """
    body = body.removeprefix(_BOM)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, "structure", f"The body is not UTF-8: byte {error.start}.") from None
    plain = _without_escapes(body)
    if _longest_reaches(plain, MAX_STRING):
        raise Refusal(400, "too-long", f"The body has a string of more than {MAX_STRING} bytes.")
    outside = _structure(plain)
    if outside.count(b"{") + outside.count(b"[") > MAX_CONTAINERS:
        raise Refusal(400, "too-costly", f"The body has more than {MAX_CONTAINERS} arrays and objects.")
    if _nests_deeper(outside, MAX_DEPTH):
        raise Refusal(400, "structure", f"The body nests arrays and objects more than {MAX_DEPTH} deep.")
    return body


def deeper_than(body: bytes, limit: int) -> bool:
    """True if arrays and objects nest deeper than `limit`. Linear, and without recursion."""
    return _nests_deeper(_structure(_without_escapes(body)), limit)


def _without_escapes(body: bytes) -> bytes:
    return body.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in body else body


def _structure(plain: bytes) -> bytes:
    """The brackets outside strings: strings are every second stretch between quotes."""
    bare = plain.translate(None, _NOT_STRUCTURE).replace(b'""', b"")
    return b"".join(bare.split(b'"')[::2]) if b'"' in bare else bare


def _nests_deeper(outside: bytes, limit: int) -> bool:
    """Each look takes the innermost pairs away; a chart is gone after a dozen. Else it is counted: +1, -1."""
    left, before = outside.translate(_ONE_KIND), -1
    for _ in range(min(limit, _LOOKS)):
        if len(left) in (0, before):
            break
        left, before = left.replace(b"{}", b""), len(left)
    if not left:
        return False
    steps = memoryview(outside.translate(_AS_STEPS)).cast("b")
    return max(accumulate(steps), default=0) > limit


def _longest_reaches(plain: bytes, limit: int) -> bool:
    """True if `limit` bytes follow one another without a quote; looks at few of them."""
    start = 0
    while start + limit <= len(plain):
        last = plain.rfind(b'"', start, start + limit)
        if last < 0:
            return True
        start = last + 1
    return False


def members(raw: bytes | msgspec.Raw, place: str) -> dict[str, bytes]:
    """The members of one JSON object, each value as its raw bytes.

    Raises Refusal (400) naming the place for what is no object, not JSON, or has a key twice.
    """
    try:
        pairs = _MEMBERS.decode(raw)
    except msgspec.ValidationError:
        raise Refusal(400, "structure", f"{place} must be a JSON object.", _path(place)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(400, "structure", f"{place} is not valid JSON: {error}.", _path(place)) from None
    found: dict[str, bytes] = {}
    for key, value in pairs.items():
        if key.name in found:
            raise Refusal(400, "duplicate", f"{place} has {_named(key.name)} twice.", _path(place))
        found[key.name] = bytes(value)
    return found


def value(raw: bytes, kind: type[T], place: str, expected: str) -> T:
    """One member decoded as `kind`. Raises Refusal (400): `place` must be `expected`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError:
        raise Refusal(400, "value", f"{place} must be {expected}.", _path(place)) from None


def _path(place: str) -> str | None:
    return place if place[:1].islower() else None


def _named(key: str) -> str:
    """A key of the specifications by its name; any other may be somebody's."""
    return f'the key "{key}"' if key in _KNOWN else "a key"
