"""`icans-cds check`: every problem of the knowledge documents, one a line; a site's own vignettes."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cds_hooks.longest import longest
from cds_hooks.printing import say
from rules import Knowledge, KnowledgeError, load_knowledge
from rules.assessing import SHIPPED_PROTOCOLS
from rules.checking import Checked, Longest, check_protocol, shipped_problems
from rules.vignettes import VignetteError, failures, published

CLEAN, PROBLEMS, WRONG_USAGE = 0, 1, 2


def run(paths: Sequence[str], vignettes: str | None) -> int:
    """Checks the named protocols, or all that ships; then runs the vignettes. Exit code 0, 1 or 2."""
    problems = [] if paths else shipped_problems()
    for problem in problems:
        say(str(problem))
    code = PROBLEMS if problems else CLEAN
    knowledge = _shipped_knowledge()
    if knowledge is None:
        return PROBLEMS
    filled = longest(knowledge)
    filled("{grade}", {})  # so that the time said is the check's, not that of the charts to fill it with
    for path in paths or SHIPPED_PROTOCOLS:
        code = max(code, _check(Path(path), filled))
    if vignettes is not None and code == CLEAN:
        code = max(code, _vignettes([Path(path) for path in paths], vignettes))
    return code


def _shipped_knowledge() -> Knowledge | None:
    """The documents that ship; without them nothing can be checked."""
    try:
        return load_knowledge()
    except KnowledgeError as problem:
        say(str(problem))
        return None


def _check(path: Path, filled: Longest) -> int:
    began = time.perf_counter()
    try:
        checked = check_protocol(path, filled)
    except KnowledgeError as problem:
        _complain(str(problem))
        return WRONG_USAGE if "readable file" in problem.expected else PROBLEMS
    spent = (time.perf_counter() - began) * 1000
    for found in checked.problems:
        say(str(found))
        if found.example:
            say(f"    for example: {found.example}")
    _say_status(checked)
    if checked.problems:
        return PROBLEMS
    say(f"{checked.name} is complete: {checked.rows} rows, {checked.topics} topics, proved in {spent:.0f} ms")
    return CLEAN


def _say_status(checked: Checked) -> None:
    if checked.unproved:
        topics = ", ".join(checked.unproved)
        say(f"{checked.name}: gaps not looked for in {topics}: a row that cannot be read may close them")
    if checked.status == "draft":
        say(f"{checked.name}: status is draft: the service loads it only with ICANS_DEMO=1")
    if checked.status == "retired":
        say(f"{checked.name}: status is retired: the service does not load it")


def _vignettes(protocols: Sequence[Path], name: str) -> int:
    """Runs each vignette; one that cannot be read fails as one that comes out otherwise."""
    try:
        rows = _rows(Path(name))
        knowledge = load_knowledge(protocols, allow_draft=True)
    except OSError as problem:
        _complain(f"{name}: a readable file was expected ({problem.strerror})")
        return WRONG_USAGE
    except (ValueError, RecursionError, csv.Error) as problem:
        _complain(f"{name}: vignettes as CSV or JSON in UTF-8 were expected ({problem})")
        return WRONG_USAGE
    except KnowledgeError as problem:
        say(str(problem))
        return PROBLEMS
    failed = [(place, said) for place, row in rows for said in _failures(row, knowledge)]
    for place, said in failed:
        say(f"{name}: {place}: {said}")
    if not rows:
        say(f"{name}: at least one vignette was expected, found none")
    if failed or not rows:
        return PROBLEMS
    say(f"{name}: {len(rows)} vignettes pass")
    return CLEAN


def _failures(row: Any, knowledge: Knowledge) -> list[str]:
    try:
        return [str(failure) for failure in failures(published(row) if "findings" in row else row, knowledge)]
    except VignetteError as problem:
        return [str(problem)]


def _rows(path: Path) -> list[tuple[str, Any]]:
    """The rows of a CSV file with their lines, or of the published JSON layout with their paths."""
    text = path.read_bytes().decode("utf-8-sig")
    if not text.lstrip().startswith(("[", "{")):
        return _csv_rows(text)
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(row, dict) and "findings" in row for row in found):
        raise ValueError("as JSON: a list of objects with findings")
    return [(f"$[{index}]", row) for index, row in enumerate(found)]


def _csv_rows(text: str) -> list[tuple[str, Any]]:
    """Lines that begin with # are remarks; a row is named by the line it begins on."""
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(keepends=True), start=1)
        if line.strip() and not line.startswith("#")
    ]
    reader = csv.DictReader((line for _, line in lines), strict=True)
    begins = reader.line_num if reader.fieldnames else 0
    found: list[tuple[str, Any]] = []
    for row in reader:
        found.append((f"line {lines[begins][0]}", row))
        begins = reader.line_num
    return found


def _complain(text: str) -> None:
    print(f"icans-cds check: {text}", file=sys.stderr)
