"""Proves a protocol: every complete set of facts has exactly one row a topic, and every row can hold.

Works by splitting on the facts that the rows of one topic name, never by the full product: a branch that
leaves at most one row, and that row unconditionally, is settled (architecture, section 6).
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rules.draft_facts import VOCABULARY
from rules.facts import FACTS, Fact
from rules.protocol import Protocol, Topic

Combination = Mapping[str, Fact]
Vocabulary = Mapping[str, tuple[Fact, ...]]
Cube = dict[str, tuple[Fact, ...]]
"""Facts with the values each may take: all combinations of them."""


class Asking(typing.Protocol):
    """What is proved of a row: its id, and the values it allows of each fact it names."""

    @property
    def id(self) -> str:
        """The row's id."""

    @property
    def when(self) -> Mapping[str, frozenset[Fact]]:
        """The values the row allows, by fact."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a topic: `kind`, the rows it concerns, the facts that show it."""

    kind: str
    topic: str
    rows: tuple[str, ...]
    example: Combination
    text: str


_GRADED: tuple[Fact, ...] = (1, 2, 3, 4)
_LOW: tuple[Fact, ...] = ("indeterminate", 0)

NEVER: tuple[Cube, ...] = (
    {"icans_grade": _LOW, "grade_basis": ("charted", "proxy")},
    {"icans_grade": _GRADED, "grade_basis": ("none",)},
    {"icans_grade": _LOW, "grade_rests_on_post_ictal": (True,)},
    {"grade_basis": ("none", "proxy"), "grade_rests_on_post_ictal": (True,)},
    {"icans_grade": ("indeterminate",), "score": ("current", "overdue")},
    {"icans_grade": ("indeterminate",), "consciousness": ("current", "overdue")},
)
"""What the facts exclude by their construction: no row has to cover it, and a row that asks for it is dead.

A basis exists exactly from grade 1 on; what rests on the post-ictal hour was charted; a score or a
consciousness in force is a grade. A test holds this of every snapshot it enumerates.
"""


def flaws(protocol: Protocol) -> list[Flaw]:
    """Every gap, conflict and dead row of the choice topics; dead rows and idle conditions of the checks."""
    return [
        flaw
        for topic in protocol.topics
        for flaw in topic_flaws(
            topic,
            [row for row in (*protocol.rows, *protocol.checks) if row.topic == topic.id],
            facts=vocabulary(topic.kind),
        )
    ]


def vocabulary(kind: str) -> Vocabulary:
    """The facts that rows of a topic may name: a check also those of the draft it speaks of."""
    return VOCABULARY if kind == "check" else FACTS


def topic_flaws(
    topic: Topic, rows: Sequence[Asking], all_read: bool = True, facts: Vocabulary = FACTS
) -> Iterator[Flaw]:
    """The flaws of one topic. Unless `all_read`, a row of it could not be read and gaps are not looked for."""
    living = [row for row in rows if solution(row.when, facts) is not None]
    if topic.kind == "choice":
        if all_read:
            yield from _gaps(topic.id, living, facts)
        yield from _conflicts(topic.id, living, facts)
    else:
        yield from _idle(topic.id, living, facts)
    yield from _dead(topic.id, [row for row in rows if row not in living])


def _gaps(topic: str, rows: Sequence[Asking], facts: Vocabulary) -> Iterator[Flaw]:
    for cube in uncovered(rows, facts):
        example = solution({name: frozenset(values) for name, values in cube.items()}, facts) or {}
        yield Flaw("gap", topic, (), example, f"topic {topic}: a row was expected, found none for {said(cube)}")


def uncovered(rows: Sequence[Asking], facts: Vocabulary = FACTS) -> list[Cube]:
    """The fact sets that no row covers, as general as they are: facts that do not matter are left out."""
    return _uncovered(rows, {}, facts)


def _uncovered(rows: Sequence[Asking], chosen: Combination, facts: Vocabulary) -> list[Cube]:
    if not rows:
        return [{}]
    if any(all(name in chosen for name in row.when) for row in rows):
        return []
    named = Counter(name for row in rows for name in row.when if name not in chosen)
    fact = named.most_common(1)[0][0]
    found: list[tuple[list[Cube], tuple[Fact, ...]]] = []
    for values in _alike(rows, fact, facts):
        narrower = {**chosen, fact: values[0]}
        if possible(narrower):
            open_rows = [row for row in rows if fact not in row.when or values[0] in row.when[fact]]
            _join(found, _uncovered(open_rows, narrower, facts), values)
    return [_with(cube, fact, values, facts) for cubes, values in found for cube in cubes]


