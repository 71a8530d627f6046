"""From raw bytes to typed records, one by one: a bad entry costs itself and becomes an issue.

A Bundle of any type, a list of resources or one resource all read alike. Records that become a
finding, an order or a dose are read again strictly (a key twice is refused).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Union

import msgspec
from msgspec import Raw, Struct

from fhir_mappers.issues import MappingIssue
from fhir_mappers.quirks import LONGEST_ID
from fhir_mappers.views import VIEWS, Resource


class _Head(Struct, gc=False):
    resourceType: str | None = None
    id: Any = None


class _Search(Struct, gc=False):
    mode: str | None = None


class _Response(Struct, gc=False):
    status: str | None = None


class _Entry(Struct, gc=False):
    fullUrl: str | None = None
    response: _Response | None = None
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
    total: Any = None


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
_view: msgspec.json.Decoder[Resource] = msgspec.json.Decoder(Union[tuple(VIEWS.values())])  # noqa: UP007 - made from a table
_lenient: msgspec.json.Decoder[Resource] = msgspec.json.Decoder(Union[tuple(VIEWS.values())], strict=False)  # noqa: UP007
_NULL = b"null"
_TYPE, _OUTCOME = b'"resourceType"', b"OperationOutcome"
_OF_ANOTHER_TYPE = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"(?!OperationOutcome")[A-Za-z]+"')


_NOTHING_THERE = ("404", "410")
"""HTTP status of a batch's entry that says there is none; any other but 2xx says that it could not be had."""
_COULD_FILL = {"MedicationAdministration": "exposure", "Observation": "observation"}
"""What a record of a type could have filled when nothing of it can be read."""


class Given(Struct, frozen=True, gc=False):
    """One resource as it came: its raw bytes, the fullUrl of its entry, and its view when it was decoded before."""

    raw: bytes
    full_url: str | None = None
    view: Resource | None = None


class Record(Struct, frozen=True, gc=False):
    """One resource that could be read: its view, its bytes, and the name it is cited by.

    `mended` says what had to be read leniently: an object for a list of codings, or, with `unquoted`,
    a number that was sent as a string, which must not feed a grade.
    """

    view: Resource
    raw: bytes
    evidence: str
    full_url: str | None = None
    mended: str | None = None
    unquoted: bool = False


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
                _add(found, Given(bytes(item)), f"{name}[{index}]")
            return found
        bundle = _as_bundle(raw)
        if bundle is not None and bundle.resourceType != "Bundle":
            _add(found, Given(raw), name, alone=True)
        else:
            _unwrap_bundle(raw, bundle, name, found)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        _lost(found, name, f"could not be read: {_plain(problem)}")
    return found


def _as_bundle(raw: bytes) -> _Bundle | None:
    """The members of a Bundle, read in one pass; None for one with a bad entry. Raises DecodeError."""
    try:
        return _bundle.decode(raw)
    except msgspec.ValidationError:
        kind = _head.decode(raw).resourceType
        return None if kind == "Bundle" else _Bundle(kind)


def _unwrap_bundle(raw: bytes, bundle: _Bundle | None, name: str, found: Unwrapped) -> None:
    if bundle is None:
        for index, item in enumerate(_loose_bundle.decode(raw).entry or ()):
            try:
                _add_entry(found, _entry.decode(item), f"{name}.entry[{index}]")
            except msgspec.DecodeError as problem:
                _lost(found, f"{name}.entry[{index}]", f"could not be read: {_plain(problem)}")
        return
    found.timestamp = bundle.timestamp
    if any(link.relation == "next" for link in bundle.link or ()):
        _lost(found, name, "only the first page was given: the Bundle has a next link")
    if not bundle.entry and isinstance(bundle.total, int) and bundle.total > 0:
        _lost(found, name, f"says that it holds {bundle.total} and holds none")
    given = found.given
    for index, entry in enumerate(bundle.entry or ()):
        raw = bytes(entry.resource)
        start = raw.find(_TYPE)
        found_by = entry.search
        if (found_by is None or found_by.mode != "outcome") and start >= 0 and _OUTCOME not in raw[start : start + 60]:
            given.append(Given(raw, entry.fullUrl))
        else:
            _add_entry(found, entry, f"{name}.entry[{index}]")


def _lost(found: Unwrapped, place: str, problem: str) -> None:
    """Something was sent and cannot be had: said, and never taken for "there is none"."""
    found.issues.append(MappingIssue(place, problem))
    found.incomplete = True


def _add_entry(found: Unwrapped, entry: _Entry, place: str) -> None:
    if bytes(entry.resource) in (b"", _NULL):
        answered = (entry.response.status or "")[:3] if entry.response is not None else ""
        if entry.resourceType is not None:
            _lost(found, place, f"a {entry.resourceType[:40]} stands in the entry itself; entry.resource was expected")
        elif not answered.startswith("2") and answered not in _NOTHING_THERE:
            _lost(found, place, f"holds no resource (status {answered!r}); entry.resource was expected")
        return
    _add(found, Given(bytes(entry.resource), entry.fullUrl), place, entry.search.mode if entry.search else None)


