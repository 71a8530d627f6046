"""One MedicationAdministration: a drug or cell product given, and until when."""

from __future__ import annotations

from datetime import datetime

from fhir_mappers.chart import Chart
from fhir_mappers.drug import NON_SYSTEMIC_FORMS, drug, given_dose, unusable
from fhir_mappers.elements import Unreadable, exact_time
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import MedicationAdministration
from rules.snapshot import Administration

_NOT_GIVEN = frozenset({"not-done", "entered-in-error"})
_GIVEN = frozenset({"in-progress", "on-hold", "completed", "stopped"})


def administration(
    record: MedicationAdministration, evidence: str, chart: Chart
) -> Administration | MappingIssue | None:
    """What was given; None when it was not; an issue when drug, status or time cannot be read."""
    status = (record.status or "").strip()
    if status in _NOT_GIVEN:
        return None
    substance = None
    try:
        substance = drug(record, chart)
        if status not in _GIVEN:
            raise Unreadable(f"status {status[:24]!r}; in-progress, on-hold, completed or stopped was expected")
        start, end, lasts = _times(record, chart)
    except Unreadable as problem:
        return unusable(evidence, "administration", problem, chart, substance)
    dose, unit = given_dose(record.dosage, chart)
    return Administration(
        substance=substance.name,
        drug_class=substance.drug_class,
        start=start,
        end=end,
        evidence=evidence,
        running=status == "in-progress" or (lasts and status == "completed"),
        dose=dose,
        unit=unit,
        systemic=substance.form not in NON_SYSTEMIC_FORMS,
    )


def _times(record: MedicationAdministration, chart: Chart) -> tuple[datetime, datetime | None, bool]:
    """Start, end, and whether the period ends in the future: then it has not ended and runs. Raises Unreadable."""
    if record.effectiveDateTime is not None:
        return chart.past(exact_time(record.effectiveDateTime, chart.zone)), None, False
    period = record.effectivePeriod
    if period is None or period.start is None:
        raise Unreadable("no effective time; effectiveDateTime or effectivePeriod.start was expected")
    start = chart.past(exact_time(period.start, chart.zone))
    if period.end is None:
        return start, None, False
    end = exact_time(period.end, chart.zone)
    if end < start:
        raise Unreadable(f"period ends {period.end} before it starts {period.start}")
    return (start, end, False) if end <= chart.as_of else (start, None, True)
