"""Typed views of just the FHIR R4 elements we read; everything else is passed over unread.

A wrong JSON type in an element we read refuses that record; a defect elsewhere costs nothing.
`null` is read as absent. No view can refer to itself: the garbage collector passes them over (gc=False).
Codes are plain strings here: reading.py closes them.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Raw, Struct


class Coding(Struct, frozen=True, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Struct, frozen=True, gc=False):
    coding: tuple[Coding | None, ...] | None = None
    text: str | None = None

    def codings(self) -> tuple[Coding, ...]:
        """The codings that are there."""
        given = self.coding or ()
        return tuple(c for c in given if c is not None) if None in given else cast("tuple[Coding, ...]", given)


class Identifier(Struct, frozen=True, gc=False):
    system: str | None = None
    value: str | None = None


class Reference(Struct, frozen=True, gc=False):
    reference: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class Quantity(Struct, frozen=True, gc=False):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(Struct, frozen=True, gc=False):
    start: str | None = None
    end: str | None = None


class Ratio(Struct, frozen=True, gc=False):
    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Extension(Struct, frozen=True, gc=False):
    url: str | None = None


class Meta(Struct, frozen=True, gc=False):
    lastUpdated: str | None = None


class Component(Struct, frozen=True, kw_only=True, gc=False):
    code: CodeableConcept | None = None
    valueInteger: int | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    valueRatio: Any = None
    valueSampledData: Any = None
    dataAbsentReason: CodeableConcept | None = None


class Resource(Struct, frozen=True, kw_only=True, gc=False, tag=True, tag_field="resourceType"):
    id: str | None = None
    meta: Meta | None = None
    contained: tuple[Raw, ...] | None = None
    modifierExtension: tuple[Extension, ...] | None = None


class Observation(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    effectiveTiming: Any = None
    issued: str | None = None
    valueInteger: int | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    valueBoolean: bool | None = None
    valueRatio: Any = None
    valueRange: Any = None
    valueSampledData: Any = None
    dataAbsentReason: CodeableConcept | None = None
    component: tuple[Component, ...] | None = None
    hasMember: tuple[Reference, ...] | None = None


class Dosage(Struct, frozen=True, kw_only=True, gc=False):
    text: str | None = None
    route: CodeableConcept | None = None
    dose: Quantity | None = None
    rateRatio: Ratio | None = None
    rateQuantity: Quantity | None = None


class MedicationAdministration(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    reasonCode: tuple[CodeableConcept, ...] | None = None
    dosage: Dosage | None = None


class Repeat(Struct, frozen=True, gc=False, kw_only=True):
    frequency: int | None = None
    period: float | None = None
    periodUnit: str | None = None
    count: int | None = None


class Timing(Struct, frozen=True, gc=False):
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Struct, frozen=True, kw_only=True, gc=False):
    doseQuantity: Quantity | None = None
    rateQuantity: Quantity | None = None
    rateRatio: Ratio | None = None


class DosageInstruction(Struct, frozen=True, kw_only=True, gc=False):
    text: str | None = None
    timing: Timing | None = None
    route: CodeableConcept | None = None
    doseAndRate: tuple[DoseAndRate, ...] | None = None


class MedicationRequest(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    subject: Reference | None = None
    authoredOn: str | None = None
    reasonCode: tuple[CodeableConcept, ...] | None = None
    dosageInstruction: tuple[DosageInstruction, ...] | None = None


class Medication(Resource, frozen=True, kw_only=True, gc=False):
    id: Any = None
    code: CodeableConcept | None = None


class Condition(Resource, frozen=True, kw_only=True, gc=False):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: str | None = None
    recordedDate: str | None = None


class Patient(Resource, frozen=True, kw_only=True, gc=False):
    identifier: tuple[Identifier, ...] | None = None
    birthDate: str | None = None
    gender: str | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: str | None = None


class Encounter(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    subject: Reference | None = None


class Procedure(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None


class AllergyIntolerance(Resource, frozen=True, kw_only=True, gc=False):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    code: CodeableConcept | None = None
    patient: Reference | None = None


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    valueBoolean: bool | None = None
    valueInteger: int | None = None
    valueCoding: Coding | None = None


class Item(Struct, frozen=True, kw_only=True, gc=False):
    linkId: str | None = None
    answer: tuple[Answer, ...] | None = None
    item: tuple[Item, ...] | None = None


class QuestionnaireResponse(Resource, frozen=True, kw_only=True, gc=False):
    status: str | None = None
    questionnaire: str | None = None
    subject: Reference | None = None
    authored: str | None = None
    item: tuple[Item, ...] | None = None


VIEWS: dict[str, type[Resource]] = {
    view.__name__: view
    for view in (
        Observation,
        MedicationAdministration,
        MedicationRequest,
        Medication,
        Condition,
        Patient,
        Encounter,
        Procedure,
        AllergyIntolerance,
        QuestionnaireResponse,
    )
}


def elements(kind: str) -> tuple[str, ...]:
    """The elements of a type that are read, for `_elements`: a choice by its base name and by each of its own.

    FHIR R4 names the base (`value`), some servers the typed one (`valueInteger`). Empty for a type not read.
    """
    view = VIEWS.get(kind)
    names = view.__struct_fields__ if view is not None else ()
    bases = {base for name in names for base in _CHOICES if name.startswith(base) and name[len(base) :][:1].isupper()}
    return (*(name for name in names if name not in ("id", "meta")), *sorted(bases))


_CHOICES = ("value", "effective", "medication", "onset", "abatement", "deceased", "performed")

ELEMENTS = frozenset(
    name
    for view in list(globals().values())
    if isinstance(view, type) and issubclass(view, Struct)
    for name in view.__struct_fields__
)
"""Every element name that is read: what may be named in an issue. Any other name may be somebody's."""
