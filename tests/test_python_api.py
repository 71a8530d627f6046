"""The example of docs/python-api.md runs as it stands, and importing the packages stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import cds_hooks
from cds_hooks.refusal import Refusal

ROOT = Path(__file__).parents[1]


def test_the_documented_example_runs() -> None:
    text = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/python-api.md", "exec"), names)
    with TestClient(names["app"]) as client:
        found = client.get("/icans/cds-services")
        assert found.status_code == 200
        assert {service["id"] for service in found.json()["services"]} >= {"icans-order-sign", "icans-patient-view"}


def test_the_packages_import_nothing_heavy() -> None:
    heavy = "duckdb altair vl_convert pyspark starlette sqlalchemy fhir pydantic rich msgspec"
    code = f"import sys, rules, fhir_mappers, cds_hooks; print([n for n in {heavy.split()!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_command_line_imports_no_library_of_the_cohort() -> None:
    code = "import sys, cds_hooks.cli; print([n for n in ('duckdb', 'altair', 'vl_convert', 'pyspark') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(ValueError, match="has no offset"):
        cds_hooks.evaluate({"resourceType": "Bundle"}, as_of=datetime(2026, 1, 1))
    with pytest.raises(Refusal, match="no patient"):
        cds_hooks.evaluate({"resourceType": "Bundle", "type": "collection"})
    with pytest.raises(AttributeError, match="nothing_such"):
        cds_hooks.nothing_such  # noqa: B018
