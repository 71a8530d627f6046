"""The whole service as a client sees it, nothing stubbed: answers to good and bad calls."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from charts import (
    ICD10,
    NOW,
    ago,
    concept,
    diagnosis,
    domain,
    hook,
    infusion,
    observation,
    order,
    patient,
    score,
)
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from cds_hooks import examples
from cds_hooks.app import create_app
from cds_hooks.settings import Settings

ROOT = Path(__file__).parents[2]
SIGN, SELECT, VIEW = (f"/cds-services/icans-{hook}" for hook in ("order-sign", "order-select", "patient-view"))
ILL = (patient(50), infusion(ago(days=3)), score("ice-score", 5), domain("consciousness", "loc-alert"))
"""At least grade 2: cards with suggestions."""


@lru_cache
def service(**settings: Any) -> TestClient:
    """An open service whose clock stands at NOW."""
    folder = tempfile.mkdtemp(prefix="icans-")
    given = {"database_url": f"sqlite:///{folder}/c.db", **settings}
    return TestClient(create_app(Settings(**given), clock=lambda: NOW))


def post(body: Any, path: str = SIGN, **headers: str) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return service().post(path, content=sent, headers={"content-type": "application/json"} | headers)


def sign(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An order-sign call; context members by the name context_X."""
    drafts = more.pop("drafts", None)
    leave_out = more.pop("leave_out", ())
    body = hook(*(resources or ILL), drafts=drafts, leave_out=leave_out)
    for name in [name for name in more if name.startswith("context_")]:
        body["context"][name.removeprefix("context_")] = more.pop(name)
    body["prefetch"] |= more.pop("prefetch", {})
    body |= more
    for holder in filter(lambda one: isinstance(one, dict), (body, body["context"])):
        for name in [name for name, value in holder.items() if value is ...]:
            del holder[name]
    return body


def view(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return sign(*resources, hook="patient-view", context_draftOrders=..., **more)


def select(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return sign(*resources, **{"hook": "order-select", "context_selections": ["MedicationRequest/draft"], **more})


def cards(body: Any, path: str = SIGN) -> list[dict[str, Any]]:
    answer = post(body, path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    return found


def guidance(body: Any, path: str = SIGN) -> list[tuple[Any, ...]]:
    """What cards say, ids aside."""
    return [
        (c["summary"], c["indicator"], c["detail"], [s["label"] for s in c.get("suggestions", [])])
        for c in cards(body, path)
    ]


@lru_cache
def answers() -> tuple[dict[str, Any], ...]:
    """Answers of every kind: silent, informing, with creates, updates and deletes, of all hooks, and the examples."""
    seizure = diagnosis(ICD10, "G40.901", onsetDateTime=ago(hours=1))
    running = order("1597258")
    calls = [
        (sign(patient(50)), SIGN),
        (sign(*ILL), SIGN),
        (sign(*ILL[:2], score("ice-score", 0), running), SIGN),
        (sign(*ILL, running, seizure, drafts=[order("1597258", "draft", "engager")]), SIGN),
        (sign(*ILL[:2], score("ice-score", 9), domain("consciousness", "loc-alert")), SIGN),
        (sign(*ILL[:2], observation("x", concept("urn:x", "ice"), {"valueString": "<b>8</b>"}), leave_out=("conditions",)), SIGN),
        (sign(patient(10), *ILL[1:]), SIGN),
        (select(*ILL, drafts=[order("114477", "draft", "draft"), order("3264", "draft", "other")]), SELECT),
        (view(*ILL), VIEW),
        (view(patient(50), score("ice-score", 9)), VIEW),
        *((examples.shifted(name, NOW), SIGN) for name in examples.names()),
    ]  # fmt: skip
    found = []
    for body, path in calls:
        answer = post(body, path)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return tuple(found)


def all_cards() -> list[dict[str, Any]]:
    return [card for answer in answers() for card in answer["cards"]]


def all_suggestions() -> list[dict[str, Any]]:
    return [suggestion for card in all_cards() for suggestion in card.get("suggestions", [])]


def all_actions() -> list[dict[str, Any]]:
    return [action for suggestion in all_suggestions() for action in suggestion["actions"]]


def of_type(kind: str) -> list[dict[str, Any]]:
    found = [action for action in all_actions() if action["type"] == kind]
    assert found, f"no {kind} among the answers"
    return found


def errors() -> list[Any]:
    """Every kind of refusal."""
    return [
        post(b"{"),
        post(sign(hookInstance=...)),
        post(sign(hook="patient-view")),
        post(sign(leave_out=("patient",))),
        post({}, f"{SIGN}/feedback"),
        post({}, "/cds-services/unknown"),
        post(b" " * 8_000_001),
        service().get(SIGN),
        service().post(SIGN, content=b"{}", headers={"content-type": "text/plain"}),
    ]


def values(node: Any) -> list[Any]:
    """Every value of a JSON document."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(value for one in inner for value in values(one))]


def discovered() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = service().get("/cds-services").json()["services"]
    return listed


def templates() -> list[tuple[str, str]]:
    return [pair for one in discovered() for pair in one["prefetch"].items()]


def valid(name: str, body: Any) -> None:
    schema = json.loads((ROOT / f"cds_hooks/schemas/{name}.schema.json").read_text("utf-8"))
    assert [f"{e.json_path}: {e.message}" for e in Draft202012Validator(schema).iter_errors(body)] == []


def item(**more: Any) -> dict[str, Any]:
    """One feedback item."""
    given = {"card": "a", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:25:04Z", **more}
    return {name: value for name, value in given.items() if value is not ...}


def feedback(*items: Any) -> Any:
    return post({"feedback": list(items)}, f"{SIGN}/feedback")


def text(name: str) -> str:
    """A document of the project."""
    return (ROOT / name).read_text("utf-8")
