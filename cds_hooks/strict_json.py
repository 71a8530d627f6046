"""The strictness msgspec leaves to us: UTF-8 throughout, bounded depth, no key twice."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from cds_hooks.refusal import Refusal

MAX_DEPTH = 64
_BOM = b"\xef\xbb\xbf"
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_AS_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")  # +1, +1, -1, -1 as signed bytes

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
    """The body without a byte order mark, known to be UTF-8 and at most 64 deep.

    Raises Refusal (400).
    """
    body = body.removeprefix(_BOM)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, "structure", f"The body is not UTF-8: byte {error.start}.") from None
    if deeper_than(body, MAX_DEPTH):
        raise Refusal(400, "structure", f"The body nests arrays and objects more than {MAX_DEPTH} deep.")
    return body


def deeper_than(body: bytes, limit: int) -> bool:
    """True if arrays and objects nest deeper than `limit`. Linear, and without recursion.

    Escapes are taken out, then strings (every second stretch between quotes); brackets count +1 and -1.
    """
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    bare = body.translate(None, _NOT_STRUCTURE)
    outside = b"".join(bare.replace(b'""', b"").split(b'"')[::2])
    steps = memoryview(outside.translate(_AS_STEPS)).cast("b")
    return max(accumulate(steps), default=0) > limit


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
            raise Refusal(400, "duplicate", f'{place} has the key "{_short(key.name)}" twice.', _path(place))
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


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}…"
