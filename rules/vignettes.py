"""Vignettes: rows a clinician can read and sign, run against the tables and a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rules.assessing import Assessment, Knowledge, assess
from rules.snapshot import NEUROTOXICITY, Administration, ClinicalSnapshot, Domain, Finding, Value

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
_PREFIX = {
    Domain.CONSCIOUSNESS: "loc-",
    Domain.SEIZURE: "seizure-",
    Domain.MOTOR: "motor-",
    Domain.RAISED_ICP: "icp-",
}
_CLASSES = {"blinatumomab": "t-cell-engager", "other-engager": "t-cell-engager", "car-t": "car-t"}
COLUMNS = (
    "vignette",
    "age",
    *(domain.value for domain in NEUROTOXICITY),
    "exposure",
    "expect_at_least",
    "expect_at_most",
    "expect_determining",
    "expect_rows",
    "source",
)


class VignetteError(ValueError):
    """A vignette that cannot be read: its row, its column, what was expected."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A vignette that came out otherwise than expected."""

    vignette: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.vignette}: expected {self.expected}, found {self.found}"


def failures(row: Mapping[str, str], knowledge: Knowledge) -> Iterator[Failure]:
    """What differs from the expectations of one row. Empty columns are not assessed, and not expected.

    Raises VignetteError when the row cannot be read.
    """
    unknown = [column for column in row if column not in COLUMNS]
    if unknown:
        raise VignetteError(f"column {unknown[0]!r}: one of {', '.join(COLUMNS)} was expected")
    name = row.get("vignette") or "a vignette without a name"
    assessment = assess(snapshot_of(row), knowledge)
    grading = assessment.grading
    found = {
        "expect_at_least": "none" if grading.at_least is None else str(grading.at_least),
        "expect_at_most": str(grading.at_most),
        "expect_determining": ";".join(sorted(d.value for d in grading.determining)) or "none",
    }
    for column, value in found.items():
        expected = (row.get(column) or "").strip()
        if expected and ";".join(sorted(expected.replace(" ", "").split(";"))) != value:
            yield Failure(name, f"{column[7:]} {expected}", value)
    yield from _row_failures(name, (row.get("expect_rows") or "").strip(), assessment)


def _row_failures(name: str, expected: str, assessment: Assessment) -> Iterator[Failure]:
    held = {row.id for advice in assessment.advice for row in advice.rows}
    for wanted in (part.strip() for part in expected.split(";") if part.strip()):
        if wanted not in held:
            yield Failure(name, f"row {wanted}", ", ".join(sorted(held)) or "no row")


def snapshot_of(row: Mapping[str, str]) -> ClinicalSnapshot:
    """The snapshot of a vignette: findings one hour old, the therapy running for three days."""
    findings = tuple(
        Finding(domain, _value(domain, text), AT - timedelta(hours=1), f"vignette {domain}")
        for domain in NEUROTOXICITY
        if (text := (row.get(domain.value) or "").strip())
    )
    exposure = (row.get("exposure") or "blinatumomab").strip()
    if exposure not in (*_CLASSES, "none"):
        raise VignetteError(f"exposure {exposure!r}: one of {', '.join((*_CLASSES, 'none'))} was expected")
    given = (
        ()
        if exposure == "none"
        else (Administration(exposure, _CLASSES[exposure], AT - timedelta(days=3), "vignette exposure", running=True),)
    )
    return ClinicalSnapshot(
        as_of=AT, age_years=_whole(row.get("age") or "50", "age"), findings=findings, administrations=given
    )


def _value(domain: Domain, text: str) -> Value:
    if domain in (Domain.ICE, Domain.CAPD):
        if text.isdigit():
            return int(text)
        return "ice-unable-unarousable" if domain is Domain.ICE else "capd-unable"
    prefix = _PREFIX[domain]
    return text if text.startswith(prefix) else f"{prefix}{text}"


def _whole(text: str, column: str) -> int:
    if not text.strip().isdigit():
        raise VignetteError(f"{column} {text!r}: a whole number was expected")
    return int(text)
