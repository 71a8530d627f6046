"""The element definitions of FHIR R4 4.0.1, read once from r4_elements.json (its script names the sources)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from fhir_mappers.validation.primitives import CHECKS, Check

_INHERITED = {
    "Element": {"id": "string 0..1", "extension": "Extension 0..*"},
    "Resource": {
        "id": "id 0..1",
        "meta": "Meta 0..1",
        "implicitRules": "uri 0..1",
        "language": "code 0..1",
        "resourceType": "code 1..1",
    },
}
_INHERITED["BackboneElement"] = {**_INHERITED["Element"], "modifierExtension": "Extension 0..*"}
_INHERITED["DomainResource"] = {
    **_INHERITED["Resource"],
    "text": "Narrative 0..1",
    "contained": "Resource 0..*",
    "extension": "Extension 0..*",
    "modifierExtension": "Extension 0..*",
}
_LOOKED_INTO = {"xhtml", "canonical", "uri", "url"}


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type: `choice` is the `value` of `value[x]`, `codes` the codes of a required binding,
    `systems` the same by code system, `targets` the resource types that a Reference may name (empty: any). For a primitive, `check` looks at the
    value, and `free` says that nothing else has to be looked at."""

    name: str
    kind: str
    primitive: bool
    check: Check
    free: bool
    many: bool
    required: bool
    choice: str | None
    value_set: str
    codes: frozenset[str] | None
    systems: Mapping[str, frozenset[str]]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Type:
    """A resource type, data type or backbone element (`Observation.component`).

    `required` holds, for each required element, the name to report and the JSON names that satisfy it."""

    name: str
    resource: bool
    elements: Mapping[str, Element]
    required: tuple[tuple[str, tuple[str, ...]], ...]


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("r4_elements.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@lru_cache(maxsize=1)
def resource_types() -> frozenset[str]:
    """The concrete resource types of R4 4.0.1."""
    return frozenset(_document()["resources"])


@lru_cache(maxsize=1)
def differs_in_r4b() -> frozenset[str]:
    """Types whose R4B (4.3.0) definition refuses something that R4 4.0.1 has."""
    return frozenset(_document()["differs_in_r4b"])


@cache
def definition(name: str) -> Type:
    """The definition of a type by name; KeyError for a name that the table does not hold."""
    if name == "Element":
        row: dict[str, Any] = {"base": "Element", "elements": {}}
    else:
        row = _document()["types"][name]
    texts = {**_INHERITED[row["base"]], **row["elements"]}
    elements = {element: _element(element, text) for element, text in texts.items()}
    is_resource = row["base"].endswith("Resource")
    return Type(name, is_resource, elements, _required(elements))


def _element(name: str, text: str) -> Element:
    kind, cardinality, *rest = text.split(" ")
    marked = {part[0]: part[1:] for part in rest}
    value_set = marked.get("!", "")
    systems = {s: frozenset(c) for s, c in _document()["value_sets"].get(value_set, {}).items()}
    return Element(
        name=name,
        kind=kind,
        primitive=kind[0].islower(),
        check=CHECKS.get(kind, _no_primitive),
        free=kind[0].islower() and not systems and kind not in _LOOKED_INTO,
        many=cardinality.endswith("*"),
        required=cardinality.startswith("1"),
        choice=marked.get("@"),
        value_set=value_set,
        codes=frozenset().union(*systems.values()) if systems else None,
        systems=systems,
        targets=tuple(marked[">"].split("|")) if ">" in marked else (),
    )


def _no_primitive(_: object) -> str | None:
    return None


def _required(elements: Mapping[str, Element]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    names: dict[str, list[str]] = {}
    for element in elements.values():
        if element.required and element.name != "resourceType":
            shown = f"{element.choice}[x]" if element.choice else element.name
            accepted = [element.name, f"_{element.name}"] if element.primitive else [element.name]
            names.setdefault(shown, []).extend(accepted)
    return tuple((shown, tuple(accepted)) for shown, accepted in names.items())


def other_version_of_type(name: str) -> str | None:
    """The FHIR version that has this resource type, when R4 4.0.1 has not."""
    found: str | None = _document()["other_version_types"].get(name)
    return found


def other_version_of_element(type_name: str, element: str) -> str | None:
    """The FHIR version that has this element in this type, when R4 4.0.1 has not (or has it in another shape)."""
    for table in ("other_version_elements", "other_version_shapes"):
        found: str | None = _document()[table].get(type_name, {}).get(element)
        if found:
            return found
    return None
