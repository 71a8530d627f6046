"""Real FHIR data without an immune effector therapy: no exception, no card."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_hooks.evaluating import decided
from cds_hooks.refusal import Refusal
from rules import load_knowledge

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "validation"
WHOLE = ROOT.parent / "shared" / "corpus" / "dev"
KNOWLEDGE = load_knowledge()
LATER = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def content(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def documents(base: Path) -> list[Path]:
    return [p for p in sorted(base.rglob("*")) if p.name.endswith((".json", ".json.gz"))]


def tables(base: Path) -> list[Path]:
    return [p for p in sorted(base.rglob("*")) if p.name.endswith((".ndjson", ".ndjson.gz"))]


def by_patient(paths: list[Path]) -> Iterator[tuple[str, list[Any]]]:
    """The lines of an export by the patient they are about; unreadable lines belong to all, as they come."""
    found: dict[str, list[Any]] = {}
    for path in paths:
        for line in content(path).splitlines():
            try:
                body = json.loads(line)
            except ValueError:
                continue
            if not isinstance(body, dict):
                continue
            subject = body.get("subject") or body.get("patient") or {}
            about = subject.get("reference", "") if isinstance(subject, dict) else ""
            key = str(body.get("id")) if body.get("resourceType") == "Patient" else about.split("/")[-1].removeprefix("urn:uuid:")
            found.setdefault(key, []).append(body)
    yield from found.items()


def quiet(body: bytes, name: str) -> int:
    """Evaluates once; a refusal of the whole file is an answer too."""
    try:
        cards = decided(body, LATER, KNOWLEDGE).cards
    except Refusal:
        return 0
    assert cards == [], name
    return 1


def test_files_of_the_sample_and_of_the_corpus_when_it_is_there() -> None:
    base = WHOLE if WHOLE.is_dir() else SAMPLE
    evaluated = sum(quiet(content(path), path.name) for path in documents(base) if "cds-hooks" not in path.parts)
    assert evaluated >= (300 if WHOLE.is_dir() else 20)


@pytest.mark.parametrize("base", [SAMPLE, WHOLE], ids=["sample", "whole"])
def test_exports_patient_by_patient(base: Path) -> None:
    if not base.is_dir():
        base = SAMPLE
    folders = {path.parent for path in tables(base) if "primitives" not in path.parts}
    patients = 0
    for folder in sorted(folders):
        for key, records in by_patient(tables(folder)):
            patients += quiet(json.dumps(records).encode(), f"{folder.name}: {key}")
    assert patients >= (200 if base == WHOLE else 1)
