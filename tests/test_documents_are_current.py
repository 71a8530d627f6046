"""Documents made from the tests, or naming tests, are what the tests are."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CONFORMANCE: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/conformance.py"))
THREATS = (ROOT / "docs/threat-model.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in THREATS.splitlines() if re.match(r"\| T\d", line)]


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_requirement_has_its_test() -> None:
    assert set(CONFORMANCE["tested"]()) == set(CONFORMANCE["levels"]())
    assert all(said.endswith(".") for said in CONFORMANCE["tested"]().values())


def test_the_conformance_table_is_current() -> None:
    written = (ROOT / "docs/conformance.md").read_text("utf-8")
    assert written == CONFORMANCE["page"](), "python scripts/conformance.py --write"


def test_every_threat_is_there_once() -> None:
    assert [row[0] for row in ROWS] == [f"T{number}" for number in range(1, 33)]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_every_test_named_by_a_threat_exists(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
    assert named, f"{row[0]} names no test"
    for path, name in named:
        assert name in functions_of(path), f"{row[0]}: {path} has no {name}"
