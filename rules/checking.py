"""Every problem of a protocol document at once: schema, facts, citations, doses, gaps, conflicts, dead rows.

`load_knowledge` stops at the first problem, as a service must; a person who edits a document wants all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rules.assessing import SHIPPED_PROTOCOLS, bibliography
from rules.documents import SHIPPED, packaged, read_only, schema_problems
from rules.dosing import dosing_from
from rules.facts import Fact
from rules.protocol import Topic
from rules.proving import Flaw, Vocabulary, said, topic_flaws, vocabulary

PLACEHOLDERS = ("grade", "score", "last_score", "aside")
SUMMARY_LIMIT = 139
"""CDS Hooks: a summary is under 140 characters."""

Longest = Callable[[str, Mapping[str, frozenset[Fact]]], str]
"""A summary and the conditions of its row, to the longest sentence it can become."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the document, the JSON path, what was expected and found, and a fact set that shows it."""

    document: str
    path: str
    text: str
    example: str = ""

    def __str__(self) -> str:
        return f"{self.document}: {self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `unproved`: topics with a row that could not be read, so gaps were not looked for."""

    name: str
    status: str
    problems: tuple[Problem, ...]
    rows: int
    topics: int
    unproved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asks:
    """What can be read of a row when only its conditions matter."""

    id: str
    when: Mapping[str, frozenset[Fact]]


@dataclass(frozen=True, slots=True)
class _Known:
    """What a protocol may refer to, and how long its sentences become."""

    sources: tuple[str, ...]
    doses: tuple[str, ...]
    longest: Longest
    kinds: Mapping[str, str] = field(default_factory=dict)

    def facts(self, row: Any) -> Vocabulary:
        """The facts that a row may name, by the kind of its topic."""
        return vocabulary(self.kinds.get(str(_of(row, "topic")), "choice"))


def check_protocol(path: Path, longest: Longest = lambda text, _: text) -> Checked:
    """Every problem of a shipped protocol (by id) or of a file. Raises KnowledgeError when it cannot be read."""
    shipped = SHIPPED_PROTOCOLS.get(str(path))
    document = packaged(shipped, None) if shipped is not None else read_only(path)
    sources = tuple(bibliography())
    doses = tuple(dosing_from(packaged("dosing", "dosing"), frozenset(sources)).doses)
    return _checked(document.name, document.body, _Known(sources, doses, longest))


def _checked(name: str, body: Mapping[str, Any], known: _Known) -> Checked:
    rows, topics = _list(body.get("rows")), _list(body.get("topics"))
    names = [str(_of(topic, "id")) for topic in topics]
    known = replace(known, kinds={str(_of(t, "id")): str(_of(t, "kind") or "choice") for t in topics})
    found = [*schema_problems(body, "protocol"), *_twice("topics", topics), *_twice("rows", rows), *_same_code(names)]
    found += [
        (f"$.topics[{index}].joins", _one_of(joined, names, "topic"))
        for index, topic in enumerate(topics)
        if isinstance(joined := _of(topic, "joins"), str) and joined not in names
    ]
    for index, row in enumerate(rows):
        if isinstance(row, dict):
            found += [(f"$.rows[{index}]{at}", text) for at, text in _row_problems(row, names, known)]
    flawed, unproved = _proof(topics, rows, names, known)
    problems = [*(Problem(name, at, text) for at, text in dict.fromkeys(found)), *(_problem(name, rows, f) for f in flawed)]
    return Checked(name, str(body.get("status")), tuple(problems), len(rows), len(topics), unproved)


def _problem(name: str, rows: Sequence[Any], flaw: Flaw) -> Problem:
    ids = [_of(row, "id") for row in rows]
    path = f"$.rows[{ids.index(flaw.rows[-1])}]" if flaw.rows else "$.rows"
    return Problem(name, path, f"{flaw.kind}: {flaw.text}", said(flaw.example))


def _proof(
    topics: Sequence[Any], rows: Sequence[Any], names: Sequence[str], known: _Known
) -> tuple[list[Flaw], tuple[str, ...]]:
    """The flaws of what can be read, and the topics where a row that cannot be read may close a gap."""
    asked: dict[str, list[_Asks]] = {}
    unread: set[str] = set()
    for row in rows:
        asks, topic = _asks(row, known.facts(row)), _of(row, "topic")
        if topic not in names:
            unread |= set(get_close_matches(topic, names, n=1) if isinstance(topic, str) else ()) or set(names)
        elif asks is None:
            unread.add(topic)
        else:
            asked.setdefault(topic, []).append(asks)
    found: list[Flaw] = []
    for topic, name in zip(topics, names, strict=True):
        kind = "check" if _of(topic, "kind") == "check" else "choice"
        told = asked.get(name, [])
        found += topic_flaws(Topic(name, name, kind), told, all_read=name not in unread, facts=vocabulary(kind))
    return found, tuple(name for name in names if name in unread)


def _asks(row: Any, facts: Vocabulary) -> _Asks | None:
    """The conditions of a row; None when one of them is not usable."""
    when, name = _of(row, "when"), _of(row, "id")
    if not isinstance(when, dict) or not isinstance(name, str) or not all(isinstance(v, list) and v for v in when.values()):
        return None
    if any(True for fact, values in when.items() for _ in _condition_problems(fact, values, facts)):
        return None
    return _Asks(name, {fact: frozenset(values) for fact, values in when.items()})


