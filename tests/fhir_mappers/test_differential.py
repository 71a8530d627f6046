"""What fhir.resources.R4B accepts of the official examples, the views read to the same values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_mappers.views import VIEWS, Resource

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "validation"
WHOLE = ROOT.parent / "shared" / "corpus" / "dev"
FOLDERS = ("hl7-r4-core-examples", "hl7-us-core-examples", "cell-therapy-cibmtr")
COERCED = (
    "a number is a Decimal in the model and a float in the view: compared as float",
    "an instant is written with its offset spelled anew (+00:00 for Z): compared as instant",
)
"""The coercions of the model that are excepted, and how each is compared all the same."""


def resources(value: Any) -> Iterator[dict[str, Any]]:
    """Every resource of a file: itself, and those of a Bundle."""
    if isinstance(value, dict) and value.get("resourceType") in VIEWS:
        yield value
    for entry in value.get("entry", []) if isinstance(value, dict) else []:
        yield from resources(entry.get("resource"))


def files() -> list[Path]:
    base = WHOLE if WHOLE.is_dir() else SAMPLE
    return [path for folder in FOLDERS for path in sorted((base / folder).glob("*.json"))]


def same(read: Any, model: Any) -> bool:
    """Whether a view says what the model says; what a view leaves unread is not compared."""
    if isinstance(read, msgspec.Struct):
        fields = (name for name in read.__struct_fields__ if getattr(read, name) is not None)
        return isinstance(model, dict) and all(same(getattr(read, name), model.get(name)) for name in fields)
    if isinstance(read, msgspec.Raw):
        return True
    if isinstance(read, tuple | list):
        return isinstance(model, list) and len(read) == len(model) and all(map(same, read, model))
    if isinstance(read, bool) or isinstance(model, bool):
        return read is model
    if isinstance(read, int | float):
        return float(read) == float(model)
    if isinstance(read, str) and isinstance(model, str) and read != model:
        try:
            return datetime.fromisoformat(read.replace("Z", "+00:00")) == datetime.fromisoformat(model.replace("Z", "+00:00"))
        except ValueError:
            return False
    return bool(read == model)


def lost(read: Resource, body: dict[str, Any]) -> list[str]:
    """Elements of the view that the record has and the view did not read."""
    return [name for name in read.__struct_fields__ if body.get(name) is not None and getattr(read, name) is None]


def test_what_the_model_accepts_is_read_to_the_same_values() -> None:
    compared: dict[str, int] = {}
    for path in files():
        for body in resources(json.loads(path.read_bytes())):
            kind = body["resourceType"]
            try:
                model = json.loads(get_fhir_model_class(kind).model_validate(body).model_dump_json())
            except Exception:  # noqa: BLE001, S112 - whatever the model refuses, and however, is not compared
                continue
            read = msgspec.json.decode(json.dumps(body).encode(), type=VIEWS[kind])
            assert lost(read, body) == [], path.name
            assert same(read, model), f"{path.name}: {read}"
            compared[kind] = compared.get(kind, 0) + 1
    assert sum(compared.values()) >= (150 if WHOLE.is_dir() else 15), compared
    assert {"Observation", "Condition"} <= set(compared)
    assert len(COERCED) == 2


@pytest.mark.parametrize(("read", "model", "equal"), [(True, 1, False), (1, True, False), ("a", "b", False), (1.5, "1.50", True), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", True)])
def test_the_comparison_tells_apart(read: Any, model: Any, equal: bool) -> None:
    assert same(read, model) is equal
