"""validate_resource: one JSON document through every layer, every problem with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir_mappers.validation.bundle_references import bundle_reference_problems
from fhir_mappers.validation.issues import Issue, operation_outcome, valid
from fhir_mappers.validation.parsing import parse
from fhir_mappers.validation.references import contained_problems
from fhir_mappers.validation.structure import model_problems
from fhir_mappers.validation.walking import Walk

Fitness = Callable[[Mapping[str, Any]], Iterable[Issue]]
"""Says what a resource or bundle is fit for. Its issues are information, whatever severity they claim."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one document."""

    issues: tuple[Issue, ...]

    @property
    def valid(self) -> bool:
        return valid(self.issues)

    def operation_outcome(self) -> dict[str, Any]:
        return operation_outcome(self.issues)


def validate_resource(
    data: bytes | Mapping[str, Any], *, fitness: Fitness | None = None, model: bool = True
) -> Outcome:
    """Validate one resource or bundle against plain FHIR R4 (4.0.1). Raises nothing.

    `fitness` adds information about what the resource can be used for; `model=False` leaves out the second
    opinion of fhir.resources.R4B."""
    if isinstance(data, bytes | bytearray | memoryview):
        parsed = parse(bytes(data))
        if parsed.issue is not None:
            return Outcome((parsed.issue,))
        value = parsed.value
    else:
        value = data
    issues = _layers(value, model)
    if fitness is not None and isinstance(value, Mapping):
        issues.extend(replace(issue, severity="information") for issue in fitness(value))
    return Outcome(tuple(issues))


def _layers(value: Any, model: bool) -> list[Issue]:
    walk = Walk()
    walk.resource(value, "")
    issues = list(walk.issues)
    for visited in walk.resources:
        if visited.contained_in is not None:
            continue
        found = list(contained_problems(visited))
        issues.extend(found)
        clean = valid(walk.issues[visited.issues_before : visited.issues_after]) and valid(found)
        if visited.resource["resourceType"] == "Bundle":
            inside = [v for v in walk.resources if v.path.startswith(f"{visited.path}.entry[")]
            issues.extend(bundle_reference_problems(visited, inside))
        if model and clean:
            issues.extend(model_problems(visited.resource, visited.path))
    return issues
