"""Imports point inward: cds_hooks -> fhir_mappers -> rules; each room keeps to its libraries."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "rules": {"rules"},
    "fhir_mappers": {"rules", "fhir_mappers", "msgspec", "fhir", "pydantic"},
}
ONLY_IN = {
    "jsonschema": {"rules/documents.py"},
    "sqlalchemy": {"cds_hooks/store/", "cds_hooks/migrations/", "cds_hooks/trust/replay.py"},
    "alembic": {"cds_hooks/store/", "cds_hooks/migrations/"},
    "requests": {"cds_hooks/fhir_client.py", "cds_hooks/outgoing.py", "cds_hooks/trying.py"},
    "jwt": {"cds_hooks/trust/"},
}
PURE = {"socket", "urllib", "http", "subprocess", "logging", "os", "time", "random"}
FILES = [p for room in ("rules", "fhir_mappers", "cds_hooks") for p in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Full names of what a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    room = relative.split("/")[0]
    for name in imports(path):
        top = name.split(".")[0]
        places = ONLY_IN.get(top)
        if places is not None:
            assert any(relative.startswith(place) for place in places), f"{relative} imports {name}"
        elif room in MAY_IMPORT and top not in sys.stdlib_module_names:
            assert top in MAY_IMPORT[room], f"{relative} imports {name}"
        if room in MAY_IMPORT:
            assert top not in PURE, f"{relative} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_fhir_resources_is_only_imported_as_r4b(path: Path) -> None:
    wrong = [n for n in imports(path) if n.startswith("fhir.resources") and not n.startswith("fhir.resources.R4B")]
    assert wrong == [], "the top-level classes of fhir.resources are R5"


@pytest.mark.parametrize("path", [p for p in FILES if p.parts[-2] == "rules" or "fhir_mappers" in p.parts], ids=lambda p: p.name)
def test_the_inner_rooms_never_read_the_clock(path: Path) -> None:
    called = {
        node.attr for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Attribute)
    }
    assert not called & {"now", "utcnow", "today", "environ", "getenv"}


def test_only_documents_reads_files_in_rules() -> None:
    for path in sorted((ROOT / "rules").glob("*.py")):
        if path.name == "documents.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"open", "read_text", "read_bytes", "print", "input"}


def test_nothing_imports_the_examples() -> None:
    for path in FILES:
        assert "examples" not in {name.split(".")[0] for name in imports(path)}
