"""From raw bytes to typed records, one by one: a bad entry costs itself and becomes an issue.

A Bundle of any type, a list of resources or one resource all read alike. Records that become a
finding, an order or a dose are read again strictly (a key twice is refused).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import VIEWS, Resource


class _Head(Struct, gc=False):
    resourceType: str | None = None
    id: Any = None


class _Search(Struct, gc=False):
    mode: str | None = None


class _Entry(Struct, gc=False):
    fullUrl: str | None = None
    resource: Raw = Raw()
    search: _Search | None = None
    resourceType: str | None = None


class _Link(Struct, gc=False):
    relation: str | None = None


class _Bundle(Struct, gc=False):
    resourceType: str | None = None
    entry: list[_Entry] | None = None
    link: list[_Link] | None = None
    timestamp: str | None = None


class _LooseBundle(Struct, gc=False):
    entry: list[Raw] | None = None


class _OutcomeIssue(Struct, gc=False):
    severity: str | None = None
    diagnostics: str | None = None


class _Outcome(Struct, gc=False):
    issue: list[_OutcomeIssue] | None = None


_head = msgspec.json.Decoder(_Head)
_bundle = msgspec.json.Decoder(_Bundle)
_loose_bundle = msgspec.json.Decoder(_LooseBundle)
_entry = msgspec.json.Decoder(_Entry)
_outcome = msgspec.json.Decoder(_Outcome)
_list = msgspec.json.Decoder(list[Raw])
_views = {name: msgspec.json.Decoder(view) for name, view in VIEWS.items()}
_NULL = b"null"


class Given(Struct, frozen=True, gc=False):
    """One resource as it came: its raw bytes, the fullUrl of its entry, its type and its id."""

    raw: bytes
    full_url: str | None = None
    kind: str = ""
    id: Any = None


class Record(Struct, frozen=True, gc=False):
    """One resource that could be read: its view, its bytes, and the name it is cited by."""

    view: Resource
    raw: bytes
    evidence: str
    full_url: str | None = None


@dataclass(slots=True)
class Unwrapped:
    """What a raw value held: resources, issues, and whether anything is known to be missing from it."""

    given: list[Given] = field(default_factory=list)
    issues: list[MappingIssue] = field(default_factory=list)
    incomplete: bool = False
    timestamp: str | None = None


def unwrap(raw: bytes, name: str) -> Unwrapped:
    """The resources of a Bundle of any type, a list, or a single resource. `name` names it in issues.

    An OperationOutcome is never a record: one with an error says that data is missing. A `next` link
    says so too. Raises Unreadable never: what cannot be read is an issue and `incomplete`.
    """
    found = Unwrapped()
    try:
        if raw[:1] == b"[":
            for index, item in enumerate(_list.decode(raw)):
                _add(found, bytes(item), None, f"{name}[{index}]")
            return found
        _unwrap_one(raw, name, found)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        found.issues.append(MappingIssue(name, f"could not be read: {_plain(problem)}"))
        found.incomplete = True
    return found


def _unwrap_one(raw: bytes, name: str, found: Unwrapped) -> None:
    try:
        bundle = _bundle.decode(raw)
    except msgspec.ValidationError:
        if _head.decode(raw).resourceType != "Bundle":
            _add(found, raw, None, name)
            return
        for index, item in enumerate(_loose_bundle.decode(raw).entry or ()):
            try:
                _add_entry(found, _entry.decode(item), f"{name}.entry[{index}]")
            except msgspec.DecodeError as problem:
                found.issues.append(MappingIssue(f"{name}.entry[{index}]", f"could not be read: {_plain(problem)}"))
        return
    if bundle.resourceType != "Bundle":
        _add(found, raw, None, name)
        return
    found.timestamp = bundle.timestamp
    if any(link.relation == "next" for link in bundle.link or ()):
        found.issues.append(MappingIssue(name, "only the first page was given: the Bundle has a next link"))
        found.incomplete = True
    for index, entry in enumerate(bundle.entry or ()):
        _add_entry(found, entry, f"{name}.entry[{index}]")


def _add_entry(found: Unwrapped, entry: _Entry, place: str) -> None:
    raw = bytes(entry.resource)
    if raw in (b"", _NULL):
        if entry.resourceType is not None:
            problem = f"a {entry.resourceType[:40]} stands in the entry itself; entry.resource was expected"
            found.issues.append(MappingIssue(place, problem))
        return
    _add(found, raw, entry.fullUrl, place, entry.search.mode if entry.search else None)


def _add(found: Unwrapped, raw: bytes, full_url: str | None, place: str, mode: str | None = None) -> None:
    """Keeps a resource; an OperationOutcome (also by search mode) is read for errors instead."""
    try:
        head = _head.decode(raw)
    except msgspec.DecodeError as problem:
        found.issues.append(MappingIssue(place, f"could not be read: {_plain(problem)}"))
        return
    kind = head.resourceType
    if kind == "OperationOutcome" or mode == "outcome":
        if _reports_error(raw):
            found.issues.append(MappingIssue(place, "the server reported an error: the data is incomplete"))
            found.incomplete = True
        return
    if kind is None:
        found.issues.append(MappingIssue(place, "has no resourceType; a FHIR resource was expected"))
        return
    found.given.append(Given(raw, full_url, kind, head.id))


def _reports_error(raw: bytes) -> bool:
    try:
        issues = _outcome.decode(raw).issue or ()
    except msgspec.DecodeError:
        return True
    return any(issue.severity not in ("information", "warning") for issue in issues)


def is_error_outcome(raw: bytes) -> bool:
    """Whether a raw value is itself an OperationOutcome that reports an error."""
    try:
        return _head.decode(raw).resourceType == "OperationOutcome" and _reports_error(raw)
    except msgspec.DecodeError:
        return False


def read(given: Iterable[Given]) -> tuple[list[Record], list[MappingIssue]]:
    """Typed records of the resource types we read; the rest is passed over. Equal copies count once."""
    records: list[Record] = []
    issues: list[MappingIssue] = []
    seen: dict[str, bytes] = {}
    for one in given:
        kind = one.kind
        decoder = _views.get(kind)
        if decoder is None:
            continue
        evidence = f"{kind}/{one.id}" if isinstance(one.id, str) and one.id else one.full_url or f"{kind} without id"
        if one.id is not None:
            if seen.get(evidence) == one.raw:
                continue
            if evidence in seen and isinstance(one.id, str):
                issues.append(MappingIssue(evidence, "given twice with different content: both are read, the worse counts"))
            seen[evidence] = one.raw
        try:
            records.append(Record(decoder.decode(one.raw), one.raw, evidence, one.full_url))
        except (msgspec.DecodeError, RecursionError) as problem:
            issues.append(MappingIssue(evidence, f"could not be read: {_plain(problem)}"))
    return records, issues


def doubled_key(raw: bytes) -> str | None:
    """The first key that stands twice in one object of a record; None when each stands once.

    Decoding keeps one of two equal keys: a record that comes back as it was, byte for byte, has none twice.
    Only what does not come back (numbers or characters written another way) is looked at key by key.
    """
    try:
        again = msgspec.json.encode(msgspec.json.decode(raw))
        if again == raw or again == msgspec.json.format(raw, indent=-1):
            return None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    doubled: list[str] = []

    def pairs(items: Sequence[tuple[str, Any]]) -> None:
        keys = [key for key, _ in items]
        if len(set(keys)) != len(keys):
            doubled.extend(key for key in keys if keys.count(key) > 1)

    try:
        json.loads(raw, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return "(not strict JSON)"
    return doubled[0] if doubled else None


def _plain(problem: Exception) -> str:
    return str(problem)[:160]
