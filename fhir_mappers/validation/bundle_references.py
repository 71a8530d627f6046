"""References between the entries of a Bundle (bundle.html#references, documents.html of FHIR R4 4.0.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fhir_mappers.validation.issues import Issue, error, quoted, warning
from fhir_mappers.validation.rule_book import Json, sub, subs
from fhir_mappers.validation.walking import Visited


def bundle_reference_problems(bundle: Visited, inside: Iterable[Visited]) -> Iterator[Issue]:
    """What a document's Composition names must be in the document; a urn:uuid cannot be anywhere else."""
    known = _names(bundle.resource)
    must = _document_links(bundle)
    for visited in inside:
        for link in visited.links:
            if not link.is_reference or link.value.startswith("#") or "?" in link.value:
                continue
            bare, _, version = link.value.partition("/_history/")
            versions = known.get(bare.split("#")[0])
            absent = versions is None or (version and version not in versions)
            if absent and must and must.fullmatch(link.path) and not bare.startswith("http"):
                text = f"no entry for {quoted(link.value)}: a document holds what its Composition refers to"
                yield error("not-found", link.path, text)
            elif versions is None and bare.startswith("urn:uuid:"):
                yield warning("not-found", link.path, "no entry of the bundle has this fullUrl")
            elif versions is not None and len(versions) > 1 and not version:
                yield warning("multiple-matches", link.path, "more than one entry of the bundle matches")


def _names(bundle: Json) -> dict[str, list[str]]:
    """Every way an entry may be named (fullUrl, Type/id), and the versions found under that name."""
    names: dict[str, list[str]] = {}
    for entry in subs(bundle, "entry"):
        resource = sub(entry, "resource")
        version = str(sub(resource, "meta").get("versionId", ""))
        for name in {str(entry.get("fullUrl")), f"{resource.get('resourceType')}/{resource.get('id')}"}:
            names.setdefault(name, []).append(version)
    return names


def _document_links(bundle: Visited) -> re.Pattern[str] | None:
    """The references that a document must resolve: the subject and every section.entry of its Composition."""
    if bundle.resource.get("type") != "document":
        return None
    first = re.escape(f"{bundle.path}.entry[0].resource.")
    return re.compile(first + r"(?:subject|(?:section\[\d+\]\.)+entry\[\d+\])\.reference")
