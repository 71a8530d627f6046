"""Decisions and feedback are on disk, joined by card uuid, and repeated feedback is one row."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from cds_hooks.decide import Decision
from cds_hooks.store import FeedbackCount, Store, StoreError

NOW = datetime(2026, 11, 22, 22, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'a.db'}"


def decision(decision_id: UUID, card: str = "card-1", topic: str = "antiIL6") -> Decision:
    cards = [{"uuid": card, "source": {"topic": {"code": topic}}}]
    return Decision(decision_id, NOW, cards, {"advice": [{"topic": "anti-il-6", "row": "row-1"}], "n": None})


def item(card: str = "card-1", **changes: Any) -> dict[str, Any]:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:25:04Z"} | changes


def test_a_decision_survives_reopening(url: str) -> None:
    decision_id = uuid4()
    store = Store(url)
    store.append(decision(decision_id), "icans-order-sign", "instance\x00")
    store.close()
    found = Store(url).decision(str(decision_id))
    assert found == {
        "id": str(decision_id),
        "recorded_at": datetime(2026, 11, 22, 21, 0, tzinfo=UTC),
        "service": "icans-order-sign",
        "hook_instance": "instance�",
        "record": {"advice": [{"topic": "anti-il-6", "row": "row-1"}], "n": None},
        "cards": [{"uuid": "card-1", "decision_id": str(decision_id), "topic": "antiIL6", "row": "row-1"}],
    }


def test_a_decision_without_cards_is_kept(url: str) -> None:
    store, decision_id = Store(url), uuid4()
    store.append(Decision(decision_id, NOW, [], {}), "s", "i")
    assert (store.decision(str(decision_id)) or {})["cards"] == []
    assert store.decision(str(uuid4())) is None


def test_a_decision_is_whole_or_absent(url: str) -> None:
    store, second = Store(url), uuid4()
    store.append(decision(uuid4()), "s", "i")
    with pytest.raises(IntegrityError) as error:
        store.append(decision(second), "s", "i")  # the card's uuid is taken
    assert store.decision(str(second)) is None
    assert "anti-il-6" not in str(error.value)


def test_sqlite_is_set_to_survive_a_power_cut(url: str, tmp_path: Path) -> None:
    store = Store(url)
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.append(decision(uuid4()), "s", "i")
    with sqlite3.connect(tmp_path / "a.db") as other:
        assert other.execute("select count(*) from decisions").fetchone() == (1,)


def test_feedback_is_joined_and_stored_once(url: str) -> None:
    store, decision_id = Store(url), uuid4()
    store.append(decision(decision_id), "s", "i")
    reordered = dict(reversed(item().items()))
    assert store.add_feedback("s", [item(), reordered, item("unknown")], NOW) == FeedbackCount(2, 1, 1)
    assert store.add_feedback(
        "s", [item(), item(outcomeTimestamp="2026-11-22T22:00:00Z")], NOW + timedelta(hours=1)
    )
    rows = store.feedback()
    assert [
        (row["card"], row["matched"], row["decision_id"]) for row in rows if row["card"] == "unknown"
    ] == [("unknown", False, None)]
    mine = [row for row in rows if row["card"] == "card-1"]
    assert [row["outcome"] for row in mine] == ["overridden", "overridden"]
    assert {row["decision_id"] for row in mine} == {str(decision_id)}
    assert {row["topic"] for row in mine} == {"antiIL6"}
    assert mine[0]["item"] == item()
    assert mine[0]["received_at"] == NOW


def test_feedback_is_stored_whole_or_not_at_all(url: str) -> None:
    store = Store(url)
    with pytest.raises(KeyError):
        store.add_feedback("s", [item(), {"card": "c"}], NOW)
    assert store.feedback() == []


@pytest.mark.parametrize("memory", [False, True])
def test_many_threads_write_at_once(url: str, memory: bool) -> None:
    store = Store("sqlite://" if memory else url)
    decisions = [decision(uuid4(), card=f"card-{n}") for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda d: store.append(d, "s", "i"), decisions))
        list(pool.map(lambda n: store.add_feedback("s", [item(f"card-{n}")], NOW), range(60)))
    assert all(store.decision(str(d.id)) for d in decisions)
    assert [row["matched"] for row in store.feedback()] == [True] * 60


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("sqlite:////no/such/folder/a.db", "/no/such/folder/a.db"),
        ("mysql://user:secret@host/db", "sqlite and postgresql"),
        ("nonsense", "ICANS_DATABASE_URL"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named(bad: str, says: str) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as error:
        Store(bad)
    assert says in str(error.value)
    assert "secret" not in str(error.value)