def _row_problems(row: dict[str, Any], topics: Sequence[str], known: _Known) -> Iterator[tuple[str, str]]:
    if topics and isinstance(row.get("topic"), str) and row["topic"] not in topics:
        yield ".topic", _one_of(row["topic"], topics, "topic")
    when = row.get("when")
    for fact, values in when.items() if isinstance(when, dict) else ():
        yield from ((f".when.{at}", text) for at, text in _condition_problems(fact, _list(values), known.facts(row)))
    for index, cite in enumerate(_list(row.get("cites"))):
        if isinstance(_of(cite, "ref"), str) and cite["ref"] not in known.sources:
            yield f".cites[{index}].ref", _one_of(cite["ref"], known.sources, "bibliography id")
    advise = row.get("advise")
    if isinstance(advise, dict):
        yield from ((f".advise{at}", text) for at, text in _advice_problems(advise, _asks(row, known.facts(row)), known))


def _advice_problems(advise: dict[str, Any], asks: _Asks | None, known: _Known) -> Iterator[tuple[str, str]]:
    proposed = [_of(therapy, "dosing") for therapy in _list(advise.get("therapies"))]
    correct = _of(advise.get("correct"), "dosing")
    if isinstance(correct, str) and correct not in known.doses:
        yield ".correct.dosing", _one_of(correct, known.doses, "dose")
    for index, dose in enumerate(proposed):
        if isinstance(dose, str) and dose not in known.doses:
            yield f".therapies[{index}].dosing", _one_of(dose, known.doses, "dose")
    texts = [(".summary", advise.get("summary")), *((f".do[{i}]", t) for i, t in enumerate(_list(advise.get("do"))))]
    for at, text in texts:
        yield from ((at, problem) for problem in _placeholder_problems(text, (*proposed, correct), known))
    summary = advise.get("summary")
    if isinstance(summary, str) and asks is not None:
        full = known.longest(summary, asks.when)
        if len(full) > SUMMARY_LIMIT:
            text = f"at most {SUMMARY_LIMIT} characters with its placeholders filled were expected, found up to {len(full)}"
            yield ".summary", f"{text}: {full!r}"


def _placeholder_problems(text: Any, proposed: Sequence[Any], known: _Known) -> Iterator[str]:
    for name in re.findall(r"\{([^{}]*)\}", text) if isinstance(text, str) else ():
        if name in known.doses and name not in proposed:
            yield f"a dose that this row proposes was expected, found {{{name}}}, which stays unfilled"
        elif name not in (*PLACEHOLDERS, *known.doses):
            yield _one_of(name, (*PLACEHOLDERS, *known.doses), "placeholder")


def _condition_problems(fact: str, values: Sequence[Any], facts: Vocabulary) -> Iterator[tuple[str, str]]:
    if fact not in facts:
        yield fact, _one_of(fact, tuple(facts), "fact")
        return
    for index, value in enumerate(values):
        if not any(type(value) is type(known) and value == known for known in facts[fact]):
            text = f"one of {list(facts[fact])} was expected, found {value!r} ({type(value).__name__})"
            yield f"{fact}[{index}]", text


def _one_of(found: str, expected: Sequence[str], what: str) -> str:
    near = get_close_matches(found, expected, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"a known {what} was expected ({', '.join(expected)}), found {found!r}{hint}"


def _twice(member: str, items: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Ids that stand more than once, at each place after the first."""
    ids = [_of(item, "id") for item in items]
    for index, name in enumerate(ids):
        if isinstance(name, str) and name in ids[:index]:
            yield f"$.{member}[{index}].id", f"each id once was expected, found {name!r} again ($.{member}[{ids.index(name)}])"


def _same_code(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Topics whose codes on a card are the same: an override of one would silence the other."""
    codes = [Topic(name, name).code for name in names]
    for index, code in enumerate(codes):
        first = codes.index(code)
        if names[first] != names[index]:
            text = f"a code of its own was expected, found {code!r} of {names[first]!r} again"
            yield f"$.topics[{index}].id", text


def shipped_problems() -> list[Problem]:
    """Every schema error of the documents that ship, and every citation that does not fit the bibliography."""
    bodies = {f"{name}.json": packaged(name, None).body for name in SHIPPED}
    found = [
        Problem(f"{name}.json", at, text)
        for name, schema in SHIPPED.items()
        for at, text in schema_problems(bodies[f"{name}.json"], schema)
    ]
    return found + reference_problems(bodies, tuple(bibliography()))


def reference_problems(bodies: Mapping[str, Any], sources: Sequence[str]) -> list[Problem]:
    """Citations of no entry of the bibliography, and entries that no document cites."""
    cited = [(name, at, ref) for name, body in bodies.items() for at, ref in _refs(body, "$")]
    unknown = [Problem(n, at, _one_of(ref, sources, "bibliography id")) for n, at, ref in cited if ref not in sources]
    used = {ref for _, _, ref in cited}
    unused = [
        Problem("bibliography.json", f"$.entries[{index}]", f"a source that a document cites was expected, found {source!r}")
        for index, source in enumerate(sources)
        if source not in used
    ]
    return unknown + unused


def _refs(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Every `ref` of a citation within a document, with its path."""
    if isinstance(value, dict):
        if isinstance(value.get("ref"), str):
            yield f"{at}.ref", value["ref"]
        for member, item in value.items():
            yield from _refs(item, f"{at}.{member}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _refs(item, f"{at}[{index}]")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _of(value: Any, member: str) -> Any:
    return value.get(member) if isinstance(value, dict) else None
