"""Writes docs/clinical-basis.md from the knowledge documents: what is graded by, and every source cited.

`python scripts/clinical_basis.py --write`; without it the page is printed. A test holds the page to the documents.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KNOWLEDGE = ROOT / "rules" / "knowledge"
PAGE = ROOT / "docs" / "clinical-basis.md"
HEAD = """# Clinical basis

Made from the documents in `rules/knowledge/` by `python scripts/clinical_basis.py --write`; do not edit. Nothing here
replaces the sources. *Read* says how far a source was read for this project: what was not read in full is to
be checked before use. A row of a document cites one or more of these; the record of every decision names each
document with its version and hash.

## Documents
"""


def page() -> str:
    """The page as Markdown."""
    documents = {path.stem: json.loads(path.read_bytes()) for path in sorted(KNOWLEDGE.glob("*.json"))}
    entries = documents.pop("bibliography")["entries"]
    cited: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, int] = defaultdict(int)
    for body in documents.values():
        for ref in _refs(body):
            cited[ref].add(body["id"])
            counts[ref] += 1
    lines = [HEAD, "| Document | Version | Title | Status |", "|---|---|---|---|"]
    lines += [
        f"| `{body['id']}` | {body['version']} | {_cell(body.get('title', ''))} | {body.get('status', '')} |"
        for body in documents.values()
    ]
    lines += ["", "## Sources", ""]
    for entry in entries:
        lines += [f"### {entry['label']}", "", f"{entry['citation']}", ""]
        lines += [f"- Link: <{entry['url']}>"] if entry.get("url") else []
        lines += [f"- Read: {entry['read']}"] if entry.get("read") else []
        where = ", ".join(f"`{one}`" for one in sorted(cited[entry["id"]])) or "no row yet"
        lines += [f"- Cited {counts[entry['id']]} times, as `{entry['id']}`, in {where}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("ref"), str):
            yield value["ref"]
        for item in value.values():
            yield from _refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _refs(item)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
