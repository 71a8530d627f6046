"""Data types that fhir.resources.R4B has already accepted, so that it reads each distinct value once.

Bulk data repeats its codings, units and references: with this, R4B costs half on Synthea bundles. A model takes a
ready instance of a data type as it stands; equal content gives an equal verdict."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from fhir_mappers.validation.definitions import definition

MOST_KEPT = 2048
_KIND_NAMES = """
    Address Annotation CodeableConcept Coding ContactPoint Extension HumanName Identifier Meta Narrative
    Period Quantity Range Reference
"""
_KINDS = frozenset(_KIND_NAMES.split())
_accepted: dict[Hashable, Any] = {}


def with_known_parts(value: dict[str, Any], kind: str) -> dict[str, Any]:
    """A copy of a well-formed object in which the data types are R4B instances. Raises what R4B raises."""
    elements = definition(kind).elements
    copy = {}
    for name, item in value.items():
        element = elements.get(name)
        if element is not None and not element.primitive and element.kind != "Resource":
            item = [_part(i, element.kind) for i in item] if element.many else _part(item, element.kind)
        copy[name] = item
    return copy


def _part(item: dict[str, Any], kind: str) -> Any:
    if kind not in _KINDS:
        return with_known_parts(item, kind) if "." in kind else item
    key = (kind, _key(item))
    known = _accepted.get(key)
    if known is None:
        known = get_fhir_model_class(kind)(**item)
        if len(_accepted) >= MOST_KEPT:
            _accepted.clear()
        _accepted[key] = known
    return known


def _key(value: dict[str, Any] | list[Any]) -> Hashable:
    if isinstance(value, dict):
        return tuple([(k, _key(v) if isinstance(v, dict | list) else v) for k, v in value.items()])
    return tuple([_key(v) if isinstance(v, dict | list) else v for v in value])
