"""A row that was changed, removed or put in shows, by name; what is pruned does not: on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from cds_hooks.cli import app
from cds_hooks.decide import Decision
from cds_hooks.store import Store
from cds_hooks.store.acceptance import report
from cds_hooks.store.pruning import pruning
from cds_hooks.store.verifying import verify

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
RUN = CliRunner()


def fill(store: Store, days: int = 10) -> list[str]:
    """One decision a day with one card, and feedback to it; the ids of the decisions."""
    found = []
    for day in range(days):
        decision_id = uuid4()
        cards = [{"uuid": f"card-{decision_id}", "source": {"topic": {"code": "steroid"}}}]
        record = {"patient": "p", "advice": [{"topic": "steroid", "row": "r"}], "grading": {"at_least": 2, "at_most": 4}}
        store.append(Decision(decision_id, START + day * DAY, cards, record), "s", "i", request_id=f"r{day}").result()
        reason = {"overrideReason": {"reason": {"code": "othercause"}}} if day % 2 else {}
        outcome = "overridden" if day % 2 else "accepted"
        told = {"card": f"card-{decision_id}", "outcome": outcome, "outcomeTimestamp": "2026-01-01T00:00:00Z"} | reason
        store.add_feedback("s", [told], START + day * DAY).result()
        found.append(str(decision_id))
    return found


@pytest.fixture
def filled(url: str) -> Any:
    store = Store(url)
    identities = fill(store)
    yield store, identities
    store.close()


def change(store: Store, statement: str, **values: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(text(statement), values)


def test_whole_records_verify(filled: Any) -> None:
    done = verify(filled[0].engine)
    assert (done.rows, done.unchained, done.problems) == (20, 0, [])


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("update decisions set record = replace(record, '\"at_most\"', '\"at_mosu\"') where id = :d", "decision {d}"),
        ("update decisions set service = 't' where id = :d", "decision {d}"),
        ("update decisions set latency_us = 1 where id = :d", "decision {d}"),
        ("update decisions set patient = 'q' where id = :d", "decision {d}"),
        ("update decisions set recorded_at = '2026-01-03 00:00:01' where id = :d", "decision {d}"),
        ("update feedback set outcome = 'accepted' where card = 'card-' || :d", "feedback"),
        ("delete from feedback where card = 'card-' || :d", "position 8 is missing"),
        ("update cards set topic = 'other' where decision_id = :d", "card card-{d}"),
        ("delete from cards where decision_id = :d", "card card-{d}"),
        ("insert into cards values ('new', :d, 'steroid', null)", "card new of decision {d}"),
        ("update decisions set chain = null, position = null, hash = null where id = :d", "position 7 is missing"),
        ("delete from feedback where position = 20", "position 20 is missing"),
        ("update chains set position = 18, hash = (select hash from feedback where position = 18)", "its head says"),
        ("update chains set opened_at = '2020-01-01 00:00:00'", "position 1"),
        ("delete from chains", "is gone, but decisions has rows of it"),
    ],
)
def test_what_was_done_to_a_row_is_named(filled: Any, statement: str, named: str) -> None:
    store, identities = filled
    change(store, statement, **({"d": identities[3]} if ":d" in statement else {}))
    problems = verify(store.engine).problems
    assert any(named.format(d=identities[3]) in problem for problem in problems), problems
    assert len(problems) <= 2


def test_a_rehashed_row_breaks_the_next(filled: Any) -> None:
    """Whoever changes a row and its hash has to change every row behind it."""
    from cds_hooks.store.chain import digest
    from cds_hooks.store.reading import chained_rows, chains, snapshot

    store, _ = filled
    with snapshot(store.engine) as connection:
        rows = [row for _, row in chained_rows(connection, chains(connection)[0]["id"], 0)]
    forged = rows[6] | {"service": "t"}
    change(
        store,
        "update decisions set service = 't', hash = :h where id = :d",
        d=forged["id"],
        h=digest(rows[5]["hash"], "decisions", forged),
    )
    (problem,) = verify(store.engine).problems
    assert "position 8" in problem


def test_a_tail_cut_off_with_its_head_shows_against_heads_kept_elsewhere(filled: Any) -> None:
    store, _ = filled
    heads = verify(store.engine).heads
    change(store, "delete from feedback where position = 20")
    change(store, "update chains set position = 19, hash = (select hash from decisions where position = 19)")
    assert verify(store.engine).problems == []
    (problem,) = verify(store.engine, heads).problems
    assert "it reached 20 before" in problem
    assert "is gone" in verify(store.engine, {"another": (1, "x")}).problems[0]


def test_a_chain_that_was_taken_out_shows_by_the_one_that_followed(url: str) -> None:
    first = Store(url)
    fill(first, 1)
    first.close()
    store = Store(url)
    fill(store, 1)
    gone = min(verify(store.engine).heads.items(), key=lambda head: head[0] != _oldest(store))[0]
    for table in ("feedback", "decisions", "chains"):
        if table == "decisions":
            change(store, "delete from cards where decision_id in (select id from decisions where chain = :c)", c=gone)
        change(store, f"delete from {table} where {'id' if table == 'chains' else 'chain'} = :c", c=gone)
    (problem,) = verify(store.engine).problems
    assert f"chain {gone} is gone" in problem


def _oldest(store: Store) -> str:
    with store.engine.connect() as connection:
        return str(connection.scalar(text("select id from chains order by opened_at limit 1")))


def test_pruned_records_verify_and_new_ones_follow(filled: Any) -> None:
    store, identities = filled
    planned = pruning(store.engine, START + 4 * DAY)
    assert (planned.decisions, planned.feedback) == (4, 4)
    store.submit(planned.work).result()
    assert [store.decision(one) is None for one in identities] == [True] * 4 + [False] * 6
    done = verify(store.engine)
    assert (done.rows, done.problems) == (13, [])
    again = pruning(store.engine, START + 4 * DAY)
    assert (again.decisions, again.work.checkpoints) == (0, [])
    store.submit(pruning(store.engine, START + 6 * DAY).work).result()
    fill(store, 2)
    assert verify(store.engine).problems == []
    change(store, "update checkpoints set decisions = 3 where pruned_position = 8")
    assert "checkpoint" in verify(store.engine).problems[0]


def test_a_row_removed_from_behind_a_checkpoint_shows(filled: Any) -> None:
    store, identities = filled
    store.submit(pruning(store.engine, START + 4 * DAY).work).result()
    change(store, "delete from feedback where card = 'card-' || :d", d=identities[4])
    assert "position 10 is missing" in verify(store.engine).problems[0]


def test_the_report_counts_by_topic_and_grade(filled: Any) -> None:
    store, identities = filled
    changed = {"card": f"card-{identities[0]}", "outcome": "overridden", "outcomeTimestamp": "2026-02-01T00:00:00Z"}
    words = changed | {"overrideReason": {"userComment": "Ada is asleep"}}
    unknown = changed | {"card": "x"}
    store.add_feedback("s", [words, unknown], START + 30 * DAY).result()
    found = report(store.engine)
    (one,) = found.by_topic
    assert (one.topic, one.grade, one.issued, one.accepted, one.overridden) == ("steroid", "2 to 4", 10, 4, 6)
    assert one.reasons == {"othercause": 5, "(in words)": 1}
    assert (found.unmatched, found.pruned) == (1, 0)
    assert report(store.engine, START + 5 * DAY).by_topic[0].issued == 5
    store.submit(pruning(store.engine, START + DAY).work).result()
    assert report(store.engine).pruned == 1


def test_the_commands(filled: Any, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    store, identities = filled
    monkeypatch.setenv("ICANS_DATABASE_URL", url)
    shown = json.loads(RUN.invoke(app, ["audit", "show", f"card-{identities[0]}"]).stdout)
    assert shown["id"] == identities[0]
    assert shown["feedback"][0]["outcome"] == "accepted"
    assert json.loads(RUN.invoke(app, ["audit", "show", "r3"]).stdout)["id"] == identities[3]
    assert RUN.invoke(app, ["audit", "show", "nothing"]).exit_code == 1
    verified = RUN.invoke(app, ["audit", "verify", "--json"])
    heads = tmp_path / "heads.json"
    heads.write_text(verified.stdout)
    assert RUN.invoke(app, ["audit", "verify", "--heads", str(heads)]).exit_code == 0
    lines = [json.loads(line) for line in RUN.invoke(app, ["audit", "export"]).stdout.splitlines()]
    assert [line["table"] for line in lines].count("decisions") == 10
    assert "10" in RUN.invoke(app, ["feedback"], env={"COLUMNS": "200"}).stdout
    assert "4 decisions and 4 feedback items would be" in _prune("2026-01-05", "--dry-run").stdout
    assert "4 decisions and 4 feedback items removed" in _prune("2026-01-05").stdout
    assert RUN.invoke(app, ["audit", "verify", "--heads", str(heads)]).exit_code == 0
    change(store, "update decisions set service = 't' where id = :d", d=identities[5])
    failed = RUN.invoke(app, ["audit", "verify"])
    assert failed.exit_code == 1
    assert identities[5] in failed.stdout
    assert _prune("2026-01-08").exit_code == 1
    assert RUN.invoke(app, ["audit", "prune", "--before", "yesterday"]).exit_code == 2
    assert RUN.invoke(app, ["db", "upgrade"]).exit_code == 0


def _prune(*arguments: str) -> Any:
    return RUN.invoke(app, ["audit", "prune", "--before", *arguments])


@pytest.mark.parametrize("command", [["audit", "verify"], ["audit", "export"], ["audit", "prune", "--before", "2026-01-01"], ["feedback"]])
def test_a_database_that_is_not_there_is_no_clean_one(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "elsewhere.db"
    monkeypatch.setenv("ICANS_DATABASE_URL", f"sqlite:///{missing}")
    ran = RUN.invoke(app, command)
    assert ran.exit_code == 1
    assert str(missing) in ran.output
    assert not missing.exists()
