"""The published cases: replayed byte for byte, and what each of them has to say."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jsonschema import Draft202012Validator

from cds_hooks import examples
from cds_hooks.decide import Decision, decide
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "cds_hooks/schemas/response.strict.schema.json").read_text("utf-8"))
)


def decided(request: dict[str, Any], as_of: datetime, decision_id: str) -> Decision:
    call = parse(json.dumps(request).encode(), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=as_of, decision_id=UUID(decision_id))


def cards(name: str) -> list[dict[str, Any]]:
    found = examples.example(name)
    return decided(found["request"], datetime.fromisoformat(found["as_of"]), found["decision_id"]).cards


def suggestions(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [s for card in found for s in card.get("suggestions", [])]


def drug(suggestion: dict[str, Any]) -> str:
    resource = suggestion["actions"][0].get("resource", {})
    return str(resource.get("medicationCodeableConcept", {}).get("text", ""))


def test_the_six_cases_are_there() -> None:
    assert sorted(examples.names()) == [
        "case-1-cycle-1",
        "case-1-cycle-3-day-1",
        "case-2-day-4-authors",
        "case-2-day-4-printed",
        "case-2-july-2024",
        "case-2-november-2023",
    ]


@pytest.mark.parametrize("name", examples.names())
def test_the_stored_response_is_what_the_service_answers(name: str) -> None:
    """Set ICANS_RENEW_EXAMPLES=1 to write new responses; read the difference before you commit it."""
    found = examples.example(name)
    answer = json.loads(msgspec.json.encode({"cards": cards(name)}))
    if os.environ.get("ICANS_RENEW_EXAMPLES"):
        found["response"] = answer
        text = json.dumps(found, indent=1, ensure_ascii=False)
        (examples.FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    assert msgspec.json.encode(found["response"]) == msgspec.json.encode(answer)
    assert [e.message for e in SCHEMA.iter_errors(answer)] == []


@pytest.mark.parametrize("name", examples.names())
def test_shifted_to_any_now_the_cards_say_the_same(name: str) -> None:
    found = examples.example(name)
    now = datetime(2027, 3, 1, 5, 0, tzinfo=UTC)
    moved = decided(examples.shifted(name, now), now, found["decision_id"]).cards
    assert [(c["summary"], c["indicator"], c["detail"]) for c in moved] == [
        (c["summary"], c["indicator"], c["detail"]) for c in cards(name)
    ]


@pytest.mark.parametrize("name", examples.names())
def test_every_card_is_fit_to_show(name: str) -> None:
    for card in cards(name):
        assert 0 < len(card["summary"]) < 140
        assert card["source"]["topic"]["code"].isalnum()
        assert "<" not in card["detail"]
        assert "|" not in card["detail"]
        order = [card["detail"].index(part) for part in ("**", "Findings:", "Not assessed", "Do:", "Who says so:") if part in card["detail"]]
        assert order == sorted(order)
        assert all(len(s["actions"]) == 1 for s in card.get("suggestions", []))
    topics = [c["source"]["topic"]["code"] for c in cards(name)]
    assert len(topics) == len(set(topics)), "one card a topic"


def test_case_2_day_4_as_printed() -> None:
    found = cards("case-2-day-4-printed")
    critical = [c for c in found if c["indicator"] == "critical"]
    assert [c["source"]["topic"]["code"] for c in critical] == ["causativeagent"]
    assert found[0] is critical[0], "the most urgent card comes first"
    assert "at least grade 3 (seizure), grade 4 not excluded" in critical[0]["summary"]
    assert "does not stop the pump: stop it at the bedside; do not flush the line" in critical[0]["detail"]
    drugs = [drug(s) for s in suggestions(found)]
    assert "dexamethasone 10 mg IV every 6 h" in drugs
    assert "levetiracetam 1,000 mg IV every 12 h" in drugs
    assert not any("tocilizumab" in d for d in drugs)
    held = [s["actions"][0] for s in suggestions(critical)]
    assert [(a["type"], a["resource"]["status"]) for a in held] == [("update", "on-hold")]


def test_case_2_day_4_by_the_authors() -> None:
    found = cards("case-2-day-4-authors")
    assert found[0]["indicator"] == "critical"
    assert found[0]["summary"] == "ICANS grade 4 (unarousable): stop blinatumomab permanently"
    assert found[0]["detail"].startswith("**Grade 4.** Decided by consciousness: unarousable.")
    assert "methylprednisolone 1,000 mg IV daily (from general knowledge, ASCO row not read)" in found[0]["detail"]
    offered = {drug(s): s["isRecommended"] for s in suggestions(found)}
    assert offered["dexamethasone 10 mg IV every 6 h"] is True
    assert offered["methylprednisolone 1,000 mg IV daily"] is False


def test_case_1_cycle_3_day_1_signing_levetiracetam_alone() -> None:
    found = cards("case-1-cycle-3-day-1")
    lead = found[0]
    assert lead["summary"].startswith("ICANS at least grade 2 (awakens to voice)")
    assert "do ICE now" in lead["summary"]
    assert "tremor, 1 h ago: does not count" in lead["detail"]
    offered = {drug(s): s["isRecommended"] for s in suggestions(found)}
    assert offered["dexamethasone 10 mg IV every 12 h, two doses"] is False
    assert not any("levetiracetam" in d for d in offered)
    assert "already in this order" in lead["detail"]


def test_case_1_has_three_clocks() -> None:
    found = examples.example("case-1-cycle-3-day-1")
    record = decided(found["request"], datetime.fromisoformat(found["as_of"]), found["decision_id"]).record
    clocks = {key: record["exposure"][key] for key in ("cycle", "cycle_day", "infusion_days", "days_since_first")}
    assert clocks == {"cycle": 3, "cycle_day": 1, "infusion_days": 42, "days_since_first": 98}


def test_case_2_november_2023_tremor_alone_is_not_gradable() -> None:
    found = cards("case-2-november-2023")
    assert len(found) == 1
    assert "not gradable" in found[0]["summary"]
    assert "rade 0" not in json.dumps(found)


def test_case_2_july_2024_asks_for_a_baseline_and_does_not_block() -> None:
    found, order = cards("case-2-july-2024")
    assert found["indicator"] == order["indicator"] == "warning"
    assert "no corticosteroid premedication found" in order["summary"]
    assert "Tremor in an earlier course" in found["summary"]
    assert "This order is not blocked." in found["detail"]


def test_shifting_keeps_the_age_and_moves_every_time() -> None:
    now = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
    moved = json.dumps(examples.shifted("case-2-day-4-printed", now))
    assert "2024" not in moved
    assert (now - timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M") in _utc(moved)


def _utc(text: str) -> list[str]:
    found = [w for w in text.split('"') if len(w) == 25 and w[10] == "T"]
    return [datetime.fromisoformat(w).astimezone(UTC).strftime("%Y-%m-%dT%H:%M") for w in found]


def test_an_unknown_example_names_those_there_are() -> None:
    with pytest.raises(LookupError, match="case-2-day-4-printed"):
        examples.example("case-9")
