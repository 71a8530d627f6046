"""Facts meet a protocol: the rows that apply, and the rows that cannot be decided yet."""

from __future__ import annotations

from dataclasses import dataclass

from rules.facts import Facts
from rules.protocol import Protocol, Row


@dataclass(frozen=True, slots=True)
class Undecided:
    """A row whose known conditions hold; `missing` names the facts that would decide it."""

    row: Row
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """Rows that apply, in the protocol's order of topics, and the rows left undecided."""

    protocol: Protocol
    rows: tuple[Row, ...]
    undecided: tuple[Undecided, ...]


_MOST_REMEMBERED = 4096


def recommend(facts: Facts, protocol: Protocol) -> Advice:
    """Every row that holds. An unknown fact makes a row undecided, never false.

    The facts are finite, so an answer once found is remembered with its protocol.
    """
    key = tuple(facts.items())
    known: Advice | None = protocol.answers.get(key)
    if known is None:
        if len(protocol.answers) >= _MOST_REMEMBERED:
            protocol.answers.clear()
        known = protocol.answers[key] = _found(facts, protocol)
    return known


def _found(facts: Facts, protocol: Protocol) -> Advice:
    order = {topic.id: index for index, topic in enumerate(protocol.topics)}
    applies: list[Row] = []
    undecided: list[Undecided] = []
    for row in protocol.rows:
        holds = row.holds(facts)
        if holds:
            applies.append(row)
        elif holds is None:
            undecided.append(Undecided(row, row.unknown(facts)))
    applies.sort(key=lambda row: order[row.topic])
    return Advice(protocol, tuple(applies), tuple(undecided))
