"""The walk over the raw JSON, led by the element definitions: json.html of FHIR R4 4.0.1, element by element.

Found here: unknown, missing, empty and repeated elements, wrong JSON types, broken primitive values, wrong
cardinality, two value[x], codes outside a required binding, resource types at every level, depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhir_mappers.validation import versions
from fhir_mappers.validation.bindings import unbound
from fhir_mappers.validation.definitions import Element, Type, definition, resource_types
from fhir_mappers.validation.invariants import RULES
from fhir_mappers.validation.issues import Issue, error, named, quoted
from fhir_mappers.validation.narrative import narrative_problems
from fhir_mappers.validation.parsing import Repeated
from fhir_mappers.validation.primitives import json_type
from fhir_mappers.validation.references import Link, target_problem

DEEPEST = 64
_EMPTY_ARRAY = "an empty array: leave the element out"


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


@dataclass(slots=True)
class _Here:
    """The object being looked at."""

    value: dict[str, Any]
    kind: Type
    path: str
    depth: int
    owner: Visited
    choices: dict[str, str]


class Walk:
    """One pass over one document. `issues` and `resources` are its result."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.resources: list[Visited] = []

    def resource(self, value: Any, path: str, depth: int = 1, container: Visited | None = None) -> None:
        """A resource: an object whose resourceType is one of R4's."""
        if not isinstance(value, dict):
            self.add("structure", path, f"expected a resource (an object), found {_shown(value)}")
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
            self.add("structure", path, f"expected {kind.name} (an object), found {_shown(value)}")
            return
        if depth > DEEPEST:
            self.add("too-long", path, f"nested deeper than {DEEPEST} levels")
            return
        if isinstance(value, Repeated):
            for name in value.names:
                self.add("duplicate", f"{path}.{named(name)}", "this property stands more than once here")
        if len(value) < 2 and not kind.resource and (not value or "id" in value):
            self.add("invariant", path, "ele-1: an element must have a value or children, not only an id")
        here = _Here(value, kind, path, depth, owner, {})
        elements = kind.elements
        for name, item in value.items():
            element = elements.get(name)
            if element is None:
                self.underscored_or_unknown(name, item, here)
                continue
            if element.choice is not None:
                self.choose(element.choice, name, here)
            if element.many:
                self.many(item, element, here)
            elif not element.primitive:
                self.complex(item, element, f"{path}.{name}", depth + 1, here)
            elif not element.free or element.check(item) is not None:
                self.primitive(item, element, f"{path}.{name}", here)
        for shown, accepted in kind.required:
            if accepted[0] not in value and not any(name in value for name in accepted):
                self.add("required", f"{path}.{shown}", "required element is missing (minimum 1)")
        for rule in RULES.get(kind.name, ()):
            self.issues.extend(rule(value, path))

    def underscored_or_unknown(self, name: str, item: Any, here: _Here) -> None:
        """`_status` carries the id and extensions of the primitive `status`; every other name is unknown."""
        element = here.kind.elements.get(name[1:]) if name.startswith("_") else None
        if element is None or not element.primitive or element.name == "resourceType":
            self.issues.append(versions.unknown_element(name, here.kind, here.path))
            return
        if element.choice is not None:
            self.choose(element.choice, element.name, here)
        place = f"{here.path}.{name}"
        if not element.many:
            self.object(item, definition("Element"), place, here.depth + 1, here.owner)
        elif type(item) is not list or not item:
            self.add("structure", place, f"expected an array, found {_shown(item)}")
        else:
            values = here.value.get(element.name)
            for i, part in enumerate(item):
                if part is not None:
                    self.object(part, definition("Element"), f"{place}[{i}]", here.depth + 2, here.owner)
                elif type(values) is not list or i >= len(values):
                    self.add("structure", f"{place}[{i}]", "null without a value at the same place")

    def choose(self, choice: str, name: str, here: _Here) -> None:
        """One value[x] only."""
        first = here.choices.setdefault(choice, name)
        if first != name:
            self.add(
                "structure", f"{here.path}.{name}", f"only one {choice}[x] is allowed: {first} is there too"
            )

    def many(self, items: Any, element: Element, here: _Here) -> None:
        """A repeating element is an array, never empty; null only where the `_` array has something."""
        place = f"{here.path}.{element.name}"
        if type(items) is not list:
            hint = versions.shape_hint(items, here.kind.name, element.name)
            self.add("structure", place, f"expected an array, found {_shown(items)}{hint}")
            return
        if not items:
            self.add("structure", place, _EMPTY_ARRAY)
        for i, item in enumerate(items):
            if not element.primitive:
                self.complex(item, element, f"{place}[{i}]", here.depth + 2, here)
            elif item is not None:
                self.primitive(item, element, f"{place}[{i}]", here)
            else:
                siblings = here.value.get(f"_{element.name}")
                if type(siblings) is not list or i >= len(siblings) or siblings[i] is None:
                    self.add("structure", f"{place}[{i}]", "null without an extension at the same place")

    def primitive(self, item: Any, element: Element, place: str, here: _Here) -> None:
        """A primitive value: its JSON type and pattern, then its code list, narrative or fragment."""
        problem = element.check(item)
        if problem is not None:
            hint = versions.shape_hint(item, here.kind.name, element.name)
            self.add("structure" if item is None else "value", place, problem + hint)
        elif element.codes is not None:
            if item not in element.codes:
                text = f"{quoted(item)} is not in the required value set {element.value_set}"
                self.add("code-invalid", place, text)
        elif element.kind == "xhtml":
            self.issues.extend(narrative_problems(item, place))
        elif element.kind in ("canonical", "uri", "url") and item.startswith("#"):
            here.owner.links.append(Link(place, item, (), canonical=element.kind == "canonical"))

    def complex(self, item: Any, element: Element, place: str, depth: int, here: _Here) -> None:
        """A data type, backbone element or nested resource."""
        owner = here.owner
        if element.kind == "Resource":
            contained = element.name == "contained"
            if contained and owner.contained_in is not None:
                self.add("invariant", place, "dom-2: a contained resource must not contain another")
            self.resource(item, place, depth, owner if contained else None)
            return
        if not isinstance(item, dict):
            hint = versions.shape_hint(item, here.kind.name, element.name)
            self.add("structure", place, f"expected {element.kind} (an object), found {_shown(item)}{hint}")
            return
        self.object(item, definition(element.kind), place, depth, owner)
        problem = None
        if element.kind == "Reference" and type(target := item.get("reference")) is str:
            owner.links.append(Link(f"{place}.reference", target, element.targets))
            problem = target_problem(target, element.targets, f"{place}.reference")
        elif element.systems:
            problem = unbound(item, element, place)
        if problem is not None:
            self.issues.append(problem)

    def add(self, code: str, location: str, text: str) -> None:
        self.issues.append(error(code, location, text))


def _shown(value: Any) -> str:
    return _EMPTY_ARRAY if type(value) is list and not value else json_type(value)
