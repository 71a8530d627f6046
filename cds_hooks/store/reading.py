"""Reading the records back: one decision, the rows of a chain in order, everything for an export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Table, func, select
from sqlalchemy.engine import Connection, Engine

from cds_hooks.store.tables import CARDS, CHAINED, CHAINS, CHECKPOINTS, DECISIONS, FEEDBACK

PAGE = 500

Row = Mapping[Any, Any]


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one moment, whatever is written meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def chains(connection: Connection) -> list[Row]:
    """Every chain, oldest first."""
    rows = connection.execute(select(CHAINS).order_by(CHAINS.c.opened_at, CHAINS.c.id)).mappings()
    return [plain(row) for row in rows]


def chained_rows(connection: Connection, chain: str, after: int) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of a chain behind a position, in order, each with its table."""
    last = max(
        connection.scalar(select(func.max(t.c.position)).where(t.c.chain == chain)) or 0 for t in CHAINED
    )
    for low in range(after, last, PAGE):
        page = [
            (table, plain(row))
            for table in CHAINED
            for row in connection.execute(
                select(table).where(
                    table.c.chain == chain, table.c.position > low, table.c.position <= low + PAGE
                )
            ).mappings()
        ]
        yield from sorted(page, key=lambda found: found[1]["position"])


def cards_of(connection: Connection, decisions: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of `cards` by decision."""
    found: dict[str, list[dict[str, Any]]] = {}
    for low in range(0, len(decisions), PAGE):
        query = select(CARDS).where(CARDS.c.decision_id.in_(decisions[low : low + PAGE]))
        for card in connection.execute(query).mappings():
            found.setdefault(card["decision_id"], []).append(plain(card))
    return found


def checkpoints(connection: Connection) -> dict[str, Row]:
    """The furthest checkpoint of each chain that was pruned."""
    query = select(CHECKPOINTS).order_by(CHECKPOINTS.c.pruned_position)
    return {row["pruned_chain"]: plain(row) for row in connection.execute(query).mappings()}


def found(engine: Engine, identity: str) -> list[dict[str, Any]]:
    """The decisions of an id: their own, of a card, or of a request; each with cards and feedback."""
    with snapshot(engine) as connection:
        named = set(connection.scalars(select(CARDS.c.decision_id).where(CARDS.c.uuid == identity)))
        named |= set(connection.scalars(select(DECISIONS.c.id).where(DECISIONS.c.request_id == identity)))
        query = select(DECISIONS).where(DECISIONS.c.id.in_({identity, *named}))
        decisions = [plain(row) for row in connection.execute(query).mappings()]
        cards = cards_of(connection, [row["id"] for row in decisions])
        return [
            {
                **row,
                "record": msgspec.json.decode(row["record"]),
                "cards": cards.get(row["id"], []),
                "feedback": _feedback_of(connection, [c["uuid"] for c in cards.get(row["id"], [])]),
            }
            for row in decisions
        ]


def everything(engine: Engine) -> Iterator[dict[str, Any]]:
    """Every row of every table but the probe, each with the name of its table, chains first."""
    with snapshot(engine) as connection:
        for table in (CHAINS, CHECKPOINTS, DECISIONS, CARDS, FEEDBACK):
            rows = connection.execution_options(yield_per=PAGE).execute(select(table)).mappings()
            for row in rows:
                yield {"table": str(table.name), **plain(row)}


def plain(row: Row) -> dict[str, Any]:
    """A row with plain names."""
    return {str(name): value for name, value in row.items()}


def _feedback_of(connection: Connection, cards: list[str]) -> list[dict[str, Any]]:
    query = select(FEEDBACK).where(FEEDBACK.c.card.in_(cards)).order_by(FEEDBACK.c.received_at)
    rows = connection.execute(query).mappings()
    return [{**plain(row), "item": msgspec.json.decode(row["item"])} for row in rows]
