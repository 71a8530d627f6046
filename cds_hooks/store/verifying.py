"""Does every chain still verify? Every problem names its row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Table, select
from sqlalchemy.engine import Connection, Engine

from cds_hooks.store import chain as chains_of
from cds_hooks.store import reading
from cds_hooks.store.reading import Row
from cds_hooks.store.tables import CHAINED, DECISIONS, FEEDBACK, TIMES

Heads = dict[str, tuple[int, str]]
_NAMES = {"decisions": "decision", "feedback": "feedback", "checkpoints": "checkpoint"}


@dataclass(slots=True)
class Verification:
    """What was read and what does not fit. `heads` are to be kept elsewhere, for the next time."""

    rows: int = 0
    unchained: int = 0  # recorded before there were chains
    heads: Heads = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def verify(engine: Engine, known: Mapping[str, tuple[int, str]] | None = None) -> Verification:
    """Read every row and its link. `known`: heads of an earlier time, which must still be there."""
    done = Verification()
    known = known or {}
    with reading.snapshot(engine) as connection:
        listed = reading.chains(connection)
        pruned = reading.checkpoints(connection)
        for one in listed:
            _verify_chain(connection, one, pruned.get(one["id"]), known.get(one["id"]), done)
        names = {one["id"] for one in listed}
        done.problems += [f"chain {name} is gone; it was there before" for name in known.keys() - names]
        done.problems += [
            f"chain {one['follows']} is gone: chain {one['id']} followed it"
            for one in listed
            if one["follows"] is not None and one["follows"] not in names
        ]
        done.problems += _strays(connection, names)
        done.unchained, late = _unchained(connection, listed)
        done.problems += late
    return done


def _verify_chain(
    connection: Connection, listed: Row, pruned: Row | None, known: tuple[int, str] | None, done: Verification
) -> None:
    name = listed["id"]
    position, previous = 0, chains_of.beginning(listed)
    if pruned is not None:
        position, previous = pruned["pruned_position"], pruned["pruned_hash"]
    if known is not None and known[0] < position:
        known = None  # pruned since
    for page in _pages(reading.chained_rows(connection, name, position)):
        cards = reading.cards_of(connection, [row["id"] for table, row in page if table is DECISIONS])
        for table, row in page:
            where = f"{_NAMES[table.name]} {row['id']} (chain {name}, position {row['position']})"
            if row["position"] != position + 1:
                done.problems.append(_missing(name, position + 1, row["position"] - 1))
            elif chains_of.digest(previous, table.name, row) != row["hash"]:
                done.problems.append(f"{where} does not match its hash: it was changed, or the hash before it")
            if table is DECISIONS:
                done.problems += _cards_differ(where, row, cards.get(row["id"], []))
            position, previous = row["position"], str(row["hash"])
            if known is not None and known[0] == position and known[1] != previous:
                done.problems.append(f"{where} has another hash than it had before")
            done.rows += 1
    if position < listed["position"]:
        done.problems.append(_missing(name, position + 1, listed["position"]))
    elif (position, previous) != (listed["position"], listed["hash"]):
        done.problems.append(f"chain {name} ends at position {position} with another hash than its head says")
    if known is not None and known[0] > max(position, listed["position"]):
        done.problems.append(f"chain {name} ends at position {position}; it reached {known[0]} before")
    done.heads[name] = (position, previous)


def _pages(rows: Iterator[tuple[Table, dict[str, Any]]]) -> Iterator[list[tuple[Table, dict[str, Any]]]]:
    page = []
    for row in rows:
        page.append(row)
        if len(page) == reading.PAGE:
            yield page
            page = []
    yield page


def _missing(chain: str, first: int, last: int) -> str:
    places = f"position {first} is" if first == last else f"positions {first} to {last} are"
    return f"chain {chain}: {places} missing: rows were removed"


def _cards_differ(where: str, decision: Row, cards: list[dict[str, Any]]) -> list[str]:
    """`cards` is an index; the record, which the hash covers, says which cards there were."""
    try:
        said = {card["uuid"]: card for card in msgspec.json.decode(decision["record"])["cards"]}
    except (msgspec.DecodeError, KeyError, TypeError):
        return [f"{where} has a record that is not one"]
    there = {card["uuid"]: {name: card[name] for name in ("uuid", "topic", "row")} for card in cards}
    return [
        f"card {uuid} of {where} was changed, removed or put in"
        for uuid in sorted(said.keys() | there.keys())
        if said.get(uuid) != there.get(uuid)
    ]


def _strays(connection: Connection, names: set[str]) -> list[str]:
    found = []
    for table in CHAINED:
        for name in connection.scalars(select(table.c.chain).where(table.c.chain.is_not(None)).distinct()):
            if name not in names:
                found.append(f"chain {name} is gone, but {table.name} has rows of it")
    return found


def _unchained(connection: Connection, listed: list[Row]) -> tuple[int, list[str]]:
    """Rows without a chain are from before there were chains; younger ones were put in."""
    count, problems = 0, []
    for table in (DECISIONS, FEEDBACK):
        time = table.c[TIMES[str(table.name)]]
        rows = connection.execute(select(table.c.id, time).where(table.c.chain.is_(None)))
        for identity, at in rows:
            count += 1
            if listed and at > listed[0]["opened_at"]:
                problems.append(f"{_NAMES[table.name]} {identity} is in no chain, but younger than the first one")
    return count, problems
