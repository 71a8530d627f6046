"""Silence has one meaning: everything needed was read and nothing asks for action."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from charts import (
    ICD10,
    ITEM,
    LOINC,
    NOW,
    UCUM,
    ago,
    concept,
    diagnosis,
    domain,
    encoded,
    hook,
    infusion,
    observation,
    order,
    patient,
    score,
)

from cds_hooks.decide import Decision, decide
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
ALL_CLEAR = [
    score("ice-score", 10),
    domain("consciousness", "loc-alert"),
    domain("seizure", "seizure-none"),
    domain("motor", "motor-none"),
    domain("raised-icp", "icp-none"),
]
KIDNEYS = [
    observation("creatinine", concept(LOINC, "2160-0"), {"valueQuantity": {"value": 0.9, "system": UCUM, "code": "mg/dL"}}),
    observation("weight", concept(LOINC, "29463-7"), {"valueQuantity": {"value": 70, "system": UCUM, "code": "kg"}}),
]
"""With these the drafted levetiracetam of hook() has nothing to be said of."""
MAN = patient(50, gender="male")


def decided(request: dict[str, Any]) -> Decision:
    call = parse(encoded(request), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=UUID(int=1))


def summaries(request: dict[str, Any]) -> list[str]:
    return [card["summary"] for card in decided(request).cards]


def test_a_patient_without_exposure_gets_no_card() -> None:
    assert summaries(hook(patient(50))) == []


def test_grade_0_with_everything_fresh_gets_no_card() -> None:
    assert summaries(hook(MAN, infusion(ago(days=3)), *ALL_CLEAR, *KIDNEYS)) == []


def test_a_score_that_could_not_be_used_breaks_the_silence() -> None:
    unreadable = observation("second", concept(ITEM, "ice-score"), {"valueString": "8/10"}, ago(minutes=10))
    (said,) = summaries(hook(MAN, infusion(ago(days=3)), *ALL_CLEAR, *KIDNEYS, unreadable))
    assert "could not be fully evaluated" in said


def test_an_icans_diagnosis_without_a_date_breaks_the_silence() -> None:
    (said,) = summaries(hook(patient(50), diagnosis(ICD10, "G92.02")))
    assert "could not be fully evaluated" in said


def test_an_icans_record_without_a_product_asks_for_the_product() -> None:
    decision = decided(hook(patient(50), score("ice-score", 5)))
    assert decision.record["presumed"] is True
    assert decision.record["applicable"] is True
    text = " ".join(card["summary"] for card in decision.cards)
    assert "no immune effector therapy on record: add the exposure" in text
    actions = [s["actions"][0] for card in decision.cards for s in card.get("suggestions", [])]
    assert {a["type"] for a in actions} == {"create"}, "no hold (D5)"
    assert not any(a["resource"]["resourceType"] == "MedicationRequest" for a in actions), "no drug (D5)"


def test_none_on_record_is_never_an_all_clear_for_an_engager_draft() -> None:
    empty = hook(drafts=[order("1597258", "draft")])
    empty["prefetch"] = dict.fromkeys(empty["prefetch"])
    said, order_card = summaries(empty)
    assert "No baseline ICE or CAPD on record" in said
    assert "no corticosteroid premedication found" in order_card


def test_missing_optional_data_is_said_on_the_card() -> None:
    request = hook(patient(50), infusion(ago(days=3)), score("ice-score", 2), leave_out=("medications", "allergies"))
    lead = decided(request).cards[0]
    assert "Not provided by the EHR: allergies, medications." in lead["detail"]


def test_the_deceased_get_no_card() -> None:
    gone = patient(50, deceasedBoolean=True)
    assert summaries(hook(gone, infusion(ago(days=3)), score("ice-score", 2))) == []
