"""The 49 graded cases of the clinical basis, through the core alone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from charts import NOW, vignette_values

from rules import Administration, ChartedGrade, ClinicalSnapshot, Domain, Finding, assess, load_knowledge

ROWS = json.loads((Path(__file__).parents[1] / "data" / "vignettes.json").read_text(encoding="utf-8"))
KNOWLEDGE = load_knowledge()
STATUS = {"FINAL": "final", "MIN": "minimum", "INDETERMINATE": "indeterminate"}


def snapshot(row: dict[str, Any]) -> ClinicalSnapshot:
    at = NOW - timedelta(hours=1)
    died = row.get("death", False)
    return ClinicalSnapshot(
        as_of=NOW,
        age_years=row["age"],
        deceased=died,
        findings=tuple(
            Finding(Domain(name), value, at, f"Observation/{name}") for name, value in vignette_values(row).items()
        ),
        charted=(ChartedGrade(5, at, "Observation/grade"),) if died else (),
        administrations=(
            Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=3), "MedicationAdministration/1", running=True),
        ),
    )


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['id']}: {r['findings']}" for r in ROWS])
def test_vignette_has_the_grade_of_the_clinical_basis(row: dict[str, Any]) -> None:
    assessment = assess(snapshot(row), KNOWLEDGE)
    grading = assessment.grading
    if row.get("death"):
        assert assessment.charted is not None
        assert assessment.charted.grade == row["expect"] == 5
        assert grading.at_most == 4, "grade 5 is never computed (D7)"
        assert assessment.advice == (), "no cards for the deceased"
        return
    assert grading.at_least == row["expect"]
    assert grading.status == STATUS[row["status"]]
    assert grading.tool.value.upper() == row["tool"]


def test_there_are_37_adult_and_12_child_vignettes() -> None:
    assert [sum(r["id"].startswith(k) for r in ROWS) for k in "AP"] == [37, 12]
