"""Silence has one meaning: everything needed was read and nothing asks for action."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from charts import (
    ICD10,
    ITEM,
    NOW,
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


def decided(request: dict[str, Any]) -> Decision:
    call = parse(encoded(request), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=UUID(int=1))


def summaries(request: dict[str, Any]) -> list[str]:
    return [card["summary"] for card in decided(request).cards]


def test_a_patient_without_exposure_gets_no_card() -> None:
    assert summaries(hook(patient(50))) == []


def test_grade_0_with_everything_fresh_gets_no_card() -> None:
    assert summaries(hook(patient(50), infusion(ago(days=3)), *ALL_CLEAR)) == []


def test_a_score_that_could_not_be_used_breaks_the_silence() -> None:
    unreadable = observation("second", concept(ITEM, "ice-score"), {"valueString": "8/10"}, ago(minutes=10))
    (said,) = summaries(hook(patient(50), infusion(ago(days=3)), *ALL_CLEAR, unreadable))
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
    assert not any("suggestions" in card for card in decision.cards), "no hold or drug (D5)"


def test_none_on_record_is_never_an_all_clear_for_an_engager_draft() -> None:
    empty = hook(drafts=[order("1597258", "draft")])
    empty["prefetch"] = dict.fromkeys(empty["prefetch"])
    (said,) = summaries(empty)
    assert "No baseline ICE or CAPD on record" in said


def test_missing_optional_data_is_said_on_the_card() -> None:
    request = hook(patient(50), infusion(ago(days=3)), score("ice-score", 2), leave_out=("medications", "allergies"))
    lead = decided(request).cards[0]
    assert "Not provided by the EHR: allergies, medications." in lead["detail"]


def test_the_deceased_get_no_card() -> None:
    gone = patient(50, deceasedBoolean=True)
    assert summaries(hook(gone, infusion(ago(days=3)), score("ice-score", 2))) == []
