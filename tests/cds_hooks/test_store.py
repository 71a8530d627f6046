"""Decisions and feedback are on disk, joined by card uuid, and repeated feedback is one row: on both databases."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from cds_hooks.decide import Decision
from cds_hooks.store import FeedbackCount, Store, StoreError, records
from cds_hooks.store.engine import HEAD, opened
from cds_hooks.store.verifying import verify

NOW = datetime(2026, 11, 22, 22, 0, tzinfo=timezone(timedelta(hours=1)))


def decision(decision_id: UUID, card: str = "card-1", topic: str = "antiIL6", **record: Any) -> Decision:
    cards = [{"uuid": card, "source": {"topic": {"code": topic}}}]
    return Decision(decision_id, NOW, cards, {"advice": [{"topic": "anti-il-6", "row": "row-1"}], "n": None} | record)


def item(card: str = "card-1", **changes: Any) -> dict[str, Any]:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:25:04Z"} | changes


def count(store: Store, items: list[dict[str, Any]], at: datetime = NOW) -> FeedbackCount:
    return FeedbackCount.of(store.add_feedback("s", items, at).result())


def test_a_decision_survives_reopening(url: str) -> None:
    decision_id = uuid4()
    store = Store(url)
    store.append(
        decision(decision_id, patient="p"), "icans-order-sign", "instance\x00", request_id="r", latency_us=7
    ).result()
    store.close()
    found = Store(url).decision(str(decision_id))
    assert found is not None
    assert len(found.pop("chain")) == 36
    assert len(found.pop("hash")) == 64
    assert found == {
        "id": str(decision_id),
        "recorded_at": datetime(2026, 11, 22, 21, 0, tzinfo=UTC),
        "service": "icans-order-sign",
        "hook_instance": "instance�",
        "request_id": "r",
        "patient": "p",
        "latency_us": 7,
        "position": 1,
        "record": {
            "advice": [{"topic": "anti-il-6", "row": "row-1"}],
            "n": None,
            "patient": "p",
            "cards": [{"uuid": "card-1", "topic": "antiIL6", "row": "row-1"}],
        },
        "cards": [{"uuid": "card-1", "decision_id": str(decision_id), "topic": "antiIL6", "row": "row-1"}],
    }


def test_a_patient_is_a_keyed_hash_wherever_the_record_names_one(url: str) -> None:
    store, decision_id = Store(url, records.keyed(b"a key of the site")), uuid4()
    issues = [{"evidence": "Patient/zoe-1", "problem": "its subject is https://x/Patient/zoe-2, not used"}]
    store.append(decision(decision_id, patient="zoe-1", issues=issues), "s", "i").result()
    found = store.decision(str(decision_id)) or {}
    assert "zoe" not in json.dumps(found, default=str)
    assert found["patient"] == found["record"]["patient"]
    assert found["record"]["issues"][0]["evidence"] == f"Patient/{found['patient']}"
    other = Store("sqlite://", records.keyed(b"the key of another"))
    other.append(decision(decision_id, patient="zoe-1"), "s", "i").result()
    assert (other.decision(str(decision_id)) or {})["patient"] != found["patient"]


def test_a_decision_without_cards_is_kept(url: str) -> None:
    store, decision_id = Store(url), uuid4()
    store.append(Decision(decision_id, NOW, [], {}), "s", "i").result()
    assert (store.decision(str(decision_id)) or {})["cards"] == []
    assert store.decision(str(uuid4())) is None


def test_a_decision_is_whole_or_absent(url: str) -> None:
    store, second, third = Store(url), uuid4(), uuid4()
    store.append(decision(uuid4()), "s", "i").result()
    waiting = [
        store.append(decision(second), "s", "i"),  # the card's uuid is taken
        store.append(decision(third, card="card-3"), "s", "i"),
    ]
    with pytest.raises(IntegrityError) as error:
        waiting[0].result()
    waiting[1].result()
    assert store.decision(str(second)) is None
    assert store.decision(str(third)) is not None
    assert "anti-il-6" not in str(error.value)
    assert verify(store.engine).problems == []


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.append(decision(uuid4()), "s", "i").result()
    with sqlite3.connect(tmp_path / "a.db") as other:
        assert other.execute("select count(*) from decisions").fetchone() == (1,)


def test_feedback_is_joined_and_stored_once(url: str) -> None:
    store, decision_id = Store(url), uuid4()
    store.append(decision(decision_id), "s", "i").result()
    reordered = dict(reversed(item().items()))
    assert count(store, [item(), reordered, item("unknown")]) == FeedbackCount(2, 1, 1)
    later = NOW + timedelta(hours=1)
    assert count(store, [item(), item(outcomeTimestamp="2026-11-22T22:00:00Z")], later) == FeedbackCount(1, 1, 0)
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
        list(pool.map(lambda d: store.append(d, "s", "i").result(), decisions))
        list(pool.map(lambda n: count(store, [item(f"card-{n}")]), range(60)))
    assert all(store.decision(str(d.id)) for d in decisions)
    assert [row["matched"] for row in store.feedback()] == [True] * 60
    assert verify(store.engine).problems == []


def test_several_workers_share_a_database(url: str) -> None:
    """Each has its chain; the same feedback told to all at once is one row."""
    stores = [Store(url) for _ in range(3)]
    waiting = [
        store.append(decision(uuid4(), card=f"{index}-{n}"), "s", "i")
        for n in range(40)
        for index, store in enumerate(stores)
    ]
    told = [store.add_feedback("s", [item(f"same-{n}")], NOW) for n in range(40) for store in stores]
    for future in waiting:
        future.result()
    assert sum(heard.new for future in told for heard in future.result()) == 40
    assert len(stores[0].feedback()) == 40
    done = verify(stores[0].engine)
    assert (done.rows, done.problems) == (160, [])
    assert len(done.heads) >= 3


def test_what_waits_shares_a_commit(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    commits = []
    recorder = store._writer._commit
    store._writer._commit = lambda works: (commits.append(len(works)), recorder(works))[1]
    for future in [store.append(decision(uuid4(), card=f"c{n}"), "s", "i") for n in range(200)]:
        future.result()
    assert sum(commits) == 200
    assert len(commits) < 100


def test_closing_writes_what_waits(url: str) -> None:
    store = Store(url)
    waiting = [store.append(decision(uuid4(), card=f"c{n}"), "s", "i") for n in range(50)]
    store.close()
    assert all(future.done() and future.exception() is None for future in waiting)
    assert verify(Store(url).engine).rows == 50


def test_a_database_of_the_first_layout_is_upgraded(tmp_path: Path) -> None:
    """As the service made it before there were migrations: nothing of it is lost."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.executescript(
            """
            create table decisions (id text primary key, recorded_at datetime not null, service text not null,
                hook_instance text not null, record text not null);
            create table cards (uuid text primary key, decision_id text not null references decisions (id),
                topic text not null, row text);
            create table feedback (id text primary key, received_at datetime not null, service text not null,
                card text not null, matched boolean not null, outcome text not null, item text not null);
            insert into decisions values ('d', '2026-11-01 00:00:00.000000', 's', 'i', '{"n": 1}');
            """
        )
    store = Store(f"sqlite:///{path}")
    store.append(decision(uuid4()), "s", "i").result()
    assert (store.decision("d") or {})["record"] == {"n": 1}
    done = verify(store.engine)
    assert (done.rows, done.unchained, done.problems) == (1, 1, [])


