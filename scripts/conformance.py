"""Make docs/conformance.md from tests/cds_hooks/test_conformance.py.

    python scripts/conformance.py            print it
    python scripts/conformance.py --write    write it

A row is a requirement: its level, the first line of its test's docstring, the test. Nothing is written by hand,
so that the table cannot say more than the tests do.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests/cds_hooks/test_conformance.py"
PAGE = ROOT / "docs/conformance.md"

LEVELS = {
    "SHALL": (
        "J01 J02 J05 J06 D01 D02 D04 D06 D07 D08 D15 H01 H02 H03 H05 H07 H10 H11 C01 C02 C03 C06 C07 C08 C09 "
        "C10 C11 C13 C14 C15 P01 P02 P03 P04 P05 P06 P07 P08 P10 Q01 Q02 Q03 Q04 Q05 Q07 Q08 Q11 F02 F03 F04 "
        "F05 F06 F07 R01 R04 R07 R08 K01 K02 K03 K05 K07 K10 K11 K14 S01 S07 G01 G03 G05 A01 A02 A03 A04 A05 "
        "A07 A08 Y01 Y02 O01 O02 L01 L02 L03 L06 B02 B03 B04 B06 B07 B08 B09 T03 T04 T05 T06 T08 T13 T17 T18 "
        "T19 X01 X02 X04 X06 U02 U03 N02 N03 N04 "
    ),
    "SHALL NOT": (
        "J03 J04 D17 Q09 F09 A09 L04 L07 T10 T11 X03 "
    ),
    "SHOULD NOT": (
        "J07 F08 S03 Y03 "
    ),
    "SHOULD": (
        "J08 D09 D12 D16 H09 P09 P11 P12 P13 Q06 R06 K08 K15 K16 A06 A10 O04 B10 B11 T01 T07 T09 T12 T14 T15 "
        "T16 X05 N01 "
    ),
    "should*": (
        "D03 H06 C04 C05 C12 Q10 R03 S06 G07 "
    ),
}
"""Ids by level: SHALL and SHOULD of the specification's text, should* where it says so in lower case."""

CHAPTERS = {
    "J": "JSON and transport",
    "D": "Discovery",
    "H": "Being called",
    "C": "Hook contexts",
    "P": "Prefetch templates",
    "Q": "Prefetched data",
    "F": "FHIR access",
    "R": "The answer and its status",
    "K": "Cards",
    "S": "Source",
    "G": "Suggestions",
    "A": "Actions",
    "Y": "System actions",
    "O": "Codings and override reasons",
    "L": "Links",
    "B": "Feedback",
    "T": "Trusting clients",
    "X": "CORS and extensions",
    "U": "Stale guidance",
    "N": "Performance and behaviour",
}

HEAD = """# Conformance with CDS Hooks 2.0.1

Made from the tests by `python scripts/conformance.py --write`; do not edit. Each requirement on a service is one
test in `tests/cds_hooks/test_conformance.py`, named by its id, run by `make test`. From CDS Hooks 3.0 the service
takes what hurts nobody: `version` in discovery and an OperationOutcome as the body of errors. What a MAY allows is
not listed. TLS, the agreement with the EHR and the registration of the service belong to the site; their rows
test what the service decides about them and that `docs/threat-model.md` says the rest.
"""


def levels() -> dict[str, str]:
    """The level of each requirement by its id."""
    return {one: level for level, ids in LEVELS.items() for one in ids.split()}


def tested() -> dict[str, str]:
    """What is required by the id, as the test says it."""
    tree = ast.parse(TESTS.read_text(encoding="utf-8"))
    named = {
        node.name.removeprefix("test_"): (ast.get_docstring(node) or "").partition("\n")[0]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    return {name: said for name, said in named.items() if name in levels()}


def page() -> str:
    """The whole document."""
    known, found = levels(), tested()
    lines = [HEAD]
    for letter, chapter in CHAPTERS.items():
        ids = [one for one in found if one[0] == letter]
        lines += [f"## {chapter}", "", "| id | level | what is tested | test |", "|---|---|---|---|"]
        lines += [f"| {one} | {known[one]} | {found[one].replace('|', chr(92) + '|')} | `test_{one}` |" for one in sorted(ids)]
        lines.append("")
    lines.append(f"{len(found)} of {len(known)} requirements have a test.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
