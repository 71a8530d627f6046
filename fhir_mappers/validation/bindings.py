"""Required bindings of CodeableConcept and Coding (terminologies.html#required of FHIR R4 4.0.1)."""

from __future__ import annotations

from typing import Any

from fhir_mappers.validation.definitions import Element
from fhir_mappers.validation.issues import Issue, error


def unbound(item: dict[str, Any], element: Element, place: str) -> Issue | None:
    """The issue when no coding is of the required value set; an extension may say why the code is not known."""
    if element.kind == "CodeableConcept":
        found = item.get("coding")
        codings = [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []
    elif element.kind == "Coding":
        codings = [item]
    else:
        return None
    if any(_is_in(coding, element) for coding in codings) or "extension" in item:
        return None
    if any("_code" in c or "_system" in c or "extension" in c for c in codings):
        return None
    return error("code-invalid", place, f"no coding of the required value set {element.value_set}")


def _is_in(coding: dict[str, Any], element: Element) -> bool:
    system, code = coding.get("system"), coding.get("code")
    return type(system) is str and type(code) is str and code in element.systems.get(system, ())
