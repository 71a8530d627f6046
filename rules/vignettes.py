"""Vignettes: rows a clinician can read and sign, run against the tables and a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rules.assessing import ADULT_TABLE_FROM_YEARS, Assessment, Knowledge, assess
from rules.criteria import Criteria
from rules.snapshot import (
    NEUROTOXICITY,
    SCORES,
    Administration,
    ChartedGrade,
    ClinicalSnapshot,
    Domain,
    Finding,
    Value,
)

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
_CLASSES = {"blinatumomab": "t-cell-engager", "other-engager": "t-cell-engager", "car-t": "car-t"}
_CHART = ("age", "delay", *(domain.value for domain in NEUROTOXICITY), "exposure", "died")
_EXPECTED = ("expect_at_least", "expect_at_most", "expect_status", "expect_determining", "expect_rows")
COLUMNS = ("vignette", *_CHART, *_EXPECTED, "source")


class VignetteError(ValueError):
    """A vignette that cannot be read: its column, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A vignette that came out otherwise than expected."""

    vignette: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.vignette}: expected {self.expected}, found {self.found}"


def failures(row: Mapping[str, str], knowledge: Knowledge) -> Iterator[Failure]:
    """What differs from the expectations of one row. An empty column is not assessed, and not expected.

    Raises VignetteError when the row cannot be read, or expects nothing and so would pass whatever happens.
    """
    unknown = [column for column in row if column not in COLUMNS]
    if unknown:
        found = "a further one" if unknown[0] is None else repr(unknown[0])
        raise VignetteError(f"one of the columns {', '.join(COLUMNS)} was expected, found {found}")
    name = _cell(row, "vignette") or "a vignette without a name"
    assessment = assess(snapshot_of(row, knowledge), knowledge)
    if not any(_cell(row, column) for column in _EXPECTED):
        raise VignetteError(f"an expectation was expected ({', '.join(_EXPECTED)}), found none")
    for column, came_out in _came_out(assessment).items():
        expected = ";".join(sorted(_parts(row, column)))
        if expected and expected != came_out:
            yield Failure(name, f"{column.removeprefix('expect_')} {expected}", came_out)
    yield from _row_failures(name, _parts(row, "expect_rows"), assessment, knowledge)


def published(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """A vignette of the published JSON layout as a row. Raises VignetteError when a member cannot be read."""
    try:
        row = {
            "vignette": f"{entry['id']}: {entry['findings']}",
            "age": str(entry["age"]),
            _TOOLS[entry["tool"]]: _SCORES.get(entry["score"], str(entry["score"])),
            "died": "yes" if entry.get("death") else "",
            "expect_at_least": "none" if entry["expect"] is None else str(entry["expect"]),
            "expect_status": _STATUS[entry["status"]],
        }
        return row | {column: _ANSWERS[entry[member]] for member, column in _MEMBERS.items()}
    except (KeyError, TypeError) as problem:
        raise VignetteError(f"a vignette of the published layout was expected, found no usable {problem}") from problem


_TOOLS = {"ICE": "ice", "CAPD": "capd"}
_SCORES = {"ND": "", "UNABLE_UNAROUSABLE": "unable"}
_MEMBERS = {"loc": "consciousness", "seizure": "seizure", "motor": "motor", "icp": "raised-icp"}
_STATUS = {"FINAL": "final", "MIN": "minimum", "INDETERMINATE": "indeterminate"}
_ANSWERS = {
    "ND": "",
    "NONE": "none",
    "ALERT": "alert",
    "DROWSY_SPONT": "awakens-spontaneously",
    "VOICE": "awakens-to-voice",
    "TACTILE": "awakens-to-touch",
    "UNAROUSABLE": "unarousable",
    "BRIEF": "resolved-rapidly",
    "NCS_RESOLVED": "nonconvulsive-resolved",
    "UNKNOWN_DURATION": "duration-unknown",
    "GT5MIN": "prolonged",
    "REPETITIVE_NO_BASELINE": "repetitive",
    "DEEP_FOCAL": "deep-focal-weakness",
    "FOCAL_EDEMA": "focal-edema",
    "DIFFUSE_EDEMA": "diffuse-edema",
    "POSTURING": "posturing",
    "CN6": "cn6-palsy",
    "PAPILLEDEMA": "papilledema",
    "CUSHING": "cushing-triad",
}


def _came_out(assessment: Assessment) -> dict[str, str]:
    """What can be expected of an assessment; of a deceased patient the grade is the charted one (D7)."""
    grading, charted = assessment.grading, assessment.charted
    died = assessment.snapshot.deceased and charted is not None
    grade = charted.grade if charted is not None and died else grading.at_least
    return {
        "expect_at_least": "none" if grade is None else str(grade),
        "expect_at_most": str(grade if died else grading.at_most),
        "expect_status": "final" if died else grading.status,
        "expect_determining": ";".join(sorted(d.value for d in grading.determining)) or "none",
    }


def _row_failures(name: str, expected: list[str], assessment: Assessment, knowledge: Knowledge) -> Iterator[Failure]:
    held = {row.id for advice in assessment.advice for row in advice.rows}
    there = {row.id for protocol in knowledge.protocols for row in protocol.rows}
    for wanted in expected:
        if wanted not in there:
            yield Failure(name, f"row {wanted}", "no row of that id in the protocol")
        elif wanted not in held:
            yield Failure(name, f"row {wanted}", ", ".join(sorted(held)) or "no row")


def snapshot_of(row: Mapping[str, str], knowledge: Knowledge) -> ClinicalSnapshot:
    """The snapshot of a vignette: findings one hour old, the therapy running for three days."""
    age = _whole(_cell(row, "age")) if _cell(row, "age") else None
    delayed, died = _yes(row, "delay"), _yes(row, "died")
    scored_by_capd = bool(_cell(row, "capd")) and not _cell(row, "ice")
    child = delayed or (scored_by_capd if age is None else age < ADULT_TABLE_FROM_YEARS)
    criteria = knowledge.children if child else knowledge.adults
    at = AT - timedelta(hours=1)
    return ClinicalSnapshot(
        as_of=AT,
        age_years=age,
        deceased=died,
        developmental_delay=delayed,
        findings=tuple(
            Finding(domain, _value(criteria, domain, _cell(row, domain)), at, f"vignette {domain}")
            for domain in NEUROTOXICITY
            if _cell(row, domain)
        ),
        charted=(ChartedGrade(5, at, "vignette died"),) if died else (),
        administrations=_given(_cell(row, "exposure") or "blinatumomab"),
    )


def _given(exposure: str) -> tuple[Administration, ...]:
    if exposure == "none":
        return ()
    if exposure not in _CLASSES:
        raise VignetteError(f"exposure: one of {', '.join((*_CLASSES, 'none'))} was expected, found {exposure!r}")
    start = AT - timedelta(days=3)
    return (Administration(exposure, _CLASSES[exposure], start, "vignette exposure", running=True),)


def _value(criteria: Criteria, domain: Domain, text: str) -> Value:
    """A value of the table, by its code or its code without the prefix; never a guess."""
    cells = criteria.cells.get(domain)
    if cells is None:
        raise VignetteError(f"{domain}: empty was expected, as at this age {criteria.tool} is scored; found {text!r}")
    for value in cells:
        if text in (str(value), _short(value)):
            return value
    if domain in SCORES and text == "unable":
        return next(value for value in cells if isinstance(value, str))
    raise VignetteError(f"{domain}: one of {', '.join(_short(value) for value in cells)} was expected, found {text!r}")


def _short(value: Value) -> str:
    return str(value).partition("-")[2] or str(value)


def _yes(row: Mapping[str, str], column: str) -> bool:
    text = _cell(row, column)
    if text not in ("", "yes", "no"):
        raise VignetteError(f"{column}: yes or no was expected, found {text!r}")
    return text == "yes"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise VignetteError(f"age: a whole number of years was expected, found {text!r}")
    return int(text)


def _parts(row: Mapping[str, str], column: str) -> list[str]:
    return [part.strip() for part in _cell(row, column).split(";") if part.strip()]


def _cell(row: Mapping[str, str], column: str) -> str:
    return (row.get(column) or "").strip()
