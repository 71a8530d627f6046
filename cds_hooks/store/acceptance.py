"""What clinicians did with the cards, by topic and grade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.engine import Connection, Engine

from cds_hooks.store import reading
from cds_hooks.store.tables import CARDS, DECISIONS, FEEDBACK

IN_WORDS, NO_REASON = "(in words)", "(none given)"


@dataclass(slots=True)
class Acceptance:
    """The cards of a topic at a grade: how many were issued, what became of them (the last word on each counts)."""

    topic: str
    grade: str  # "3", "2 to 4"; "not gradable"
    issued: int = 0
    accepted: int = 0
    overridden: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Report:
    """All topics and grades, and the feedback items for cards that are not ours."""

    by_topic: list[Acceptance]
    unmatched: int
    pruned: int  # items for cards whose decisions were pruned since


class _Grading(msgspec.Struct):
    at_least: int | None = None
    at_most: int | None = None


class _Record(msgspec.Struct):
    grading: _Grading = msgspec.field(default_factory=_Grading)


def report(engine: Engine, since: datetime | None = None) -> Report:
    """The acceptance of the cards of decisions from `since` on."""
    found: dict[tuple[str, str], Acceptance] = {}
    with reading.snapshot(engine) as connection:
        last = _last_words(connection)
        query = select(CARDS.c.uuid, CARDS.c.topic, DECISIONS.c.record).join_from(CARDS, DECISIONS)
        if since is not None:
            query = query.where(DECISIONS.c.recorded_at >= since)
        for uuid, topic, record in connection.execution_options(yield_per=reading.PAGE).execute(query):
            grade = _grade(record)
            one = found.setdefault((topic, grade), Acceptance(topic, grade))
            one.issued += 1
            _count(one, last.get(uuid))
        unmatched = connection.scalar(select(func.count()).where(FEEDBACK.c.matched.is_(False))) or 0
        gone = (
            select(func.count())
            .select_from(FEEDBACK)
            .where(FEEDBACK.c.matched, FEEDBACK.c.card.not_in(select(CARDS.c.uuid)))
        )
        pruned = connection.scalar(gone) or 0
    return Report([found[key] for key in sorted(found)], unmatched, pruned)


def reasons(item: Mapping[str, Any]) -> list[str]:
    """The codes of an override; a comment is counted, not quoted."""
    given: list[Any] = []
    for name in ("overrideReason", "overrideReasons"):
        value = item.get(name)
        given += value if isinstance(value, list) else [] if value is None else [value]
    codes = [
        reason["reason"]["code"] if reason.get("reason") else IN_WORDS
        for reason in given
        if reason.get("reason") or reason.get("userComment") or reason.get("extension")
    ]
    return codes or [NO_REASON]


def _last_words(connection: Connection) -> dict[str, tuple[str, str]]:
    query = select(FEEDBACK.c.card, FEEDBACK.c.outcome, FEEDBACK.c.item).where(FEEDBACK.c.matched)
    rows = connection.execute(query.order_by(FEEDBACK.c.received_at, FEEDBACK.c.id))
    return {card: (outcome, item) for card, outcome, item in rows}


def _count(one: Acceptance, said: tuple[str, str] | None) -> None:
    if said is None:
        return
    outcome, item = said
    if outcome == "accepted":
        one.accepted += 1
    else:
        one.overridden += 1
        one.reasons.update(reasons(msgspec.json.decode(item)))


def _grade(record: str) -> str:
    grading = msgspec.json.decode(record, type=_Record).grading
    if grading.at_least is None:
        return "not gradable"
    if grading.at_least == grading.at_most:
        return str(grading.at_least)
    return f"{grading.at_least} to {grading.at_most}"
