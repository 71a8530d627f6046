"""docs/hazards.md: every hazard has a control and a test that exists, or is said not to be controlled."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "hazards.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in TEXT.splitlines() if re.match(r"\| H\d\d ", line)]
LAST = 58


def test_every_hazard_is_controlled_or_said_not_to_be() -> None:
    controlled = [row[0].strip() for row in ROWS]
    assert len(controlled) == len(set(controlled))
    said = re.findall(r"H\d\d", TEXT.split("Not controlled by this software")[1])
    assert sorted([*controlled, *said]) == [f"H{number:02}" for number in range(1, LAST + 1)]


def test_every_control_names_tests_that_exist() -> None:
    for row in ROWS:
        identity, _, severity, control, tests = (cell.strip() for cell in row)
        assert severity in "12345"
        assert control
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert named, identity
        for path, name in named:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert f"\ndef {name}(" in source, f"{identity}: {path}::{name}"
