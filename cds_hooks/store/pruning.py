"""Removing what is old, with a checkpoint for each chain so that what follows still verifies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Delete, Table, and_, delete, func, select
from sqlalchemy.engine import Connection, Engine

from cds_hooks.store import reading
from cds_hooks.store.reading import Row
from cds_hooks.store.tables import CARDS, CHAINED, CHECKPOINTS, DECISIONS, FEEDBACK, TIMES
from cds_hooks.store.transactions import Pruned

Old = Callable[[Table], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is older than a date: how much, and the work that removes it."""

    decisions: int
    feedback: int
    work: Pruned


def pruning(engine: Engine, before: datetime, now: datetime | None = None) -> Pruning:
    """The beginning of every chain whose rows are all older than `before`, with a checkpoint for each."""
    removed = {DECISIONS: 0, FEEDBACK: 0}
    points, statements = [], []
    with reading.snapshot(engine) as connection:
        done = reading.checkpoints(connection)
        for one in reading.chains(connection):
            last = _last_older(connection, one, before)
            if last <= (done[one["id"]]["pruned_position"] if one["id"] in done else 0):
                continue
            counts = [_count(connection, table, one["id"], last) for table in (DECISIONS, FEEDBACK)]
            removed[DECISIONS] += counts[0]
            removed[FEEDBACK] += counts[1]
            points.append(_checkpoint(connection, one["id"], last, before, now or datetime.now(UTC), counts))
            statements += _removals(_up_to(one["id"], last))
        for table in removed:
            removed[table] += connection.scalar(select(func.count()).where(_old_unchained(table, before))) or 0
    if any(removed.values()):
        statements += _removals(lambda table: _old_unchained(table, before))
    return Pruning(removed[DECISIONS], removed[FEEDBACK], Pruned(points, statements))


def _last_older(connection: Connection, chain: Row, before: datetime) -> int:
    """The last position up to which every row is older. Checkpoints stay: they vouch for other chains."""
    first_kept: int = chain["position"] + 1
    for table in CHAINED:
        young = table.c.chain == chain["id"]
        if table is not CHECKPOINTS:
            young = and_(young, table.c[TIMES[str(table.name)]] >= before)
        first_kept = min(first_kept, connection.scalar(select(func.min(table.c.position)).where(young)) or first_kept)
    return first_kept - 1


def _count(connection: Connection, table: Table, chain: str, last: int) -> int:
    return connection.scalar(select(func.count()).where(table.c.chain == chain, table.c.position <= last)) or 0


def _checkpoint(
    connection: Connection, chain: str, last: int, before: datetime, now: datetime, counts: list[int]
) -> dict[str, Any]:
    hashes = (
        connection.scalar(select(table.c.hash).where(table.c.chain == chain, table.c.position == last))
        for table in CHAINED
    )
    return {
        "id": str(uuid4()),
        "made_at": now,
        "before": before,
        "pruned_chain": chain,
        "pruned_position": last,
        "pruned_hash": next(found for found in hashes if found is not None),
        "decisions": counts[0],
        "feedback": counts[1],
    }


def _up_to(chain: str, last: int) -> Old:
    return lambda table: and_(table.c.chain == chain, table.c.position <= last)


def _removals(old: Old) -> list[Delete]:
    of_old = select(DECISIONS.c.id).where(old(DECISIONS))
    return [
        delete(CARDS).where(CARDS.c.decision_id.in_(of_old)),
        delete(DECISIONS).where(old(DECISIONS)),
        delete(FEEDBACK).where(old(FEEDBACK)),
    ]


def _old_unchained(table: Table, before: datetime) -> ColumnElement[bool]:
    return and_(table.c.chain.is_(None), table.c[TIMES[str(table.name)]] < before)
