"""Silence has one meaning: everything needed was read and nothing asks for action."""

from __future__ import annotations

from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest
from charts import (
    ICD10,
    ITEM,
    LOINC,
    NOW,
    RXNORM,
    UCUM,
    ago,
    concept,
    diagnosis,
    domain,
    dose,
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
from cds_hooks.refusal import Refusal
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
    call = parse(encoded(request), request["hook"])
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


CLEAR = hook(MAN, infusion(ago(days=3)), *ALL_CLEAR, *KIDNEYS)
SAID = "ICANS could not be fully evaluated: records of this patient could not be used"
BAG = CLEAR["prefetch"]["administrations"]["entry"][0]["resource"]


def bag(**changes: Any) -> dict[str, Any]:
    """The chart with another bag; no other record tells of an exposure, and nothing of ICANS."""
    request = hook(MAN)
    changed = {name: value for name, value in {**BAG, **changes}.items() if value is not None}
    request["prefetch"]["administrations"]["entry"] = [{"resource": changed}]
    return request


def viewing(request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "hook": "patient-view", "context": {"userId": "Practitioner/u", "patientId": request["context"]["patientId"]}}


@pytest.mark.parametrize("sent", [
    {}, {"error": "forbidden"}, [1], {"resourceType": "Bundle", "entry": ["x"]}, {"resourceType": "Bundle", "entry": [{}]},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "forbidden"}]},
    {"resourceType": "Bundle", "type": "searchset", "total": 14},
    {"resourceType": "Bundle", "type": "batch-response", "entry": [{"response": {"status": "403 Forbidden"}}]},
], ids=str)  # fmt: skip
def test_what_is_no_answer_to_a_required_key_is_not_taken_for_none(sent: Any) -> None:
    request = deepcopy(CLEAR)
    request["prefetch"]["administrations"] = sent
    with pytest.raises(Refusal) as refusal:
        decided(request)
    assert refusal.value.status == 412
    assert "administrations could not be read" in str(refusal.value.outcome())


@pytest.mark.parametrize("sent", [
    None, [], {"resourceType": "Bundle"}, {"resourceType": "Bundle", "type": "searchset", "total": 0, "entry": []},
    {"resourceType": "Bundle", "type": "batch-response", "entry": [{"response": {"status": "404"}}]},
], ids=str)  # fmt: skip
def test_none_is_an_answer(sent: Any) -> None:
    request = hook(MAN)
    request["prefetch"]["administrations"] = sent
    assert summaries(request) == summaries(viewing(request)) == []


@pytest.mark.parametrize("key", ["administrations", "observations"])
def test_a_part_of_the_required_data_is_not_all_of_it(key: str) -> None:
    for more in ({"link": [{"relation": "next", "url": "https://ehr.example.org/2"}]}, {"entry": [{"response": {"status": "500"}}]}):
        request = hook(MAN, *KIDNEYS, dose("161", ago(hours=1)))
        request["prefetch"][key] = {**request["prefetch"][key], **more, "entry": [*request["prefetch"][key]["entry"], *more.get("entry", [])]}
        assert summaries(request) == summaries(viewing(request)) == [SAID]
        assert f"Not provided by the EHR: {key}." in decided(request).cards[0]["detail"]


@pytest.mark.parametrize("changes", [
    {"effectivePeriod": {"start": "2026-11-19T08:00:00"}}, {"effectivePeriod": None}, {"status": "unknown"}, {"subject": None},
    {"subject": {"reference": "Patient/other"}}, {"modifierExtension": [{"url": "https://x.example.org", "valueBoolean": True}]},
    {"id": "x" * 600}, {"medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": 1597258}]}}, {"effectivePeriod": {"start": "0001-01-01"}},
], ids=str)  # fmt: skip
def test_a_product_that_cannot_be_used_breaks_the_silence(changes: dict[str, Any]) -> None:
    assert summaries(bag(**changes)) == summaries(viewing(bag(**changes))) == [SAID]


def test_records_of_another_patient_break_the_silence() -> None:
    request = deepcopy(CLEAR)
    request["context"]["patientId"] = "MRN-7"
    assert summaries(request) == summaries(viewing(request)) == [SAID]


def test_a_score_that_could_not_be_used_is_said_when_the_chart_is_opened() -> None:
    unreadable = observation("second", concept(ITEM, "ice-score"), {"valueString": "8/10"}, ago(minutes=10))
    assert summaries(viewing(hook(MAN, infusion(ago(days=3)), *ALL_CLEAR, *KIDNEYS, unreadable))) == [SAID]
    assert summaries(viewing(CLEAR)) == []


@pytest.mark.parametrize("entry", [order("1597258", "draft"), {"resource": {**order("1597258", "draft"), "id": 5}}, {}, "x"], ids=str)
def test_a_draft_that_cannot_be_read_breaks_the_silence(entry: Any) -> None:
    request = hook(MAN)
    request["context"]["draftOrders"]["entry"] = [entry]
    assert summaries(request) == [SAID]


@pytest.mark.parametrize("sent", ["draft", "MedicationRequest/draft", "https://ehr.example.org/fhir/MedicationRequest/draft/_history/2", "MedicationRequest/unknown"])
def test_a_selection_is_found_however_it_is_written(sent: str) -> None:
    """One that names no draft never switches the checks off."""
    request = hook(patient(50), infusion(ago(days=3)), *ALL_CLEAR, drafts=[order("612865", "draft", "draft", 900)])
    request |= {"hook": "order-select"}
    request["context"]["selections"] = [sent]
    assert any("Tocilizumab" in said for said in summaries(request))
