"""`icans-cds check`: every problem of the knowledge documents, one a line; a site's own vignettes."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from rules import KnowledgeError, load_knowledge
from rules.assessing import SHIPPED_PROTOCOLS, bibliography
from rules.checking import Problem, check_protocol
from rules.vignettes import VignetteError, failures

CLEAN, PROBLEMS, WRONG_USAGE = 0, 1, 2


def run(paths: Sequence[str], vignettes: str | None) -> int:
    """Checks the named protocols, or all that ship; then runs the vignettes. Exit code 0, 1 or 2."""
    named = [Path(path) for path in paths] or [Path(name) for name in SHIPPED_PROTOCOLS]
    code = CLEAN
    for path in named:
        code = max(code, _check(path))
    if not paths:
        code = max(code, _shipped())
    if vignettes is not None and code < PROBLEMS:
        code = max(code, _vignettes(named if paths else [], vignettes))
    return code


def _check(path: Path) -> int:
    began = time.perf_counter()
    try:
        checked = check_protocol(path)
    except KnowledgeError as problem:
        _complain(str(problem))
        return WRONG_USAGE if "readable file" in problem.expected else PROBLEMS
    for found in checked.problems:
        _show(found)
    if checked.status != "active":
        print(f"{checked.name}: status is {checked.status}: the service does not load it")
    if checked.problems or checked.protocol is None:
        return PROBLEMS
    rows, topics = len(checked.protocol.rows), len(checked.protocol.topics)
    spent = (time.perf_counter() - began) * 1000
    print(f"{checked.name} is complete: {rows} rows, {topics} topics, proved in {spent:.0f} ms")
    return CLEAN


def _show(problem: Problem) -> None:
    print(problem)
    if problem.example:
        print(f"    for example: {problem.example}")


def _shipped() -> int:
    """The other shipped documents, and sources that nothing cites."""
    try:
        load_knowledge()
    except KnowledgeError as problem:
        print(problem)
        return PROBLEMS
    used = {ref for document in _documents() for ref in _refs(document)}
    unused = [source for source in bibliography() if source not in used]
    for source in unused:
        print(f"bibliography.json: {source}: is cited by no document")
    return PROBLEMS if unused else CLEAN


def _documents() -> list[Any]:
    folder = files("rules") / "knowledge"
    return [json.loads(f.read_bytes()) for f in folder.iterdir() if f.name.endswith(".json")]


def _refs(value: Any) -> set[str]:
    """Every `ref` of a citation within a document."""
    if isinstance(value, Mapping):
        own = {value["ref"]} if isinstance(value.get("ref"), str) else set()
        return own.union(*(_refs(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(_refs(item) for item in value))
    return set()


def _vignettes(protocols: Sequence[Path], name: str) -> int:
    try:
        rows = _rows(Path(name))
        knowledge = load_knowledge(protocols, allow_draft=True)
        failed = [f"line {number}: {failure}" for number, row in rows for failure in failures(row, knowledge)]
    except OSError as problem:
        _complain(f"{name}: {problem.strerror}; a readable file was expected")
        return WRONG_USAGE
    except (VignetteError, KeyError, ValueError) as problem:
        print(f"{name}: {problem}")
        return PROBLEMS
    for line in failed:
        print(f"{name}: {line}")
    if failed:
        return PROBLEMS
    print(f"{name}: {len(rows)} vignettes pass")
    return CLEAN


def _rows(path: Path) -> list[tuple[int, Mapping[str, str]]]:
    """The rows of a CSV file, with their line numbers; lines that begin with # are remarks."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = [(n, line) for n, line in enumerate(stream, start=1) if line.strip() and not line.startswith("#")]
    reader = csv.DictReader([line for _, line in lines])
    return [(lines[index + 1][0], row) for index, row in enumerate(reader)]


def _complain(text: str) -> None:
    print(f"icans-cds check: {text}", file=sys.stderr)
