"""The shipped protocols: complete, disjoint, and honest about what was not read."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from rules import KnowledgeError, Protocol, load_knowledge
from rules.facts import FACTS

KNOWLEDGE = load_knowledge((Path("icans-default"), Path("asco-2021")))


@pytest.mark.parametrize("protocol", KNOWLEDGE.protocols, ids=lambda p: p.ref.id)
def test_every_complete_set_of_facts_has_exactly_one_row_a_topic(protocol: Protocol) -> None:
    for topic in (t for t in protocol.topics if t.kind == "choice"):
        rows = [row for row in protocol.rows if row.topic == topic.id]
        names = sorted({name for row in rows for name in row.when})
        for values in itertools.product(*(FACTS[name] for name in names)):
            facts = dict(zip(names, values, strict=True))
            held = [row.id for row in rows if row.holds(facts)]
            assert len(held) == 1, f"{topic.id}: {facts}: {held}"


@pytest.mark.parametrize("protocol", KNOWLEDGE.protocols, ids=lambda p: p.ref.id)
def test_what_was_not_read_says_so(protocol: Protocol) -> None:
    for row in protocol.rows:
        if any(c.ref == "general-knowledge" for c in row.cites):
            assert "general knowledge" in row.certainty, row.id
        if any(c.ref == "chinese-consensus-2024" for c in row.cites):
            assert "not read" in row.certainty, row.id


def test_asco_grade_4_is_marked_draft_and_recommends_nothing() -> None:
    asco = next(p for p in KNOWLEDGE.protocols if p.ref.id == "asco-2021")
    (row,) = [r for r in asco.rows if r.id == "asco-steroid-4"]
    assert row.strength == "draft"
    assert not any(therapy.preferred for therapy in row.therapies)


def test_a_protocol_that_is_not_there_is_named() -> None:
    with pytest.raises(KnowledgeError, match=r"nowhere\.json: \$: a readable file"):
        load_knowledge((Path("nowhere.json"),))
