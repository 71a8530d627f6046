"""A management protocol from a document: rows that ask about facts, advise once per topic, and cite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rules.documents import Citation, Document, DocumentRef, KnowledgeError, cites
from rules.draft_facts import VOCABULARY
from rules.facts import FACTS, Fact, Facts

REQUESTS = (
    "ice-assessment",
    "steroid-review",
    "eeg",
    "mri-brain",
    "ct-head",
    "neurology-consult",
    "icu",
    "lumbar-puncture",
    "icans-diagnosis",
)
"""What a row may ask for beside a drug: a task, an examination, a place of care, a coded diagnosis."""


@dataclass(frozen=True, slots=True)
class Therapy:
    """A dose of the dosing document that a row proposes, and whether the row prefers it."""

    dosing: str
    preferred: bool


@dataclass(frozen=True, slots=True)
class Correction:
    """What a check would do to the very draft it speaks of: a dose in its place, or None to take it out."""

    dosing: str | None
    preferred: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row: when all its conditions hold, it advises. Without an `indicator` it makes no card of its own.

    `act` says what the causative agent needs: None, "withhold" or "stop". `correct` belongs to a check of
    a draft; `requests` are ids of REQUESTS.
    """

    id: str
    topic: str
    when: Mapping[str, frozenset[Fact]]
    summary: str
    do: tuple[str, ...]
    indicator: str | None
    therapies: tuple[Therapy, ...]
    act: str | None
    strength: str
    certainty: str
    cites: tuple[Citation, ...]
    correct: Correction | None = None
    requests: tuple[str, ...] = ()

    def holds(self, facts: Facts) -> bool | None:
        """True, False, or None when every known condition holds and one is unknown."""
        unknown = False
        for name, allowed in self.when.items():
            value = facts[name]
            if value is None:
                unknown = True
            elif value not in allowed:
                return False
        return None if unknown else True

    def unknown(self, facts: Facts) -> tuple[str, ...]:
        """The facts of this row that are not known."""
        return tuple(name for name in self.when if facts[name] is None)


@dataclass(frozen=True, slots=True)
class Topic:
    """What a row may speak about; `code` is static and alphanumeric, as an EHR remembers overrides by it.

    `kind`: of a "choice" exactly one row holds for every complete set of facts; each row of a "check"
    stands alone and speaks of one draft. `joins`: the topic whose card, if there is one, carries what a
    check says, so that one danger makes one card.
    """

    id: str
    title: str
    kind: str = "choice"
    joins: str | None = None

    @property
    def code(self) -> str:
        """The topic's code on a card."""
        return self.id.replace("-", "")


@dataclass(frozen=True, slots=True)
class Protocol:
    """A versioned management document: topics in the order cards are shown, and their rows.

    `rows` are those of choice topics; `checks` those of check topics, asked once a draft. `answers` is the memory of recommend(): what these rows say to a set of facts.
    """

    ref: DocumentRef
    title: str
    url: str
    status: str
    topics: tuple[Topic, ...]
    rows: tuple[Row, ...]
    checks: tuple[Row, ...] = ()
    answers: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    checks_by_draft: dict[str, tuple[Row, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)
    by_id: Mapping[str, Topic] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """`by_id` are the topics."""
        object.__setattr__(self, "by_id", {topic.id: topic for topic in self.topics})

    def checks_of(self, draft: str) -> tuple[Row, ...]:
        """The checks that may fire for a kind of draft; looked up once."""
        found = self.checks_by_draft.get(draft)
        if found is None:
            found = tuple(row for row in self.checks if draft in row.when.get("draft", (draft,)))
            self.checks_by_draft[draft] = found
        return found

    def topic(self, topic_id: str) -> Topic:
        """A topic by its id."""
        return self.by_id[topic_id]


def protocol_from(document: Document, known: frozenset[str], doses: frozenset[str]) -> Protocol:
    """The protocol of a document; raises KnowledgeError for an unknown fact, value, topic or dose."""
    body = document.body
    topics = tuple(
        Topic(row["id"], row["title"], row.get("kind", "choice"), row.get("joins")) for row in body["topics"]
    )
    names = {topic.id: topic for topic in topics}
    for index, topic in enumerate(topics):
        if topic.joins is not None and (topic.kind != "check" or topic.joins not in names):
            at = f"$.topics[{index}].joins"
            raise KnowledgeError(document.name, at, f"a topic that a check joins, found {topic.joins!r}")
    rows: list[Row] = []
    for index, entry in enumerate(body["rows"]):
        path = f"$.rows[{index}]"
        if entry["topic"] not in names:
            raise KnowledgeError(document.name, f"{path}.topic", f"one of {sorted(names)}, found {entry['topic']!r}")
        if any(row.id == entry["id"] for row in rows):
            raise KnowledgeError(document.name, f"{path}.id", f"each id once, found {entry['id']!r} again")
        is_check = names[entry["topic"]].kind == "check"
        rows.append(_row(document.name, path, entry, known, doses, VOCABULARY if is_check else FACTS))
    return Protocol(
        document.ref,
        body["title"],
        body["url"],
        body["status"],
        topics,
        rows=tuple(row for row in rows if names[row.topic].kind != "check"),
        checks=tuple(row for row in rows if names[row.topic].kind == "check"),
    )


def _row(
    name: str,
    path: str,
    entry: dict[str, Any],
    known: frozenset[str],
    doses: frozenset[str],
    vocabulary: Mapping[str, tuple[Fact, ...]],
) -> Row:
    advise = entry.get("advise", {})
    therapies = tuple(Therapy(t["dosing"], t.get("preferred", False)) for t in advise.get("therapies", ()))
    asked = [(f"therapies[{index}].dosing", therapy.dosing) for index, therapy in enumerate(therapies)]
    correct = advise.get("correct")
    if correct is not None and "dosing" in correct:
        asked.append(("correct.dosing", correct["dosing"]))
    for at, dosing in asked:
        if dosing not in doses:
            raise KnowledgeError(name, f"{path}.advise.{at}", f"an id of the dosing document, found {dosing!r}")
    return Row(
        id=entry["id"],
        topic=entry["topic"],
        when={
            fact: _values(name, f"{path}.when.{fact}", fact, values, vocabulary)
            for fact, values in entry["when"].items()
        },
        summary=advise.get("summary", entry.get("reason", "")),
        do=tuple(advise.get("do", ())),
        indicator=advise.get("indicator"),
        therapies=therapies,
        act=advise.get("act"),
        strength=entry["strength"],
        certainty=entry["certainty"],
        cites=cites(name, path, entry["cites"], known),
        correct=None if correct is None else Correction(correct.get("dosing"), correct.get("preferred", False)),
        requests=tuple(advise.get("requests", ())),
    )


def _values(
    name: str, path: str, fact: str, values: list[Any], vocabulary: Mapping[str, tuple[Fact, ...]]
) -> frozenset[Fact]:
    if fact not in vocabulary:
        raise KnowledgeError(name, path, f"one of the facts {sorted(vocabulary)}")
    allowed = vocabulary[fact]
    for index, value in enumerate(values):
        if not any(value == known and type(value) is type(known) for known in allowed):
            raise KnowledgeError(name, f"{path}[{index}]", f"one of {list(allowed)}, found {value!r}")
    return frozenset(values)
