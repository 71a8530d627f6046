"""How an invariant of FHIR R4 4.0.1 is written here: its id, its wording, and a predicate over raw JSON.

The predicate says whether the element is *right*. It sees JSON that may be malformed in any way, so it asks
through the helpers below, which never raise, and gives the benefit of the doubt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from fhir_mappers.validation.issues import Issue, Severity

Json = dict[str, Any]
Rule = Callable[[Json, str], Iterable[Issue]]
Predicate = Callable[[Json], bool]

RULES: dict[str, list[Rule]] = {}
UCUM = "http://unitsofmeasure.org"


def invariant(
    types: str, key: str, text: str, severity: Severity = "error"
) -> Callable[[Predicate], Predicate]:
    """Register a predicate for the types named (blanks between), under the id that the standard gives it."""

    def register(holds: Predicate) -> Predicate:
        def rule(value: Json, path: str) -> Iterable[Issue]:
            return () if holds(value) else (Issue(severity, "invariant", path, f"{key}: {text}"),)

        for name in types.split():
            RULES.setdefault(name, []).append(rule)
        return holds

    return register


def has(value: Json, *names: str) -> bool:
    """Whether any of the elements is there, as a value or as an extension of it."""
    return any(name in value or f"_{name}" in value for name in names)


def has_choice(value: Json, stem: str) -> bool:
    """Whether some `stem[x]` is there."""
    cut = len(stem)
    return any(n.startswith(stem) and n[cut : cut + 1].isupper() for n in (k.lstrip("_") for k in value))


def sub(value: Json, name: str) -> Json:
    """A child object; empty when there is none."""
    child = value.get(name)
    return child if isinstance(child, dict) else {}


def subs(value: Json, name: str) -> list[Json]:
    """The child objects of a repeating element."""
    children = value.get(name)
    return [c for c in children if isinstance(c, dict)] if isinstance(children, list) else []


def texts(value: Json, name: str) -> list[str]:
    """The strings of a repeating primitive."""
    children = value.get(name)
    return [c for c in children if isinstance(c, str)] if isinstance(children, list) else []


def number(value: Json, name: str) -> Decimal | None:
    """A JSON number as a Decimal; None when there is none (or it is no number)."""
    found = value.get(name)
    if type(found) is int or isinstance(found, Decimal):
        return Decimal(found)
    return Decimal(repr(found)) if type(found) is float and abs(found) < float("inf") else None


def codes(concept: Json, system: str | None = None) -> set[str]:
    """The codes of a CodeableConcept, of one system when it is named."""
    found = (c for c in subs(concept, "coding") if system is None or c.get("system") == system)
    return {c["code"] for c in found if isinstance(c.get("code"), str)}
