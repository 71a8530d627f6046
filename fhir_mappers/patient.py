"""The Patient: age in whole years at the instant, sex, and whether they have died."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fhir_mappers.chart import Chart
from fhir_mappers.elements import Unreadable, whole_day
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import Patient


@dataclass(frozen=True, slots=True)
class Person:
    """What the rules need of a Patient; `age_years` None when the birth date does not settle it."""

    age_years: int | None = None
    sex: str | None = None
    deceased: bool = False


def person(patient: Patient, evidence: str, chart: Chart) -> tuple[Person, MappingIssue | None]:
    """Age, sex and death as of the instant; an issue when the birth date cannot be read."""
    sex = patient.gender if patient.gender in ("female", "male") else None
    died = bool(patient.deceasedBoolean)
    issue = None
    try:
        if patient.deceasedDateTime is not None:
            died = whole_day(patient.deceasedDateTime, chart.zone)[0] <= chart.as_of
    except Unreadable:
        died = True
    age = None
    if patient.birthDate is not None:
        try:
            age = age_in_years(patient.birthDate, chart.as_of.astimezone(chart.zone).date())
        except ValueError as problem:
            issue = MappingIssue(evidence, f"birth date: {problem}")
    return Person(age, sex, died), issue


def age_in_years(born: str, today: date) -> int | None:
    """Whole years from a FHIR date to a day; None when a partial date leaves two ages open. Raises ValueError."""
    parts = born.split("-")
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"{born[:20]!r} is not a FHIR date")
    year = int(parts[0])
    if len(parts) == 3:
        earliest = latest = date(year, int(parts[1]), int(parts[2]))
    elif len(parts) == 2:
        earliest = date(year, int(parts[1]), 1)
        latest = date(year, int(parts[1]), 28)
    else:
        earliest, latest = date(year, 1, 1), date(year, 12, 31)
    ages = {_years(earliest, today), _years(latest, today)}
    if max(ages) < 0:
        raise ValueError(f"{born} is in the future")
    return ages.pop() if len(ages) == 1 else None


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
