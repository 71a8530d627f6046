"""order-select advises on the selected drafts; patient-view has one status card, or nothing to say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from charts import NOW, ago, domain, encoded, hook, infusion, order, patient, score

from cds_hooks.decide import Decision, decide
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
RUNNING = (patient(50), infusion(ago(days=3)))


def decided(request: dict[str, Any]) -> Decision:
    call = parse(encoded(request), request["hook"])
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=UUID(int=7))


def selecting(*selections: str, resources: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    drafts = [order("1597258", "draft", "engager"), order("6470", "draft", "other")]
    request = hook(*resources, drafts=drafts)
    request["hook"] = "order-select"
    request["context"]["selections"] = list(selections)
    return request


def viewing(*resources: dict[str, Any]) -> list[dict[str, Any]]:
    request = hook(*resources)
    request["hook"] = "patient-view"
    del request["context"]["draftOrders"]
    return decided(request).cards


def test_a_selected_engager_asks_for_a_baseline() -> None:
    card, order_card = decided(selecting("MedicationRequest/engager", resources=(patient(50),))).cards
    assert "No baseline" in card["summary"]
    assert order_card["source"]["topic"]["code"] == "blinatumomaborder"


def test_a_draft_that_is_not_selected_is_context_only() -> None:
    assert decided(selecting("MedicationRequest/other", resources=(patient(50),))).cards == []


def test_the_view_of_a_patient_without_risk_is_silent() -> None:
    assert viewing(patient(50)) == []


def test_the_view_at_grade_0_with_everything_current_is_silent() -> None:
    clear = [domain("consciousness", "loc-alert"), domain("seizure", "seizure-none")]
    clear += [domain("motor", "motor-none"), domain("raised-icp", "icp-none")]
    assert viewing(*RUNNING, score("ice-score", 10), *clear) == []


def test_the_view_shows_grade_and_what_is_due() -> None:
    (card,) = viewing(*RUNNING, score("ice-score", 5), domain("consciousness", "loc-alert"))
    assert card["summary"] == "ICANS at least grade 2 (ICE 5), grade 3 or 4 not excluded; assessment due in 3 h"
    assert card["indicator"] == "warning"
    assert "suggestions" not in card
    assert "not a monitor" in card["detail"]


def test_the_view_says_what_is_overdue() -> None:
    (card,) = viewing(*RUNNING, score("ice-score", 2, ago(hours=6)), domain("consciousness", "loc-alert", ago(hours=6)))
    assert card["indicator"] == "critical"
    assert "overdue" in card["summary"]


def test_the_view_asks_for_the_exposure() -> None:
    (card,) = viewing(patient(50), score("ice-score", 9))
    assert "add the exposure" in card["summary"]