def test_postgresql_is_upgraded_only_when_asked(cluster: Any) -> None:
    empty = cluster.create(f"e{uuid4().hex}")
    with pytest.raises(StoreError, match="run icans-cds db upgrade"):
        Store(empty)
    opened(empty, upgrade=True).dispose()
    Store(empty).append(decision(uuid4()), "s", "i").result()


def test_tables_of_a_later_version_are_taken(url: str) -> None:
    """A host of the version before goes on while the others are upgraded; its rows verify with the later one."""
    with opened(url).begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
        connection.exec_driver_sql("alter table decisions add column later text")
    store = Store(url)
    store.append(decision(uuid4()), "s", "i").result()
    assert verify(store.engine).problems == []


def test_the_service_needs_few_rights(cluster: Any) -> None:
    """A user that may read and add, and move the heads of the chains, cannot change a record."""
    name = f"r{uuid4().hex}"
    full = cluster.create(name, template="template_icans")
    user = f"u{uuid4().hex}"
    for statement in (
        f"CREATE ROLE {user} LOGIN",
        f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {user}",
        f"GRANT UPDATE ON chains, probes TO {user}",
    ):
        cluster.sql(statement, name)
    store = Store(full.replace("icans@", f"{user}@"))
    store.append(decision(uuid4()), "s", "i").result()
    assert count(store, [item(), item("x")]).stored == 2
    store.probe().result()
    with pytest.raises(ProgrammingError), store.engine.begin() as connection:
        connection.exec_driver_sql("update decisions set record = ''")


def test_the_migrations_end_at_the_tables(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from cds_hooks.store.tables import METADATA

    with opened(url).connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("sqlite:////no/such/folder/a.db", "/no/such/folder/a.db"),
        ("mysql://user:secret@host/db", "sqlite and postgresql"),
        ("postgresql://user:secret@127.0.0.1:1/db", "127.0.0.1"),
        ("nonsense", "ICANS_DATABASE_URL"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named(bad: str, says: str) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as error:
        Store(bad)
    assert says in str(error.value)
    assert "secret" not in str(error.value)
