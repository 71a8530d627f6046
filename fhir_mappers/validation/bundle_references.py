"""References between the entries of a Bundle (bundle.html#references, documents.html of FHIR R4 4.0.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_mappers.validation.issues import Issue, error, quoted, warning
from fhir_mappers.validation.rule_book import Json, sub, subs
from fhir_mappers.validation.walking import Visited


def bundle_reference_problems(bundle: Visited, inside: Iterable[Visited]) -> Iterator[Issue]:
    """What a document's Composition names must be in the document; a urn:uuid cannot be anywhere else."""
    known = _names(bundle.resource)
    must = _of_composition(bundle)
    for visited in inside:
        for link in visited.links:
            if not link.is_reference or link.value.startswith("#") or "?" in link.value:
                continue
            bare, _, version = link.value.partition("/_history/")
            versions = known.get(bare.split("#")[0])
            if (
                link.path in must
                and not bare.startswith("http")
                and (versions is None or (version and version not in versions))
            ):
                text = (
                    f"a document must hold what its Composition refers to: no entry for {quoted(link.value)}"
                )
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
        own = {entry.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"}
        for name in own:
            if isinstance(name, str):
                names.setdefault(name, []).append(version)
    return names


def _of_composition(bundle: Visited) -> set[str]:
    """The places of the references that a document must resolve: subject, encounter, author, section.entry."""
    if bundle.resource.get("type") != "document":
        return set()
    entries = subs(bundle.resource, "entry")
    composition = sub(entries[0], "resource") if entries else {}
    path = f"{bundle.path}.entry[0].resource"
    places = {f"{path}.{name}.reference" for name in ("subject", "encounter", "custodian")}
    places |= {f"{path}.author[{i}].reference" for i in range(len(subs(composition, "author")))}
    return places | set(_sections(composition, path))


def _sections(part: Json, path: str) -> Iterator[str]:
    sections: Any = part.get("section")
    for i, section in enumerate(sections if isinstance(sections, list) else []):
        if isinstance(section, dict):
            place = f"{path}.section[{i}]"
            entries = section.get("entry")
            yield from (
                f"{place}.entry[{n}].reference"
                for n in range(len(entries) if isinstance(entries, list) else 0)
            )
            yield from _sections(section, place)
