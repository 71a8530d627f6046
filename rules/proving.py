"""Proves a protocol: every complete set of facts has exactly one row a topic, and every row can hold.

Works by splitting on the facts that the rows of one topic name, never by the full product: a branch that
leaves at most one row, and that row unconditionally, is settled (architecture, section 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.facts import FACTS, Fact
from rules.protocol import Protocol, Row

Combination = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a protocol: `kind`, the rows it concerns, the facts that show it."""

    kind: str
    rows: tuple[str, ...]
    example: Combination
    text: str


def flaws(protocol: Protocol) -> list[Flaw]:
    """Every gap, conflict and dead row of the choice topics."""
    found: list[Flaw] = []
    for topic in protocol.topics:
        rows = [row for row in protocol.rows if row.topic == topic.id]
        found += _gaps(topic.id, rows)
        found += _conflicts(rows)
        found += _dead(rows)
    return found


def _gaps(topic: str, rows: Sequence[Row]) -> Iterator[Flaw]:
    for example in uncovered(rows):
        yield Flaw("gap", (), example, f"topic {topic}: no row for {said(example)}")


def uncovered(rows: Sequence[Row], chosen: Combination | None = None) -> Iterator[Combination]:
    """Fact sets that no row covers, as general as they are: facts that do not matter are left out."""
    chosen = chosen or {}
    open_rows = [row for row in rows if not _excluded(row, chosen)]
    if not open_rows:
        yield chosen
        return
    if any(_implied(row, chosen) for row in open_rows):
        return
    fact = next(name for name in open_rows[0].when if name not in chosen)
    for value in FACTS[fact]:
        yield from uncovered(open_rows, {**chosen, fact: value})


def _excluded(row: Row, chosen: Combination) -> bool:
    return any(name in row.when and value not in row.when[name] for name, value in chosen.items())


def _implied(row: Row, chosen: Combination) -> bool:
    return all(name in chosen for name in row.when)


def _conflicts(rows: Sequence[Row]) -> Iterator[Flaw]:
    """Two rows of a topic that hold together for some facts."""
    for index, first in enumerate(rows):
        for second in rows[index + 1 :]:
            example = together(first, second)
            if example is not None:
                text = f"rows {first.id} and {second.id} both hold for {said(example)}"
                yield Flaw("conflict", (first.id, second.id), example, text)


def together(first: Row, second: Row) -> Combination | None:
    """A fact set for which both rows hold; None when they exclude each other."""
    example: dict[str, Fact] = {}
    for name in (*first.when, *(n for n in second.when if n not in first.when)):
        allowed = first.when.get(name, frozenset(FACTS[name])) & second.when.get(name, frozenset(FACTS[name]))
        if not allowed:
            return None
        example[name] = next(value for value in FACTS[name] if value in allowed)
    return example


def _dead(rows: Sequence[Row]) -> Iterator[Flaw]:
    """Rows whose every fact set contradicts itself by what the facts mean."""
    for row in rows:
        if not any(_possible(example) for example in _corners(row)):
            example = next(_corners(row))
            yield Flaw("dead row", (row.id,), example, f"row {row.id} can never hold: {said(example)} excludes itself")


def _corners(row: Row, names: Sequence[str] | None = None) -> Iterator[dict[str, Fact]]:
    """The fact sets of a row over the facts it names that may exclude each other."""
    linked = [n for n in (names if names is not None else tuple(row.when)) if n in _LINKED]
    if not linked:
        yield {}
        return
    name = linked[0]
    for value in FACTS[name]:
        if value in row.when[name]:
            for rest in _corners(row, linked[1:]):
                yield {name: value, **rest}


_LINKED = ("icans_grade", "grade_basis", "grade_rests_on_post_ictal")


def _possible(facts: Combination) -> bool:
    """What the facts exclude by their meaning: no basis without a grade of 1 or more, and the reverse."""
    grade, basis = facts.get("icans_grade"), facts.get("grade_basis")
    low = grade in ("indeterminate", 0) and grade is not None
    if grade is not None and basis is not None and low != (basis == "none"):
        return False
    return not (low and facts.get("grade_rests_on_post_ictal") is True)


def sides(row: Row) -> Iterator[tuple[str, Combination, Combination | None]]:
    """Each condition from both sides: the fact, a set where the row holds, one where only it fails.

    The second is None when the condition allows every value of its fact.
    """
    holding = {name: next(v for v in FACTS[name] if v in allowed) for name, allowed in row.when.items()}
    for name, allowed in row.when.items():
        outside = [value for value in FACTS[name] if value not in allowed]
        yield name, holding, {**holding, name: outside[0]} if outside else None


def said(example: Combination) -> str:
    """A fact combination as a person reads it."""
    return ", ".join(f"{name}={value}" for name, value in example.items()) or "any facts"
