"""Every single-element deletion, type swap and null: a finding, an issue, or nothing; never an exception."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from charts import (
    ITEM,
    NOW,
    RXNORM,
    ago,
    bundle,
    concept,
    diagnosis,
    domain,
    dose,
    encoded,
    infusion,
    observation,
    order,
    patient,
    score,
)

from cds_hooks.evaluating import decided
from cds_hooks.refusal import Refusal
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
CHART = [
    patient(50, gender="male"),
    infusion(ago(days=3)),
    {**score("ice-score", 5), "meta": {"lastUpdated": ago(minutes=50)}, "issued": ago(minutes=55)},
    domain("consciousness", "loc-awakens-to-voice"),
    domain("seizure", "seizure-none"),
    domain("motor", "motor-none"),
    domain("raised-icp", "icp-none"),
]
OTHERS = [
    observation("temp", concept("http://loinc.org", "8310-5"), {"valueQuantity": {"value": 38.4, "unit": "Cel", "code": "Cel", "system": "http://unitsofmeasure.org"}}),
    observation("gcs", concept("http://loinc.org", "9269-2"), {"component": [{"code": concept("http://loinc.org", "9267-6"), "valueInteger": 4}]}),
    dose("3264", ago(hours=20), mg=10),
    order("114477", mg=500, every=12),
    diagnosis("http://hl7.org/fhir/sid/icd-10-cm", "G40.909", onsetDateTime="2020-01-01"),
    {"resourceType": "AllergyIntolerance", "id": "a", "code": concept(RXNORM, "40254"), "patient": {"reference": "Patient/p"}},
    {"resourceType": "Procedure", "id": "pr", "status": "completed", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}, "performedDateTime": ago(days=1)},
    {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": "IMP"}, "subject": {"reference": "Patient/p"}},
    {
        "resourceType": "QuestionnaireResponse", "id": "q", "status": "completed", "authored": ago(hours=30), "subject": {"reference": "Patient/p"},
        "questionnaire": "http://fhir.org/guides/icans-cds/Questionnaire/ice", "item": [{"linkId": "attention", "answer": [{"valueBoolean": True}]}],
    },
]
SWAPS: tuple[Any, ...] = (None, "", "x", 7, -1, 1e308, True, [], {}, [None], {"x": 1}, [[{}]])
BASE = decided(encoded(bundle(*CHART, *OTHERS)), NOW, KNOWLEDGE).record["grading"]


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, (*at, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from paths(child, (*at, index))


def changed(resource: dict[str, Any], at: tuple[Any, ...], value: Any, delete: bool) -> dict[str, Any]:
    found = copy.deepcopy(resource)
    holder: Any = found
    for step in at[:-1]:
        holder = holder[step]
    if delete:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return found


def mutations(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for at in paths(resource):
        yield changed(resource, at, None, delete=True)
        for value in SWAPS:
            yield changed(resource, at, value, delete=False)


def grading_with(resource: dict[str, Any], place: int) -> dict[str, Any]:
    every = [*CHART, *OTHERS]
    every[place] = resource
    found: dict[str, Any] = decided(json.dumps(bundle(*every), allow_nan=False).encode(), NOW, KNOWLEDGE).record["grading"]
    return found


def test_the_base_is_a_whole_grade() -> None:
    assert (BASE["at_least"], BASE["at_most"], BASE["unassessed"]) == (2, 2, [])


@pytest.mark.parametrize("place", range(2, len(CHART)), ids=lambda n: CHART[n]["id"])
def test_a_broken_finding_never_lowers_the_top(place: int) -> None:
    count = 0
    for mutated in mutations(CHART[place]):
        found = grading_with(mutated, place)
        assert found["at_most"] >= BASE["at_most"], mutated
        count += 1
    assert count > 150


def test_no_broken_record_of_another_kind_lowers_either_end() -> None:
    for offset, resource in enumerate(OTHERS):
        for number, mutated in enumerate(mutations(resource)):
            if number % 3 == offset % 3:
                found = grading_with(mutated, len(CHART) + offset)
                assert (found["at_least"] or 0, found["at_most"]) >= (BASE["at_least"], BASE["at_most"]), mutated


@pytest.mark.long
def test_every_broken_record_of_every_kind() -> None:
    for place, resource in enumerate([*CHART, *OTHERS]):
        for mutated in mutations(resource):
            if place == 0:
                every = [mutated, *CHART[1:], *OTHERS]
                try:
                    decided(json.dumps(bundle(*every)).encode(), NOW, KNOWLEDGE)
                except Refusal:
                    continue
            else:
                grading_with(mutated, place)


def test_the_exposure_may_be_lost_and_is_then_said() -> None:
    for mutated in mutations(CHART[1]):
        found = decided(json.dumps(bundle(*CHART[:1], mutated, *CHART[2:])).encode(), NOW, KNOWLEDGE)
        assert found.cards, mutated
    assert ITEM
