"""The second opinion: fhir.resources.R4B (never the top-level classes, which are R5).

It is asked about every resource in which the walk found nothing wrong. Its models coerce (`true` becomes 1), so
they cannot replace the walk; they notice where the table or the walk would be wrong. Types whose R4B form
differs from R4 4.0.1 are not asked about, and an element that only R4B calls unknown is no problem of R4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fhir_mappers.validation.definitions import differs_in_r4b
from fhir_mappers.validation.issues import Issue, error, quoted, warning
from fhir_mappers.validation.model_memo import with_known_parts
from fhir_mappers.validation.rule_book import subs

_LIBRARY_FAULTS = (
    TypeError,
    KeyError,
    ValueError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
)


def model_problems(resource: dict[str, Any], path: str) -> Iterator[Issue]:
    """What the R4B model of this resource type refuses."""
    kind = resource["resourceType"]
    if kind in differs_in_r4b() or _holds_other_types(resource):
        return
    model, shell = get_fhir_model_class(kind), _shell(resource)
    try:
        model(**with_known_parts(shell, kind))
        return
    except (ValidationError, *_LIBRARY_FAULTS):
        pass  # ask again about the plain JSON, for the place of the fault
    try:
        model(**shell)
    except ValidationError as e:
        for problem in e.errors(include_url=False, include_input=False, include_context=False):
            if problem["type"] != "extra_forbidden":
                text = f"fhir.resources.R4B: {problem['msg'].splitlines()[0]}"
                yield error("structure", _fhir_path(path, problem["loc"]), text)
    except _LIBRARY_FAULTS as e:
        yield warning(
            "exception", path, f"fhir.resources.R4B could not read this: {quoted(type(e).__name__)}"
        )


def _shell(resource: dict[str, Any]) -> dict[str, Any]:
    """A Bundle without the resources of its entries: they are asked about one by one."""
    if resource["resourceType"] != "Bundle" or "entry" not in resource:
        return resource
    entries = [{k: v for k, v in entry.items() if k != "resource"} for entry in subs(resource, "entry")]
    return {**resource, "entry": entries}


def _holds_other_types(resource: dict[str, Any]) -> bool:
    inner = [*subs(resource, "contained"), *(p.get("resource", {}) for p in subs(resource, "parameter"))]
    return any(isinstance(r, dict) and r.get("resourceType") in differs_in_r4b() for r in inner)


def _fhir_path(path: str, place: tuple[int | str, ...]) -> str:
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part.removesuffix('__ext')}"
    return path
