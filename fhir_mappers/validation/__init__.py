"""Validation against plain FHIR R4 (4.0.1): the raw JSON by the element table, the invariants, then R4B's models."""

from fhir_mappers.validation.files import FileOutcome, validate_file
from fhir_mappers.validation.issues import Issue, operation_outcome
from fhir_mappers.validation.validating import Fitness, Outcome, validate_resource

__all__ = [
    "FileOutcome",
    "Fitness",
    "Issue",
    "Outcome",
    "operation_outcome",
    "validate_file",
    "validate_resource",
]
