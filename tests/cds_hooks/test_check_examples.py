"""examples/checks: one request and response for each check of a drafted order, replayed byte for byte."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from charts import NOW, encoded
from check_requests import CASES, FOLDER, SITE
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task
from jsonschema import Draft202012Validator

from cds_hooks.decide import Decision, decide
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from cds_hooks.store.records import card_rows
from rules import load_knowledge

ROOT = Path(__file__).parents[2]
KNOWLEDGE = load_knowledge()
DECISION = UUID("5f0c1a52-93a5-4f0e-9c07-6d7a0b2e4c11")
SCHEMA = Draft202012Validator(
    json.loads((ROOT / "cds_hooks/schemas/response.strict.schema.json").read_text("utf-8"))
)
CHECKS = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "X1", "X2", "X3", "X4", "X5", "X6", "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "TC1", "TC2", "TC3", "SD1", "IT1", "CH1", "AL1"]
NOT_CHARTED = {"b7-down"}
"""Rows without a code to be charted with: tests/rules/test_draft_facts.py has them."""
MODELS = {m.__name__: m for m in (Condition, MedicationRequest, ServiceRequest, Task)}
RENEW = bool(os.environ.get("ICANS_RENEW_EXAMPLES"))


@cache
def decided(name: str) -> Decision:
    call = parse(encoded(CASES[name][1]()), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=DECISION, site=SITE)


def cards(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(msgspec.json.encode(decided(name).cards))
    return found


def actions(name: str) -> list[dict[str, Any]]:
    return [a for card in cards(name) for s in card.get("suggestions", []) for a in s["actions"]]


@pytest.mark.parametrize("name", CASES)
def test_the_stored_pair_is_what_the_service_answers(name: str) -> None:
    """Set ICANS_RENEW_EXAMPLES=1 to write new pairs; read the difference before you commit it."""
    title, request = CASES[name]
    path = FOLDER / f"{name}.json"
    pair = {
        "title": title,
        "row": name,
        "as_of": NOW.isoformat(),
        "decision_id": str(DECISION),
        "request": request(),
        "response": {"cards": cards(name)},
    }
    if RENEW:
        path.write_text(f"{json.dumps(pair, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["request"] == pair["request"]
    assert msgspec.json.encode(stored["response"]) == msgspec.json.encode(pair["response"])
    assert [e.message for e in SCHEMA.iter_errors(stored["response"])] == []


@pytest.mark.parametrize("name", CASES)
def test_every_card_of_a_drafted_order_is_stored_with_its_row(name: str) -> None:
    """A reviewer years later finds the row by the card: of its topic, and of a card for drafts the one it is as urgent as."""
    protocol = KNOWLEDGE.protocols[0]
    rows = {row.id: row for row in (*protocol.rows, *protocol.checks)}
    stored = {card["uuid"]: card["row"] for card in card_rows(decided(name))}
    for card in cards(name):
        row = rows[stored[card["uuid"]]]
        topic = protocol.topic(row.topic)
        assert topic.code == card["source"]["topic"]["code"]
        assert (row.indicator or "info") == card["indicator"] or (topic.kind == "choice" and row.indicator is not None)


@pytest.mark.parametrize("name", CASES)
def test_the_check_fires_and_its_card_says_so(name: str) -> None:
    (row,) = [r for r in KNOWLEDGE.protocols[0].checks if r.id == name]
    assert name in {check["row"] for check in decided(name).record["checks"]}
    topic = KNOWLEDGE.protocols[0].topic(row.topic)
    codes = {topic.code, (topic.joins or "").replace("-", "")}
    said = [c for c in cards(name) if c["source"]["topic"]["code"] in codes]
    assert len(said) == 1, "one card a topic"
    urgency = ["critical", "warning", "info"]
    assert urgency.index(said[0]["indicator"]) <= urgency.index(row.indicator or "info")
    assert row.do[0].split("{")[0].strip() in said[0]["detail"]


@pytest.mark.parametrize("name", CASES)
def test_every_suggestion_is_one_action_valid_for_r4(name: str) -> None:
    drafts = {
        f"{e['resource']['resourceType']}/{e['resource']['id']}"
        for e in CASES[name][1]()["context"]["draftOrders"]["entry"]
    }
    changed: list[str] = []
    for card in cards(name):
        offered = card.get("suggestions", [])
        assert ("selectionBehavior" in card) == bool(offered)
        if card.get("selectionBehavior") == "at-most-one":
            assert sum(s["isRecommended"] for s in offered) <= 1
        for suggestion in offered:
            (action,) = suggestion["actions"]
            if action["type"] == "delete":
                assert action["resourceId"] in drafts
                changed.append(action["resourceId"])
                continue
            resource = action["resource"]
            MODELS[resource["resourceType"]].model_validate(resource)
            if action["type"] == "update":
                changed.append(f"{resource['resourceType']}/{resource['id']}")
            else:
                assert resource.get("status", "draft") == "draft", "a Condition has none"
    assert len(changed) == len(set(changed)), "one change a record"


@pytest.mark.parametrize("name", CASES)
def test_every_card_is_fit_to_show(name: str) -> None:
    for card in cards(name):
        assert 0 < len(card["summary"]) < 140
        assert "{" not in card["summary"] + card["detail"], "every placeholder is filled"
        assert "<" not in card["detail"]
        assert all(link["url"].startswith("https://") and link["type"] == "absolute" for link in card.get("links", []))
        assert len(card["overrideReasons"]) >= 3
    topics = [c["source"]["topic"]["code"] for c in cards(name)]
    assert len(topics) == len(set(topics))


def test_every_check_has_an_example() -> None:
    rows = {row.id for row in KNOWLEDGE.protocols[0].checks}
    assert rows - NOT_CHARTED == set(CASES)
    assert {name.split("-")[0].upper() for name in CASES} >= set(CHECKS)
    assert {p.stem for p in FOLDER.glob("*.json")} == {*CASES, "site-codes"}


def test_the_table_of_the_readme_is_current() -> None:
    lines = [
        f"| {name.split('-')[0].upper()} | `{name}` | {title} | [checks/{name}.json](checks/{name}.json) |"
        for name, (title, _) in sorted(CASES.items(), key=_in_order)
    ]
    path = ROOT / "examples" / "README.md"
    text = path.read_text(encoding="utf-8")
    table = "\n".join(["| Check | Row | Chart | File |", "|---|---|---|---|", *lines])
    if RENEW:
        text = re.sub(r"(?s)\| Check \|.*?\n\n", f"{table}\n\n", text)
        path.write_text(text, encoding="utf-8")
    assert table in text


def _in_order(item: tuple[str, Any]) -> tuple[int, str]:
    check = item[0].split("-")[0].upper()
    return (CHECKS.index(check) if check in CHECKS else len(CHECKS), item[0])


CORRECTED = {
    "l1-ceiling": (1000, 12),
    "l1-ceiling-low": (500, 12),
    "l1-dialysis": (500, 24),
    "l1-dialysis-seizure": (500, 24),
    "l3-daily": (1500, 12),
    "l7-after-seizure": (1000, 12),
    "x2-single-3-4": (10, 6),
    "x2-single-2": (10, 12),
    "x2-daily-3-4": (10, 6),
    "x6-dose-3-4": (10, 6),
    "x6-interval-2": (10, 12),
}


@pytest.mark.parametrize("name", CORRECTED)
def test_a_correction_is_an_update_of_that_very_draft(name: str) -> None:
    (update,) = [a["resource"] for a in actions(name) if a["type"] == "update"]
    draft = CASES[name][1]()["context"]["draftOrders"]["entry"][0]["resource"]
    instruction = update["dosageInstruction"][0]
    dose = instruction["doseAndRate"][0]["doseQuantity"]["value"], instruction["timing"]["repeat"]["period"]
    assert dose == CORRECTED[name]
    kept = {key: value for key, value in draft.items() if key not in ("dosageInstruction", "medicationCodeableConcept")}
    assert kept.items() <= update.items(), "all else as it came"
    assert update["medicationCodeableConcept"]["coding"] == draft["medicationCodeableConcept"]["coding"]


@pytest.mark.parametrize("name", ["al1-allergy", "l6-allergy", "tc1-no-crs", "b1-grade-3-4", "x2-duplicate-drafted", "l2-duplicate-drafted"])
def test_a_draft_that_should_not_be_there_is_taken_out(name: str) -> None:
    removed = [a["resourceId"] for a in actions(name) if a["type"] == "delete"]
    assert len(removed) == 1
    drugs = [a["resource"]["medicationCodeableConcept"]["text"] for a in actions(name) if a["type"] == "create" and a["resource"]["resourceType"] == "MedicationRequest"]
    drafted = "levetiracetam" if name.startswith("l") else "dexamethasone" if name[0] in "ax" else "none"
    assert not any(drafted in drug for drug in drugs), "and is not suggested again"
