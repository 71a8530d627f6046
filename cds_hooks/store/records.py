"""Rows to be written: a decision with its cards, feedback items. Built by the caller, linked by the writer."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from cds_hooks.decide import Decision, rows_of_topics

Pseudonym = Callable[[str], str]
_JSON = msgspec.json.Encoder(order="sorted")
_PATIENT = re.compile(r"\bPatient/([A-Za-z0-9.\-]{1,64})")


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one feedback item: new or known, and whether its card is ours, with its topic."""

    new: bool
    matched: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class FeedbackCount:
    """What became of the items of one POST: new, already known, and of all those for unknown cards."""

    stored: int
    repeated: int
    unmatched: int

    @classmethod
    def of(cls, heard: Sequence[Heard]) -> FeedbackCount:
        new = sum(one.new for one in heard)
        return cls(new, len(heard) - new, sum(not one.matched for one in heard))


def keyed(key: bytes) -> Pseudonym:
    """HMAC-SHA256 (hex) of a patient id: the same patient has the same reference, only with the key."""
    return lambda patient: hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()


def plain(patient: str) -> str:
    """The patient id as it is."""
    return patient


def decision_rows(
    decision: Decision, service: str, hook_instance: str, request_id: str, latency_us: int, pseudonym: Pseudonym
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row of a decision and the rows of its cards.

    The record keeps the cards too, so that the hash covers them; every Patient/id in it is replaced.
    """
    identity, recorded = str(decision.id), decision.record
    cards = card_rows(decision)
    patient = str(recorded.get("patient", ""))
    kept = {**recorded, "cards": [{name: card[name] for name in ("uuid", "topic", "row")} for card in cards]}
    reference = pseudonym(patient) if patient else None
    if reference is not None:
        kept["patient"] = reference
    content = _JSON.encode(kept).decode()
    if pseudonym is not plain and "Patient/" in content:
        content = _PATIENT.sub(lambda found: f"Patient/{pseudonym(found[1])}", content)
    row = {
        "id": identity,
        "recorded_at": decision.as_of,
        "service": service,
        "hook_instance": storable(hook_instance),
        "record": content,
        "request_id": request_id,
        "patient": None if reference is None else storable(reference),
        "latency_us": latency_us,
    }
    return row, cards


def feedback_row(service: str, item: Mapping[str, Any], received_at: datetime) -> dict[str, Any]:
    """The row of an item, but for `matched`. Raises KeyError for an item that was not parsed."""
    content = _JSON.encode(item).decode()
    return {
        "id": hashlib.sha256(content.encode()).hexdigest(),
        "received_at": received_at,
        "service": service,
        "card": storable(item["card"]),
        "outcome": item["outcome"],
        "item": content,
    }


def storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def card_rows(decision: Decision) -> list[dict[str, Any]]:
    """Each card with its topic and the protocol row that speaks; None: no row of the topic does."""
    identity = str(decision.id)
    rows = {_alphanumeric(topic): row for topic, row in rows_of_topics(decision.record).items()}
    topics = {card["uuid"]: card["source"]["topic"]["code"] for card in decision.cards}
    return [
        {"uuid": uuid, "decision_id": identity, "topic": topic, "row": rows.get(_alphanumeric(topic))}
        for uuid, topic in topics.items()
    ]


@lru_cache(maxsize=1024)
def _alphanumeric(topic: str) -> str:
    """A topic as card codes write it: "anti-il-6" and "antiIL6" are one."""
    return "".join(character for character in topic.lower() if character.isalnum())
