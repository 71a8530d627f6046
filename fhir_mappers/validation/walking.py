"""The walk over the raw JSON, led by the element definitions: json.html of FHIR R4 4.0.1, element by element.

Found here: unknown, missing, empty and repeated elements, wrong JSON types, broken primitive values, wrong
cardinality, two value[x], codes outside a required binding, resource types at every level, depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fhir_mappers.validation import versions
from fhir_mappers.validation.definitions import Element, Type, definition, resource_types
from fhir_mappers.validation.invariants import RULES
from fhir_mappers.validation.issues import Issue, error, named, quoted
from fhir_mappers.validation.narrative import narrative_problems
from fhir_mappers.validation.parsing import Repeated
from fhir_mappers.validation.primitives import CHECKS, json_type
from fhir_mappers.validation.references import Link, target_problem

DEEPEST = 64


@dataclass(slots=True)
class Visited:
    """A resource met on the walk: where, what was found inside it, and the links that leave its elements."""

    path: str
    resource: dict[str, Any]
    contained_in: Visited | None
    issues_before: int
    issues_after: int = 0
    links: list[Link] = field(default_factory=list)
    contained: list[Visited] = field(default_factory=list)


class Walk:
    """One pass over one document. `issues` and `resources` are its result."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.resources: list[Visited] = []

    def resource(self, value: Any, path: str, depth: int = 1, container: Visited | None = None) -> None:
        """A resource: an object whose resourceType is one of R4's."""
        if not isinstance(value, dict):
            self.add("structure", path, f"expected a resource (an object), found {json_type(value)}")
            return
        kind = value.get("resourceType")
        if type(kind) is not str or kind not in resource_types():
            self.issues.append(versions.wrong_resource_type(value, path))
            return
        path = path or kind
        visited = Visited(path, value, container, len(self.issues))
        self.resources.append(visited)
        if container is not None:
            container.contained.append(visited)
        self.object(value, definition(kind), path, depth, visited)
        visited.issues_after = len(self.issues)

    def object(self, value: Any, kind: Type, path: str, depth: int, owner: Visited) -> None:
        """An object of a known type: its elements, then the invariants of the type."""
        if not isinstance(value, dict):
            self.add("structure", path, f"expected {kind.name} (an object), found {json_type(value)}")
            return
        if depth > DEEPEST:
            self.add("too-long", path, f"nested deeper than {DEEPEST} levels")
            return
        if isinstance(value, Repeated):
            for name in value.names:
                self.add("duplicate", f"{path}.{named(name)}", "this property stands more than once in the object")
        if not kind.resource and not value.keys() - {"id"}:
            self.add("invariant", path, "ele-1: an element must have a value or children, not only an id")
        choices: dict[str, str] = {}
        for name, item in value.items():
            element = kind.elements.get(name)
            if element is None:
                self.underscored_or_unknown(name, value, kind, path, depth, owner, choices)
                continue
            if element.choice is not None:
                self.choose(element, choices, path)
            if element.many:
                self.many(item, element, value, kind, path, depth, owner)
            elif element.primitive:
                self.primitive(item, element, kind, f"{path}.{name}", owner)
            else:
                self.complex(item, element, kind, f"{path}.{name}", depth + 1, owner)
        for shown, accepted in kind.required:
            if not any(name in value for name in accepted):
                self.add("required", f"{path}.{shown}", "required element is missing (minimum 1)")
        for rule in RULES.get(kind.name, ()):
            self.issues.extend(rule(value, path))

    def underscored_or_unknown(
        self, name: str, value: dict[str, Any], kind: Type, path: str, depth: int, owner: Visited, choices: dict[str, str]
    ) -> None:
        """`_status` carries the id and extensions of the primitive `status`; every other name is unknown."""
        element = kind.elements.get(name[1:]) if name.startswith("_") else None
        if element is None or not element.primitive or element.name == "resourceType":
            self.issues.append(versions.unknown_element(name, value, kind, path))
            return
        if element.choice is not None:
            self.choose(element, choices, path)
        place, item = f"{path}.{name}", value[name]
        if not element.many:
            self.object(item, definition("Element"), place, depth + 1, owner)
        elif type(item) is not list or not item:
            self.add("structure", place, f"expected an array, found {_emptiness(item) or json_type(item)}")
        else:
            values = value.get(element.name)
            for i, part in enumerate(item):
                if part is not None:
                    self.object(part, definition("Element"), f"{place}[{i}]", depth + 2, owner)
                elif type(values) is not list or i >= len(values):
                    self.add("structure", f"{place}[{i}]", "null without a value at the same place of the array")

    def choose(self, element: Element, choices: dict[str, str], path: str) -> None:
        assert element.choice is not None
        first = choices.setdefault(element.choice, element.name)
        if first != element.name:
            text = f"only one {element.choice}[x] is allowed: {first} is there too"
            self.add("structure", f"{path}.{element.name}", text)

    def many(
        self, items: Any, element: Element, value: dict[str, Any], kind: Type, path: str, depth: int, owner: Visited
    ) -> None:
        """A repeating element is an array, never empty; null only where the `_` array has something."""
        place = f"{path}.{element.name}"
        if type(items) is not list:
            self.add("structure", place, f"expected an array, found {_emptiness(items) or json_type(items)}")
            return
        if not items:
            self.add("structure", place, "an empty array: leave the element out")
        for i, item in enumerate(items):
            if not element.primitive:
                self.complex(item, element, kind, f"{place}[{i}]", depth + 2, owner)
            elif item is not None:
                self.primitive(item, element, kind, f"{place}[{i}]", owner)
            else:
                siblings = value.get(f"_{element.name}")
                if type(siblings) is not list or i >= len(siblings) or siblings[i] is None:
                    self.add("structure", f"{place}[{i}]", "null without an extension at the same place")

    def primitive(self, item: Any, element: Element, kind: Type, place: str, owner: Visited) -> None:
        problem = CHECKS[element.kind](item)
        if problem is not None:
            hint = versions.shape_hint(item, kind.name, element.name)
            self.add("value" if item is not None else "structure", place, problem + hint)
        elif element.codes is not None:
            if item not in element.codes:
                text = f"{quoted(item)} is not in the required value set {element.value_set}"
                self.add("code-invalid", place, text)
        elif element.kind == "xhtml":
            self.issues.extend(narrative_problems(item, place))
        elif element.kind in ("canonical", "uri", "url") and item.startswith("#"):
            owner.links.append(Link(place, item, (), canonical=element.kind == "canonical"))

    def complex(self, item: Any, element: Element, kind: Type, place: str, depth: int, owner: Visited) -> None:
        if element.kind == "Resource":
            contained = element.name == "contained"
            if contained and owner.contained_in is not None:
                self.add("invariant", place, "dom-2: a contained resource must not contain another")
            self.resource(item, place, depth, owner if contained else None)
            return
        if not isinstance(item, dict):
            found = _emptiness(item) or json_type(item)
            hint = versions.shape_hint(item, kind.name, element.name)
            self.add("structure", place, f"expected {element.kind} (an object), found {found}{hint}")
            return
        self.object(item, definition(element.kind), place, depth, owner)
        if element.kind == "Reference" and type(target := item.get("reference")) is str:
            owner.links.append(Link(f"{place}.reference", target, element.targets))
            self.issues.extend(target_problem(target, element.targets, f"{place}.reference"))
        if element.systems and element.kind in ("CodeableConcept", "Coding"):
            self.issues.extend(_unbound(item, element, place))

    def add(self, code: str, location: str, text: str) -> None:
        self.issues.append(error(code, location, text))


def _emptiness(value: Any) -> str | None:
    return "an empty array: leave the element out" if value == [] and type(value) is list else None


def _unbound(item: dict[str, Any], element: Element, place: str) -> Iterator[Issue]:
    """terminologies.html#required: at least one coding is of the value set; an extension may say why not."""
    codings = item.get("coding") if element.kind == "CodeableConcept" else [item]
    codings = [c for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []
    if any(_is_in(coding, element) for coding in codings) or "extension" in item:
        return
    if any("_code" in c or "_system" in c or "extension" in c for c in codings):
        return
    yield error("code-invalid", place, f"no coding of the required value set {element.value_set}")


def _is_in(coding: dict[str, Any], element: Element) -> bool:
    system, code = coding.get("system"), coding.get("code")
    return type(system) is str and type(code) is str and code in element.systems.get(system, ())


