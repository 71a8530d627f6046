"""The terminology we publish as FHIR: our code systems, and a ValueSet for each concept the mappers know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from fhir_mappers.codes import VALUE_SETS
from fhir_mappers.concept_maps import CONCEPTS, meanings

BASE = "http://fhir.org/guides/icans-cds"
COMPUTED = {
    "resourceType": "CodeSystem",
    "id": "icans-computed",
    "url": f"{BASE}/CodeSystem/icans-computed",
    "version": "1.0.0",
    "name": "IcansComputed",
    "title": "What the service computes",
    "status": "active",
    "experimental": False,
    "description": "Codes of results that the service computes; never of what a clinician charted.",
    "caseSensitive": True,
    "content": "complete",
    "concept": [
        {
            "code": "icans-grade-computed",
            "display": "ICANS grade, computed",
            "definition": "Grade computed from the chart by a published table: an integer when final, a range when not.",
        }
    ],
}


@lru_cache(maxsize=1)
def published() -> Mapping[str, Mapping[str, dict[str, Any]]]:
    """Every resource we publish, by type and id."""
    folder = files("fhir_mappers") / "terminology"
    systems = [*json.loads((folder / "codesystems.json").read_bytes()), COMPUTED, _concepts()]
    value_sets = [
        _value_set(kind, concept)
        for kind in VALUE_SETS
        for concept in json.loads((folder / f"{kind}.json").read_bytes())["concepts"]
    ]
    return {
        "CodeSystem": {system["id"]: system for system in systems},
        "ValueSet": {found["id"]: found for found in value_sets if "compose" in found},
    }


def _concepts() -> dict[str, Any]:
    """Every concept the mappers read, for a site map's targets."""
    return {
        "resourceType": "CodeSystem",
        "id": "icans-concept",
        "url": CONCEPTS,
        "version": "1.0.0",
        "name": "IcansConcept",
        "title": "Concepts that the mappers read",
        "status": "active",
        "experimental": False,
        "description": "Targets of a site's ConceptMaps where no code system has a verified code.",
        "caseSensitive": True,
        "content": "complete",
        "concept": [{"code": one.code, "display": one.concept.replace("-", " ")} for one in meanings()],
    }


def _value_set(kind: str, concept: Mapping[str, Any]) -> dict[str, Any]:
    """The active codes of one concept; without an active code there is no compose, and no ValueSet."""
    question = concept.get("question")
    name = "-".join(part for part in (kind, question, concept["concept"]) if part)[:64]
    by_system: dict[str, list[dict[str, str]]] = {}
    for code in concept["codes"]:
        if code["active"]:
            by_system.setdefault(code["system"], []).append({"code": code["code"], "display": code["display"]})
    found: dict[str, Any] = {
        "resourceType": "ValueSet",
        "id": name,
        "url": f"{BASE}/ValueSet/{name}",
        "version": "1.0.0",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "title": concept["display"],
        "status": "active",
        "experimental": False,
    }
    if by_system:
        found["compose"] = {"include": [{"system": s, "concept": codes} for s, codes in by_system.items()]}
    return found