def _alike(rows: Sequence[Asking], fact: str, facts: Vocabulary) -> list[tuple[Fact, ...]]:
    """The values of a fact in groups that no row and no exclusion tells apart: each needs one look."""
    groups: dict[tuple[bool, ...], tuple[Fact, ...]] = {}
    for value in facts[fact]:
        told = (*(value in row.when.get(fact, ()) for row in rows), *(value in cube.get(fact, ()) for cube in NEVER))
        groups[told] = (*groups.get(told, ()), value)
    return list(groups.values())


def _join(found: list[tuple[list[Cube], tuple[Fact, ...]]], cubes: list[Cube], values: tuple[Fact, ...]) -> None:
    """Values that leave the same fact sets uncovered are said as one."""
    for index, (same, joined) in enumerate(found):
        if same == cubes:
            found[index] = (same, (*joined, *values))
            return
    found.append((cubes, values))


def _with(cube: Cube, fact: str, values: tuple[Fact, ...], facts: Vocabulary) -> Cube:
    ordered = tuple(value for value in facts[fact] if value in values)
    return cube if len(ordered) == len(facts[fact]) else {fact: ordered, **cube}


def possible(chosen: Combination) -> bool:
    """Whether the facts chosen so far do not exclude each other by their construction."""
    return not any(all(name in chosen and chosen[name] in cube[name] for name in cube) for cube in NEVER)


def solution(when: Mapping[str, frozenset[Fact]], facts: Vocabulary = FACTS) -> Combination | None:
    """A possible fact set for these conditions, the first by the order of the vocabulary; None: there is none."""
    return _solution(tuple(when), when, {}, facts)


def _solution(
    names: tuple[str, ...], when: Mapping[str, frozenset[Fact]], chosen: Combination, facts: Vocabulary
) -> Combination | None:
    if not names:
        return chosen
    for value in facts[names[0]]:
        narrower = {**chosen, names[0]: value}
        if value in when[names[0]] and possible(narrower):
            found = _solution(names[1:], when, narrower, facts)
            if found is not None:
                return found
    return None


def _conflicts(topic: str, rows: Sequence[Asking], facts: Vocabulary) -> Iterator[Flaw]:
    for index, first in enumerate(rows):
        for second in rows[index + 1 :]:
            example = together(first, second, facts)
            if example is not None:
                text = f"one row was expected, found {first.id} and {second.id} both for {said(example)}"
                yield Flaw("conflict", topic, (first.id, second.id), example, text)


def together(first: Asking, second: Asking, facts: Vocabulary = FACTS) -> Combination | None:
    """A fact set for which both rows hold; None when they exclude each other."""
    shared = {name: first.when[name] & second.when[name] for name in first.when if name in second.when}
    if not all(shared.values()):
        return None
    return solution({**first.when, **second.when, **shared}, facts)


def _dead(topic: str, rows: Sequence[Asking]) -> Iterator[Flaw]:
    for row in rows:
        example = {name: min(allowed, key=str) for name, allowed in row.when.items()}
        involved = {n: v for n, v in example.items() if any(n in c and all(m in row.when for m in c) for c in NEVER)}
        text = f"a row that can hold was expected, found {row.id}: {said(involved)} excludes itself"
        yield Flaw("dead row", topic, (row.id,), example, text)


def _idle(topic: str, rows: Sequence[Asking], facts: Vocabulary) -> Iterator[Flaw]:
    """Conditions of a check that cannot fail: they say less than they seem to."""
    for row in rows:
        for side in sides(row, facts):
            if side.fails is None:
                text = f"a condition that can fail was expected, found {side.fact} of {row.id}, which never does alone"
                yield Flaw("idle condition", topic, (row.id,), side.holds or {}, text)


class Sides(typing.NamedTuple):
    """A condition from both sides: facts for which its row holds, facts for which only it fails.

    `holds` is None of a dead row; `fails` is None when the condition cannot fail alone.
    """

    fact: str
    holds: Combination | None
    fails: Combination | None


def sides(row: Asking, facts: Vocabulary = FACTS) -> Iterator[Sides]:
    """Each condition of a row from both sides, to exercise a check that stands alone."""
    for name, allowed in row.when.items():
        others = frozenset(facts[name]) - allowed
        yield Sides(name, solution(row.when, facts), solution({**row.when, name: others}, facts))


def said(facts: Mapping[str, Fact | tuple[Fact, ...]]) -> str:
    """A fact combination as a person reads it: "icans_grade=2 or 3, adult=true"."""
    return ", ".join(f"{name}={_either(value)}" for name, value in facts.items()) or "any facts"


def _either(value: Fact | tuple[Fact, ...]) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return " or ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
