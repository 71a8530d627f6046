"""One MedicationRequest: an active order of the list, or a draft being signed."""

from __future__ import annotations

from datetime import timedelta

from fhir_mappers.chart import Chart, codings
from fhir_mappers.codes import SNOMED_CT
from fhir_mappers.drug import NON_SYSTEMIC_FORMS, drug, micrograms_a_day, milligrams, unusable
from fhir_mappers.elements import Unreadable, whole_day
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import DosageInstruction, MedicationRequest, Timing
from rules.snapshot import Order

_ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0, "wk": 168.0}
_LONGEST_HOURS = 366 * 24.0
_CODED_HOURS = {"Q1H": 1, "Q2H": 2, "Q3H": 3, "Q4H": 4, "Q6H": 6, "Q8H": 8, "Q12H": 12, "Q24H": 24}
_CODED_HOURS |= {"QID": 6, "TID": 8, "BID": 12, "QD": 24}
"""HL7 v3 GTSAbbreviation codes of Timing.code that name an interval, in hours."""
_ROUTES = {"26643006": "oral", "47625008": "parenteral", "72607000": "intrathecal"}
"""SNOMED CT routes as public FHIR data and DCMTK name them; not validated against a release."""
_FORMS = {"oral": "oral", "injection": "parenteral"}


def order(record: MedicationRequest, evidence: str, chart: Chart, draft: bool) -> Order | MappingIssue | None:
    """An order; None when it is not in force. Every draft counts, whatever its status says (re-signing)."""
    status = (record.status or "").strip()
    if status == "entered-in-error" or record.doNotPerform:
        return None
    if not draft and (status != "active" or (record.intent or "").strip() not in _ORDERS):
        return None
    substance = None
    try:
        substance = drug(record, chart)
        authored = whole_day(record.authoredOn, chart.zone)[1] if record.authoredOn else None
    except Unreadable as problem:
        return unusable(evidence, "draft order" if draft else "active order", problem, chart, substance)
    instructions = record.dosageInstruction or (DosageInstruction(),)
    instruction = instructions[0]
    several = draft and len(instructions) > 1  # what they add up to is not known
    rates = None if several else (instruction.doseAndRate or (None,))[0]
    dose = milligrams(rates.doseQuantity, chart) if rates else None
    return Order(
        substance=substance.name,
        drug_class=substance.drug_class,
        evidence=evidence,
        draft=draft,
        status=status,
        authored=None if authored is None else min(authored, chart.as_of + timedelta(minutes=5)),
        dose_mg=dose if dose is not None and dose > 0 else None,
        interval_hours=None if several else interval(instruction.timing),
        daily_ug=micrograms_a_day(rates.rateQuantity, chart) if rates else None,
        systemic=substance.form not in NON_SYSTEMIC_FORMS,
        route=_route(instruction, substance.form, chart),
    )


def _route(instruction: DosageInstruction, form: str, chart: Chart) -> str | None:
    """By the coded route, else by the form that the drug code names; text is not read."""
    coded = {
        _ROUTES.get(c.code or "") for c in codings(instruction.route) if chart.codes.canonical(c.system) == SNOMED_CT
    } - {None}
    return coded.pop() if len(coded) == 1 else _FORMS.get(form)


def interval(timing: Timing | None) -> float | None:
    """Hours between doses; None when the timing does not say, or says what is no dosing interval (over a year)."""
    if timing is None:
        return None
    repeat = timing.repeat
    if repeat is not None and repeat.period and repeat.periodUnit in _HOURS:
        hours = repeat.period * _HOURS[repeat.periodUnit] / max(repeat.frequency or 1, 1)
        return hours if 0 < hours <= _LONGEST_HOURS else None
    named = [c.code for c in timing.code.codings()] if timing.code is not None else []
    return next((float(_CODED_HOURS[code]) for code in named if code in _CODED_HOURS), None)
