"""References (references.html of FHIR R4 4.0.1): the form, the type of the target, contained resources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from fhir_mappers.validation.definitions import resource_types
from fhir_mappers.validation.issues import Issue, error, quoted, warning

if TYPE_CHECKING:
    from fhir_mappers.validation.walking import Visited

_RESTFUL = re.compile(
    r"(?:https?://\S+/|)([A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?"
)
_BLANK = re.compile(r"\s")
_LONGEST = 2048


class Link(NamedTuple):
    """A reference or address found in an element; `targets` are the types the element allows."""

    path: str
    value: str
    targets: tuple[str, ...]
    canonical: bool | None = None  # None: a Reference; True: canonical; False: uri or url

    @property
    def is_reference(self) -> bool:
        return self.canonical is None


def restful_type(reference: str) -> str | None:
    """The resource type in `Patient/1` or `https://server/Patient/1/_history/2`; None for other forms."""
    match = _RESTFUL.fullmatch(reference) if len(reference) <= _LONGEST else None
    return match[1] if match and match[1] in resource_types() else None


def target_problem(reference: str, targets: tuple[str, ...], path: str) -> Issue | None:
    """A literal reference has no blanks. A type that the element does not allow is a warning: official examples
    of R4 have such references."""
    if _BLANK.search(reference) and "?" not in reference:
        return error("value", path, "a reference is an address: it must not hold blanks")
    if not targets or reference.startswith(("#", "urn:")):
        return None
    kind = restful_type(reference)
    return _wrong_target(kind, targets, path) if kind and kind not in targets else None


def _wrong_target(kind: str, targets: tuple[str, ...], path: str) -> Issue:
    return warning(
        "structure", path, f"a reference to {kind} is not meant here, only to {', '.join(targets)}"
    )


def contained_problems(owner: Visited) -> Iterator[Issue]:
    """ref-1 and dom-3..5 for one resource that is not itself contained."""
    ids: dict[str, str] = {}
    for inner in owner.contained:
        identity = inner.resource.get("id")
        if not isinstance(identity, str):
            yield error("required", f"{inner.path}.id", "a contained resource needs an id to be referred to")
        elif identity in ids:
            yield error(
                "duplicate", f"{inner.path}.id", f"two contained resources have the id {quoted(identity)}"
            )
        else:
            ids[identity] = inner.resource["resourceType"]
        meta = inner.resource.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        if meta.keys() & {"versionId", "lastUpdated"}:
            yield error(
                "invariant", f"{inner.path}.meta", "dom-4: a contained resource has no version or update time"
            )
        if "security" in meta:
            yield error(
                "invariant", f"{inner.path}.meta", "dom-5: a contained resource has no security label"
            )
    links = [
        link for visited in (owner, *owner.contained) for link in visited.links if link.value.startswith("#")
    ]
    for link in links:
        yield from _fragment_problem(link, ids)
    yield from _unused(owner, {link.value for link in links})


def _fragment_problem(link: Link, ids: dict[str, str]) -> Iterator[Issue]:
    kind = ids.get(link.value[1:])
    if link.value == "#" or link.canonical is False:
        return
    if kind is None:
        text = f"no contained resource has the id {quoted(link.value[1:])}"
        if link.is_reference:
            yield error("not-found", link.path, f"ref-1: {text}")
        else:
            yield warning("not-found", link.path, text)
    elif link.targets and kind not in link.targets:
        yield _wrong_target(kind, link.targets, link.path)


def _unused(owner: Visited, used: set[str]) -> Iterator[Issue]:
    """dom-3: a contained resource is referred to from the resource, or refers back to it with `#`."""
    for inner in owner.contained:
        identity = inner.resource.get("id")
        back = any(link.value == "#" for link in inner.links)
        if isinstance(identity, str) and f"#{identity}" not in used and not back:
            yield error(
                "invariant", inner.path, "dom-3: nothing in the resource refers to this contained resource"
            )
