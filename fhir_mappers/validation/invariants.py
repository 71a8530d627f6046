"""All invariants by type name. Importing the three books fills RULES."""

from __future__ import annotations

from fhir_mappers.validation import (
    invariants_bundle,
    invariants_clinical,
    invariants_other,
    invariants_types,
)
from fhir_mappers.validation.rule_book import RULES

BOOKS = (invariants_types, invariants_clinical, invariants_other, invariants_bundle)

__all__ = ["BOOKS", "RULES"]
