"""Every problem of a protocol document at once: schema, facts, citations, doses, gaps, conflicts, dead rows.

`load_knowledge` stops at the first problem, as a service must; a person who edits a document wants all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rules.assessing import SHIPPED_PROTOCOLS, bibliography
from rules.documents import Document, KnowledgeError, packaged, read_only, schema_problems
from rules.dosing import dosing_from
from rules.facts import FACTS
from rules.protocol import Protocol, protocol_from
from rules.proving import Flaw, flaws, said

PLACEHOLDERS = ("grade", "score", "last_score", "aside")


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
    """What a check found. `protocol` is None when the document cannot even be read as one."""

    name: str
    problems: tuple[Problem, ...]
    protocol: Protocol | None
    status: str


def check_protocol(path: Path) -> Checked:
    """Every problem of a shipped protocol (by id) or of a file. Raises KnowledgeError when it cannot be opened."""
    shipped = SHIPPED_PROTOCOLS.get(str(path))
    document = packaged(shipped, None) if shipped is not None else read_only(path)
    body = document.body
    schema = [Problem(document.name, at, text) for at, text in schema_problems(body, "protocol")]
    known = frozenset(bibliography())
    doses = frozenset(dosing_from(packaged("dosing", "dosing"), known).doses)
    rows = [r for r in body.get("rows", []) if isinstance(r, dict)] if isinstance(body.get("rows"), list) else []
    found = [p for index, row in enumerate(rows) for p in _row_problems(document.name, index, row, body, known, doses)]
    status = str(body.get("status", "not said"))
    if schema or found:
        return Checked(document.name, tuple(dict.fromkeys([*schema, *found])), None, status)
    return _proved(document, known, doses, status)


def _proved(document: Document, known: frozenset[str], doses: frozenset[str], status: str) -> Checked:
    try:
        protocol = protocol_from(document, known, doses)
    except KnowledgeError as problem:
        return Checked(document.name, (Problem(document.name, problem.path, problem.expected),), None, status)
    problems = [_flaw(document.name, protocol, flaw) for flaw in flaws(protocol)]
    return Checked(document.name, tuple(problems), protocol, status)


def _flaw(name: str, protocol: Protocol, flaw: Flaw) -> Problem:
    ids = [row.id for row in protocol.rows]
    path = f"$.rows[{ids.index(flaw.rows[-1])}]" if flaw.rows else "$.rows"
    return Problem(name, path, f"{flaw.kind}: {flaw.text}", said(flaw.example))


def _row_problems(
    name: str, index: int, row: dict[str, Any], body: Mapping[str, Any], known: frozenset[str], doses: frozenset[str]
) -> Iterator[Problem]:
    at = f"$.rows[{index}]"
    topics = [t.get("id") for t in body.get("topics", []) if isinstance(t, dict)]
    if row.get("topic") not in topics:
        yield Problem(name, f"{at}.topic", f"one of the topics {topics} was expected, found {row.get('topic')!r}")
    when = row.get("when")
    for fact, values in (when.items() if isinstance(when, dict) else ()):
        yield from _condition_problems(name, f"{at}.when.{fact}", fact, values)
    for place, cite in enumerate(row.get("cites") or ()):
        if isinstance(cite, dict) and cite.get("ref") not in known:
            yield Problem(name, f"{at}.cites[{place}].ref", f"a bibliography id was expected, found {cite.get('ref')!r}")
    advise = row.get("advise")
    if not isinstance(advise, dict):
        return
    for place, therapy in enumerate(advise.get("therapies") or ()):
        if isinstance(therapy, dict) and therapy.get("dosing") not in doses:
            text = f"an id of the dosing document was expected, found {therapy.get('dosing')!r}"
            yield Problem(name, f"{at}.advise.therapies[{place}].dosing", text)
    texts = [("summary", advise.get("summary")), *((f"do[{i}]", t) for i, t in enumerate(advise.get("do") or ()))]
    for where, text in texts:
        if isinstance(text, str):
            yield from _placeholder_problems(name, f"{at}.advise.{where}", text, doses)


def _condition_problems(name: str, at: str, fact: str, values: Any) -> Iterator[Problem]:
    if fact not in FACTS:
        near = get_close_matches(fact, FACTS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield Problem(name, at, f"unknown fact {fact!r}: one of {', '.join(FACTS)} was expected{hint}")
        return
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if not any(type(value) is type(known) and value == known for known in FACTS[fact]):
            text = f"one of {list(FACTS[fact])} was expected, found {value!r} ({type(value).__name__})"
            yield Problem(name, f"{at}[{index}]", text)


def _placeholder_problems(name: str, at: str, text: str, doses: frozenset[str]) -> Iterator[Problem]:
    for placeholder in re.findall(r"\{([^{}]*)\}", text):
        if placeholder not in PLACEHOLDERS and placeholder not in doses:
            yield Problem(name, at, f"unknown placeholder {{{placeholder}}}: {', '.join(PLACEHOLDERS)} or a dose id")
