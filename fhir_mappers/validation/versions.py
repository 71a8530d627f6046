"""Names for what does not belong to R4: the FHIR version an element or a type comes from."""

from __future__ import annotations

from typing import Any

from fhir_mappers.validation.definitions import (
    Type,
    other_version_of_element,
    other_version_of_type,
    resource_types,
)
from fhir_mappers.validation.issues import Issue, error, named, quoted

THIS = "R4 4.0.1"


def unknown_element(name: str, kind: Type, path: str) -> Issue:
    """An element that the type does not have, with the version that has it."""
    place = f"{path}.{named(name)}"
    if name == "resourceType" and kind.name == "Bundle.entry":
        return error(
            "structure", place, "the resource stands in the entry itself; it belongs in entry.resource"
        )
    version = other_version_of_element(kind.name, name.removeprefix("_"))
    if version is not None:
        return error("structure", place, f"unknown element: this is {version}, not {THIS}")
    if name == "fhir_comments":
        return error("structure", place, f"unknown element: this is DSTU2, not {THIS}")
    return error("structure", place, f"unknown element: {kind.name} of {THIS} does not have it")


def shape_hint(item: Any, type_name: str, element: str) -> str:
    """For an element of the wrong shape: the version whose shape differs, if there is one."""
    version = other_version_of_element(type_name, element)
    return f" (the shape of {element} differs in {version}; {THIS} is expected)" if version and item else ""


def wrong_resource_type(value: dict[str, Any], path: str) -> Issue:
    """No resourceType, or one that R4 does not have."""
    if "resourceType" not in value:
        return error("structure", path, f"no resourceType: not a FHIR resource{_what_else(value)}")
    kind = value["resourceType"]
    if not isinstance(kind, str):
        return error("structure", path, "resourceType must be a string")
    version = other_version_of_type(kind)
    if version is not None:
        return error("structure", path, f"resource type {quoted(kind)}: this is {version}, not {THIS}")
    alike = next((known for known in resource_types() if known.lower() == kind.strip().lower()), None)
    hint = f"; did you mean {alike}?" if alike else ""
    return error("structure", path, f"resource type {quoted(kind)} is unknown in {THIS}{hint}")


def _what_else(value: dict[str, Any]) -> str:
    if "transactionTime" in value and "output" in value:
        return " (this looks like the manifest of a bulk export)"
    if "hook" in value and "hookInstance" in value:
        return " (this looks like a CDS Hooks request)"
    if "cards" in value:
        return " (this looks like a CDS Hooks response)"
    return ""
