"""Invariants of Bundle (bundle.html of FHIR R4 4.0.1, bdl-1 to bdl-12) and the identity of its entries."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_mappers.validation.issues import Issue, error, warning
from fhir_mappers.validation.references import restful_type
from fhir_mappers.validation.rule_book import RULES, Json, has, invariant, sub, subs

_REQUESTS = ("batch", "transaction", "history")
_RESPONSES = ("batch-response", "transaction-response", "history")


@invariant("Bundle", "bdl-1", "total is for a search or a history")
def bdl_1(b: Json) -> bool:
    return not has(b, "total") or b.get("type") in ("searchset", "history")


@invariant("Bundle", "bdl-9", "a document must have an identifier with a system and a value")
def bdl_9(b: Json) -> bool:
    return b.get("type") != "document" or all(has(sub(b, "identifier"), name) for name in ("system", "value"))


@invariant("Bundle", "bdl-10", "a document must have a timestamp")
def bdl_10(b: Json) -> bool:
    return b.get("type") != "document" or has(b, "timestamp")


@invariant("Bundle", "bdl-11", "a document must have a Composition as its first resource")
def bdl_11(b: Json) -> bool:
    return b.get("type") != "document" or _first(b) == "Composition"


@invariant("Bundle", "bdl-12", "a message must have a MessageHeader as its first resource")
def bdl_12(b: Json) -> bool:
    return b.get("type") != "message" or _first(b) == "MessageHeader"


@invariant("Bundle.entry", "bdl-5", "must have a resource, unless there is a request or a response")
def bdl_5(e: Json) -> bool:
    return has(e, "resource", "request", "response")


@invariant("Bundle.entry", "bdl-8", "fullUrl must not name a version")
def bdl_8(e: Json) -> bool:
    return "/_history/" not in str(e.get("fullUrl", ""))


def _first(bundle: Json) -> object:
    entries = subs(bundle, "entry")
    return sub(entries[0], "resource").get("resourceType") if entries else None


def entry_kinds(bundle: Json, path: str) -> Iterator[Issue]:
    """bdl-2, bdl-3 and bdl-4: search, request and response stand in the bundles they are for."""
    kind = bundle.get("type")
    if not isinstance(kind, str):
        return
    for place, entry in _entries(bundle, path):
        if has(entry, "search") and kind != "searchset":
            yield error("invariant", place, "bdl-2: entry.search is for a search")
        if has(entry, "request") != (kind in _REQUESTS):
            text = "bdl-3: entry.request is needed in batch, transaction and history, and only there"
            yield error("invariant", place, text)
        if has(entry, "response") != (kind in _RESPONSES):
            text = "bdl-4: entry.response is needed in batch-response, transaction-response and history, and only there"
            yield error("invariant", place, text)


def unique_entries(bundle: Json, path: str) -> Iterator[Issue]:
    """bdl-7: the same fullUrl twice only with different meta.versionId, or in a history."""
    if bundle.get("type") == "history":
        return
    seen = set()
    for place, entry in _entries(bundle, path):
        url = entry.get("fullUrl")
        if not isinstance(url, str):
            continue
        key = (url, str(sub(sub(entry, "resource"), "meta").get("versionId")))
        if key in seen:
            yield error("duplicate", f"{place}.fullUrl", "bdl-7: this fullUrl stands on another entry too")
        seen.add(key)


def identities(bundle: Json, path: str) -> Iterator[Issue]:
    """bundle.html: fullUrl is absolute, and does not disagree with the id (a warning: an official example does)."""
    for place, entry in _entries(bundle, path):
        url, resource = entry.get("fullUrl"), sub(entry, "resource")
        if not isinstance(url, str) or not url:
            continue
        if ":" not in url:
            yield error("value", f"{place}.fullUrl", "fullUrl must be an absolute address")
        elif _disagrees(url, resource):
            yield warning("value", f"{place}.fullUrl", "fullUrl and the id of the resource disagree")


def _disagrees(url: str, resource: Json) -> bool:
    same_type = url.startswith("http") and restful_type(url) == resource.get("resourceType")
    return same_type and "id" in resource and url.rsplit("/", 1)[1] != resource["id"]


def _entries(bundle: Json, path: str) -> Iterator[tuple[str, Json]]:
    entries = bundle.get("entry")
    for i, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield f"{path}.entry[{i}]", entry


RULES.setdefault("Bundle", []).extend((entry_kinds, unique_entries, identities))
