"""The documentation site builds, its links lead somewhere, and what is made from documents is current."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
BASIS: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/clinical_basis.py"))
CHECK: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/check_site.py"))


def test_the_clinical_basis_is_current() -> None:
    assert (ROOT / "docs/clinical-basis.md").read_text("utf-8") == BASIS["page"](), "python scripts/clinical_basis.py --write"


def test_every_source_is_on_the_page() -> None:
    page = BASIS["page"]()
    entries = json.loads((ROOT / "rules/knowledge/bibliography.json").read_bytes())["entries"]
    assert len(entries) >= 15
    for entry in entries:
        assert entry["citation"] in page


def test_the_site_builds_with_every_link_checked() -> None:
    built = subprocess.run(["make", "docs", f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in (ROOT / "build/docs").glob("*.html")}


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ('<a href="gone.html">', "leads nowhere"),
        ('<a href="other.html#gone">', "no such place"),
        ('<script src="https://cdn.example.org/x.js"></script>', "another host"),
        ('<a href="other.html#here"> <a href="https://example.org">', None),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, page: str, said: str | None) -> None:
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "other.html").write_text('<p id="here">')
    found = list(CHECK["problems"](tmp_path))
    assert [said in one for one in found] == ([True] if said else [])


def test_every_setting_named_in_the_docs_is_one() -> None:
    from cds_hooks.settings import PREFIX, Settings

    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {"ICANS_RENEW_EXAMPLES"}
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        named = set(re.findall(r"\bICANS_[A-Z_]+[A-Z]\b", path.read_text("utf-8")))
        assert named <= known, f"{path.name}: {named - known}"


def test_the_prefetch_to_type_in_is_that_of_discovery() -> None:
    from cds_hooks.services import PREFETCH

    page = (ROOT / "docs/connect.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([A-Z][^`]+)` \|$", page, re.MULTILINE))
    assert rows == dict(PREFETCH)
