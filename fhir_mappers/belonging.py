"""Whether a record is about the patient: by literal reference, by identifier, never by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fhir_mappers.chart import Chart
from fhir_mappers.elements import identifier_key, reference_key, refers_to, server_of
from fhir_mappers.issues import MappingIssue
from fhir_mappers.reading import Record
from fhir_mappers.views import AllergyIntolerance, Patient, Reference, Resource


def names_of(patient_id: str, records: Sequence[Record]) -> frozenset[str]:
    """Everything that means the patient: Type/id, the fullUrl of the entry and its server, the identifiers."""
    names = {f"Patient/{patient_id}"}
    for record in records:
        if not isinstance(record.view, Patient) or record.view.id != patient_id:
            continue
        names |= {key for one in record.view.identifier or () if (key := identifier_key(one)) is not None}
        if record.full_url:
            names.add(reference_key(record.full_url))
            if record.full_url.startswith("http"):
                names.add(f"base:{server_of(record.full_url)}")
    return frozenset(names)


def _subject(view: Resource) -> Reference | None:
    found: Reference | None = view.patient if isinstance(view, AllergyIntolerance) else getattr(view, "subject", None)
    return found


def refused(record: Record, chart: Chart) -> MappingIssue | None:
    """Why a record must not be used whatever it says: another patient, a modifier that is not known."""
    if not is_of_patient(record, chart):
        return of_another(record)
    if record.view.modifierExtension:
        return MappingIssue(record.evidence, "carries a modifierExtension that is not known: not used")
    return None


def is_of_patient(record: Record, chart: Chart) -> bool:
    subject = _subject(record.view)
    literal = None if subject is None else subject.reference
    if literal in chart.literal:
        return True
    if literal is not None and literal.startswith("#"):
        return any(key in chart.patient for key in _contained_identifiers(record.view, literal[1:]))
    return refers_to(subject, chart.patient)


def _contained_identifiers(view: Resource, local_id: str) -> Iterable[str]:
    """The identifiers of a contained Patient: only they can say that it is the patient."""
    for raw in view.contained or ():
        try:
            contained = msgspec.json.decode(raw, type=Patient)
        except msgspec.DecodeError:
            continue
        if contained.id == local_id:
            yield from (key for one in contained.identifier or () if (key := identifier_key(one)) is not None)


def of_another(record: Record) -> MappingIssue:
    subject = _subject(record.view)
    named = subject.reference if subject is not None and subject.reference else "no literal reference"
    return MappingIssue(record.evidence, f"is not this patient's: its subject is {named[:80]}")
