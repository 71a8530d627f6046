"""Vital signs and laboratory values, the bulk of a chart, read in one step; anything unusual takes the long way.

What is read here is read to the same value by observation.py; a test compares the two on every chart.
"""

from __future__ import annotations

from fhir_mappers.chart import Chart
from fhir_mappers.elements import Unreadable, exact_time
from fhir_mappers.reading import Record
from fhir_mappers.views import Observation
from rules.snapshot import Measurement


def plain(record: Record, view: Observation, chart: Chart) -> Measurement | None:
    """The measurement of a final Observation with one coding, a Quantity and an exact time; None otherwise."""
    code = view.code
    if code is None or code.coding is None or len(code.coding) != 1 or (coding := code.coding[0]) is None:
        return None
    measured = chart.codes.measured.get((coding.system, coding.code))
    if measured is None or view.status != "final":
        return None
    quantity, when, subject = view.valueQuantity, view.effectiveDateTime, view.subject
    if quantity is None or when is None or subject is None or subject.reference not in chart.literal:
        return None
    kind, scale, measures = measured
    if view.modifierExtension or view.component or view.dataAbsentReason is not None or record.mended is not None:
        return None
    conversion, value = scale.accepts.get(quantity.code or quantity.unit or ""), quantity.value
    if conversion is None or value is None or quantity.comparator is not None:
        return None
    if measures is not None and conversion.measures is not None and measures != conversion.measures:
        return None
    value = value * conversion.factor + conversion.offset
    raw = record.raw
    if not scale.lowest <= value <= scale.highest or raw.count(b'"value"') != 1 or raw.count(b'"subject"') != 1:
        return None  # a key twice is told by a strict reading only
    try:
        at = exact_time(when, chart.zone)
    except Unreadable:
        return None
    return Measurement(kind, value, scale.unit, at, record.evidence) if at <= chart.latest else None


def irrelevant(view: Observation, chart: Chart) -> bool:
    """Whether no coding of an Observation, and no component, can mean anything here."""
    if view.component or view.code is None or view.code.coding is None:
        return False
    codes = chart.codes
    for coding in view.code.coding:
        if coding is None or coding.system in codes.aliases:
            return False
        key = (coding.system, coding.code)
        if key in codes.questions or key in codes.prompts:
            return False
    return True
