"""Which drug a medication record names: by code, through a contained or referenced Medication; never by text."""

from __future__ import annotations

import msgspec

from fhir_mappers.chart import Chart, codings, shown
from fhir_mappers.codes import Substance
from fhir_mappers.elements import Unreadable, reference_key
from fhir_mappers.issues import MappingIssue
from fhir_mappers.views import (
    CodeableConcept,
    Dosage,
    Medication,
    MedicationAdministration,
    MedicationRequest,
    Quantity,
)
from rules.facts import EFFECTOR_CLASSES

NON_SYSTEMIC_FORMS = frozenset({"other"})
"""Forms of the substances table that do not count as systemic: eye and ear drops, implants, depots."""

_contained = msgspec.json.Decoder(Medication)


class UnknownDrug(Unreadable):
    """No code of the record is in the substances table; `named` is a known drug its text names, if any."""

    def __init__(self, message: str, named: str | None) -> None:
        super().__init__(message)
        self.named = named


def unusable(evidence: str, what: str, problem: Unreadable, chart: Chart, known: Substance | None) -> MappingIssue:
    """The issue of a medication record: it carries the drug that its text names where no code does.

    An immune effector therapy, `known` by its code or named by its text, could be an exposure: it is never read as
    one, and never silent.
    """
    named = problem.named if isinstance(problem, UnknownDrug) else None
    exposing = (known.drug_class if known else chart.codes.classes.get(named or "")) in EFFECTOR_CLASSES
    return MappingIssue(evidence, f"{what}: {problem}", "exposure" if exposing else None, named)


def drug(record: MedicationAdministration | MedicationRequest, chart: Chart) -> Substance:
    """The one substance of a record. Raises UnknownDrug, or Unreadable when its codes disagree."""
    concept = _concept(record, chart)
    found = {
        substance.name: substance
        for c in codings(concept)
        if (substance := chart.codes.substance(c.system, c.code)) is not None
    }
    if len(found) > 1:
        raise Unreadable(f"its codes name different drugs: {', '.join(sorted(found))}")
    if not found:
        words = shown(concept)
        asked = chart.asked(concept)
        if asked is not None:
            raise UnknownDrug(asked[1], asked[0])
        raise UnknownDrug(f"drug code is not known: {words}", chart.codes.substance_named_in(words))
    return next(iter(found.values()))


def _concept(record: MedicationAdministration | MedicationRequest, chart: Chart) -> CodeableConcept | None:
    if record.medicationCodeableConcept is not None:
        return record.medicationCodeableConcept
    reference = record.medicationReference
    if reference is None or reference.reference is None:
        words = reference.display if reference is not None else None
        raise UnknownDrug(
            f"names no drug by code{f': {words[:80]}' if words else ''}",
            chart.codes.substance_named_in(words or ""),
        )
    key = reference.reference
    if key.startswith("#"):
        medication = _in(record, key[1:])
    else:
        medication = chart.medications.get(reference_key(key))
    if medication is None:
        raise UnknownDrug(
            f"medicationReference {key[:80]!r} leads to no Medication that was given",
            chart.codes.substance_named_in(reference.display or ""),
        )
    return medication.code


def _in(record: MedicationAdministration | MedicationRequest, local_id: str) -> Medication | None:
    for raw in record.contained or ():
        try:
            medication = _contained.decode(raw)
        except msgspec.DecodeError:
            continue
        if str(medication.id) == local_id:
            return medication
    return None


def milligrams(quantity: Quantity | None, chart: Chart) -> float | None:
    """A dose in mg; None without one, or in a unit that is no mass."""
    if quantity is None or quantity.value is None or quantity.comparator is not None:
        return None
    factor = chart.units.masses.get(chart.units.canonical(quantity))
    return None if factor is None else quantity.value * factor


def micrograms_a_day(quantity: Quantity | None, chart: Chart) -> float | None:
    """A rate in micrograms a day (UCUM ug/d and its aliases); a rate in mL/h says nothing about the dose."""
    if quantity is None or quantity.value is None or chart.units.canonical(quantity) != "ug/d":
        return None
    return quantity.value


def given_dose(dosage: Dosage | None, chart: Chart) -> tuple[float | None, str | None]:
    """The dose of an administration as (value, unit): mg, or ug/d for an infusion rate."""
    if dosage is None:
        return None, None
    rate = micrograms_a_day(dosage.rateQuantity, chart)
    if rate is not None:
        return rate, "ug/d"
    mass = milligrams(dosage.dose, chart)
    return (None, None) if mass is None else (mass, "mg")
