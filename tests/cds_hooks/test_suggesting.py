"""What is never suggested: the wrong record, the wrong way in, a drug on the allergy list, the end of a stop."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from charts import (
    ICD10,
    NOW,
    RXNORM,
    SNOMED,
    ago,
    concept,
    diagnosis,
    domain,
    encoded,
    hook,
    infusion,
    order,
    patient,
    score,
)
from check_requests import DEXAMETHASONE, allergic

from cds_hooks.decide import decide
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
GRADE_3 = (patient(50), infusion(ago(days=3)), score("ice-score", 2), domain("consciousness", "loc-alert"))
BLINATUMOMAB = "1597258"


def suggestions(request: dict[str, Any]) -> list[dict[str, Any]]:
    call = parse(encoded(request), "order-sign")
    decision = decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=UUID(int=1))
    return [one for card in decision.cards for one in card.get("suggestions", [])]


def actions(request: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [action for one in suggestions(request) for action in one["actions"] if action["type"] == kind]


@pytest.mark.parametrize("status", ["stopped", "on-hold", "cancelled", "completed"])
def test_a_stop_that_is_being_signed_is_not_taken_out(status: str) -> None:
    assert actions(hook(*GRADE_3, drafts=[order(BLINATUMOMAB, "draft", "d")]), "delete")
    assert not actions(hook(*GRADE_3, drafts=[order(BLINATUMOMAB, status, "d")]), "delete")


def test_a_stop_alone_asks_for_no_assessment_before_a_start() -> None:
    assert suggestions(hook(patient(50), drafts=[order(BLINATUMOMAB, "stopped", "d")])) == []


def test_an_id_that_stands_for_two_contents_is_not_pointed_to() -> None:
    """The correction of one drug went onto the record of the other."""
    wrong = order(DEXAMETHASONE, "draft", "twice", 40, 6)
    assert actions(hook(*GRADE_3, drafts=[wrong]), "update")
    assert not actions(hook(*GRADE_3, drafts=[wrong, order("161", "draft", "twice")]), "update")
    known = [order(BLINATUMOMAB, "active", "b"), order("161", "active", "b")]
    assert actions(hook(*GRADE_3, known[0]), "update")
    for pair in (known, known[::-1]):
        assert not actions(hook(*GRADE_3, *pair), "update")


def test_no_draft_names_the_encounter_of_another_patient() -> None:
    for subject, expected in (("Patient/p", {"reference": "Encounter/e"}), ("Patient/other", None)):
        request = hook(*GRADE_3)
        request["context"]["encounterId"] = "e"
        request["prefetch"]["encounter"] = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": "IMP"}, "subject": {"reference": subject}}
        made = [a["resource"] for a in actions(request, "create") if a["resource"]["resourceType"] == "MedicationRequest"]
        assert made
        assert {str(one.get("encounter")) for one in made} == {str(expected)}


def test_a_drug_on_the_allergy_list_is_not_offered() -> None:
    chart = (*GRADE_3[:2], domain("consciousness", "loc-unarousable"), score("ice-score", "ice-unable-unarousable"))
    assert any("Methylprednisolone" in one["label"] for one in suggestions(hook(*chart)))
    assert not any("Methylprednisolone" in one["label"] for one in suggestions(hook(*chart, allergic("6902"))))


@pytest.mark.parametrize(("route", "expected"), [("26643006", 0), ("47625008", 1)])
def test_no_correction_by_mouth_where_swallowing_is_not_safe(route: str, expected: int) -> None:
    wrong = order(DEXAMETHASONE, "draft", "d", 60, 6)
    wrong["dosageInstruction"][0]["route"] = {"coding": [{"system": SNOMED, "code": route}]}
    assert len(actions(hook(*GRADE_3, drafts=[wrong]), "update")) == expected


@pytest.mark.parametrize("at", ["0001-01-01", "0001-01-01T00:00:00Z", "1899-12-31T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59Z"])
def test_a_time_that_means_not_set_is_no_fault_of_ours(at: str) -> None:
    """It ended in an OverflowError: a 500, and no advice for a patient who needed it."""
    before = suggestions(hook(*GRADE_3))
    odd = [
        {**order("161", "active", "o"), "authoredOn": at},
        {**diagnosis(ICD10, "E11.9"), "onsetDateTime": at},
        {**infusion(ago(days=1), identity="odd"), "effectivePeriod": {"start": at}},
        {**infusion(ago(days=1), identity="other", code="161"), "effectivePeriod": {"start": ago(days=1), "end": at}},
        {**score("ice-score", 9), "id": "odd", "effectiveDateTime": at},
        {"resourceType": "MedicationRequest", "id": "x", "status": "active", "intent": "order", "subject": {"reference": "Patient/other"},
         "medicationCodeableConcept": concept(RXNORM, DEXAMETHASONE), "authoredOn": at},
    ]  # fmt: skip
    assert [one["label"] for one in suggestions(hook(*GRADE_3, *odd))] == [one["label"] for one in before]


@pytest.mark.parametrize("period", [1e308, 1e30, -1e30])
def test_an_interval_that_is_none_is_not_known(period: float) -> None:
    draft = order(DEXAMETHASONE, "draft", "d", 10, 6)
    draft["dosageInstruction"][0]["timing"]["repeat"]["period"] = period
    assert suggestions(hook(*GRADE_3, drafts=[draft])) is not None
