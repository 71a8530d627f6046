"""Snapshots of the core, built from values by domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from charts import NOW

from rules import Administration, ClinicalSnapshot, Domain, Finding, load_knowledge
from rules.criteria import Criteria
from rules.grading import Grading, grade
from rules.snapshot import Value

KNOWLEDGE = load_knowledge()
RUNNING = Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=20), "MedicationAdministration/bag", running=True)


def finding(domain: Domain, value: Value, hours: float = 1, **more: object) -> Finding:
    return Finding(domain, value, NOW - timedelta(hours=hours), f"Observation/{domain}-{hours}", **more)  # type: ignore[arg-type]


def snapshot(values: Mapping[Domain, Value] | Iterable[Finding], age: int = 50, **more: object) -> ClinicalSnapshot:
    found = [finding(d, v) for d, v in values.items()] if isinstance(values, Mapping) else list(values)
    more.setdefault("administrations", (RUNNING,))
    return ClinicalSnapshot(as_of=NOW, age_years=age, findings=tuple(found), **more)  # type: ignore[arg-type]


def graded(
    values: Mapping[Domain, Value] | Iterable[Finding],
    criteria: Criteria = KNOWLEDGE.adults,
    as_of: datetime = NOW,
    **more: object,
) -> Grading:
    found = snapshot(values, **more)
    from dataclasses import replace

    return grade(replace(found, as_of=as_of), criteria, KNOWLEDGE.windows)