def _add(found: Unwrapped, given: Given, place: str, mode: str | None = None, alone: bool = False) -> None:
    """Keeps a resource; an OperationOutcome (also by search mode) is read for errors instead.

    `alone`: it is all that was sent, so that an OperationOutcome of any kind stands in place of data.
    """
    start = given.raw.find(_TYPE)
    if mode != "outcome" and start >= 0 and _OUTCOME not in given.raw[start : start + 60]:
        found.given.append(given)
        return
    try:
        kind = _head.decode(given.raw).resourceType
    except msgspec.DecodeError as problem:
        _lost(found, place, f"could not be read: {_plain(problem)}")
        return
    if kind == "OperationOutcome" or mode == "outcome":
        if _reports_error(given.raw):
            _lost(found, place, "the server reported an error: the data is incomplete")
        elif alone:
            _lost(found, place, "the server answered an OperationOutcome in place of the data")
        return
    if kind is None:
        _lost(found, place, "has no resourceType; a FHIR resource was expected")
        return
    found.given.append(given)


def _reports_error(raw: bytes) -> bool:
    try:
        issues = _outcome.decode(raw).issue or ()
    except msgspec.DecodeError:
        return True
    return any(issue.severity not in ("information", "warning") for issue in issues)


def is_error_outcome(raw: bytes) -> bool:
    """Whether a raw value is itself an OperationOutcome that reports an error."""
    if _OF_ANOTHER_TYPE.match(raw):
        return False  # it says so at once: no need to read all of it
    try:
        return _head.decode(raw).resourceType == "OperationOutcome" and _reports_error(raw)
    except msgspec.DecodeError:
        return False


def decoded(given: Given) -> Given:
    """With its view, so that reading it again costs nothing; as it is when the view cannot be had without a look."""
    try:
        return Given(given.raw, given.full_url, _view.decode(given.raw))
    except (msgspec.DecodeError, RecursionError):
        return given


def read(given: Iterable[Given]) -> tuple[list[Record], list[MappingIssue]]:
    """Typed records of the resource types we read; the rest is passed over. Equal copies count once."""
    records: list[Record] = []
    issues: list[MappingIssue] = []
    seen: dict[str, bytes] = {}
    for one in given:
        mended: str | None = None
        unquoted = False
        try:
            view = one.view or _view.decode(one.raw)
        except (msgspec.DecodeError, RecursionError) as problem:
            head = _head_of(one.raw)
            if head is not None and head.resourceType not in (None, *VIEWS):
                if head.resourceType == "OperationOutcome":
                    issues.append(MappingIssue("OperationOutcome", "stands among the data: what the server said is not read"))
                continue
            found = _leniently(one.raw)
            if found is None:
                issues.append(_unreadable(one, head, problem))
                continue
            view, mended, unquoted = found
        kind, identity = type(view).__name__, view.id
        if not identity:
            evidence = one.full_url or f"{kind} without id"
        else:
            evidence = f"{kind}/{identity}"
            if evidence in seen:
                if _same(seen[evidence], one.raw):
                    continue
                issues.append(MappingIssue(evidence, "given twice with different content: both are read, the worse counts"))
            seen[evidence] = one.raw
            if len(evidence) > LONGEST_ID and len(identity) > LONGEST_ID:
                too_long = f"its id has {len(identity)} characters; at most {LONGEST_ID} are read"
                issues.append(MappingIssue(evidence[:80], too_long, _COULD_FILL.get(kind)))
                continue
        records.append(Record(view, one.raw, evidence, one.full_url, mended, unquoted))
    return records, issues


def _head_of(raw: bytes) -> _Head | None:
    try:
        return _head.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def _unreadable(one: Given, head: _Head | None, problem: Exception) -> MappingIssue:
    """Why a resource could not be read, named as well as can be."""
    kind = head.resourceType if head is not None and head.resourceType else "a resource"
    identity = head.id if head is not None and isinstance(head.id, str) else ""
    evidence = f"{kind}/{identity}" if identity else one.full_url or f"{kind} without id"
    return MappingIssue(evidence[:300], f"could not be read: {_plain(problem)}", _COULD_FILL.get(kind))


def _same(first: bytes, second: bytes) -> bool:
    """Whether two copies say the same, whatever the layout of their JSON."""
    if first == second:
        return True
    try:
        return bool(json.loads(first) == json.loads(second))
    except (ValueError, RecursionError):
        return False


def _leniently(raw: bytes) -> tuple[Resource, str, bool] | None:
    """A record with a number as a string, or with a lone object for a list: what was mended, and whether a value was.

    None when that is not what is wrong with it.
    """
    try:
        return _lenient.decode(raw), "a number or boolean was sent as a string", True
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        body = json.loads(raw)
        changed = _put_into_lists(body) if isinstance(body, dict) else []
        if not changed:
            return None
        return _view.decode(json.dumps(body).encode()), f"{changed[0]} is one object; a list was expected", False
    except (ValueError, RecursionError, msgspec.DecodeError):
        return None


def _put_into_lists(body: dict[str, Any]) -> list[str]:
    changed = [name for name in ("identifier", "category") if isinstance(body.get(name), dict)]
    for name in changed:
        body[name] = [body[name]]
    for name in ("code", "medicationCodeableConcept"):
        concept = body.get(name)
        if isinstance(concept, dict) and isinstance(concept.get("coding"), dict):
            concept["coding"] = [concept["coding"]]
            changed.append(f"{name}.coding")
    return changed


def _plain(problem: Exception) -> str:
    return str(problem)[:160]
