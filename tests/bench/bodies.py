"""order-sign requests of a treated inpatient, with as many Observations as asked for, at the size EHRs send them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cds_hooks import examples

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
ROUTINE = (
    ("8867-4", "Heart rate", 84, "/min", "vital-signs"),
    ("9279-1", "Respiratory rate", 16, "/min", "vital-signs"),
    ("8310-5", "Body temperature", 37.1, "Cel", "vital-signs"),
    ("8480-6", "Systolic blood pressure", 124, "mm[Hg]", "vital-signs"),
    ("2708-6", "Oxygen saturation in Arterial blood", 97, "%", "vital-signs"),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 139, "mmol/L", "laboratory"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", 0.8, "mg/dL", "laboratory"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", 104, "mg/dL", "laboratory"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 9.4, "g/dL", "laboratory"),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", 2.1, "10*3/uL", "laboratory"),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", 61, "10*3/uL", "laboratory"),
    ("8462-4", "Diastolic blood pressure", 76, "mm[Hg]", "vital-signs"),
    ("72514-3", "Pain severity 0-10 verbal numeric rating", 2, "{score}", "vital-signs"),
    ("9187-6", "Urine output", 60, "mL", "vital-signs"),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", 4.1, "mmol/L", "laboratory"),
    ("2075-0", "Chloride [Moles/volume] in Serum or Plasma", 103, "mmol/L", "laboratory"),
    ("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", 24, "mmol/L", "laboratory"),
    ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", 14, "mg/dL", "laboratory"),
    ("17861-6", "Calcium [Mass/volume] in Serum or Plasma", 8.9, "mg/dL", "laboratory"),
    ("19123-9", "Magnesium [Mass/volume] in Serum or Plasma", 1.9, "mg/dL", "laboratory"),
    ("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", 3.2, "mg/dL", "laboratory"),
    ("1742-6", "Alanine aminotransferase [Enzymatic activity/volume]", 31, "U/L", "laboratory"),
    ("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume]", 28, "U/L", "laboratory"),
    ("6768-6", "Alkaline phosphatase [Enzymatic activity/volume]", 88, "U/L", "laboratory"),
    ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", 3.4, "g/dL", "laboratory"),
    ("789-8", "Erythrocytes [#/volume] in Blood by Automated count", 3.1, "10*6/uL", "laboratory"),
    ("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", 28, "%", "laboratory"),
    ("751-8", "Neutrophils [#/volume] in Blood by Automated count", 1.2, "10*3/uL", "laboratory"),
    ("731-0", "Lymphocytes [#/volume] in Blood by Automated count", 0.4, "10*3/uL", "laboratory"),
    ("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", 0.9, "mg/dL", "laboratory"),
)
DRAFTS_AT = 300  # with so many Observations the order holds five drafts
OTHER_DRAFTS = (
    ("114477", "levetiracetam"), ("3264", "dexamethasone"), ("29046", "lisinopril"), ("161", "acetaminophen"),
)
NEURO_EACH = 25  # one Observation in so many is about neurotoxicity
ITEM = "http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment"


def body(observations: int, now: datetime | None = None, case: str = "case-2-day-4-printed") -> bytes:
    """A published case with routine vital signs and laboratory values around it, an hour apart by twelve."""
    now = now or datetime.now(UTC)
    call = examples.shifted(case, now)
    found = call["prefetch"]["observations"]
    entries = found["entry"]
    patient = call["context"]["patientId"]
    for number in range(max(0, observations - len(entries))):
        at = now - timedelta(minutes=7 + 5 * number)
        made = _score(number, patient, at) if number % NEURO_EACH == NEURO_EACH - 1 else _routine(number, patient, at)
        entries.append({"fullUrl": f"https://ehr.example.org/fhir/Observation/{made['id']}", "resource": made, "search": {"mode": "match"}})
    found["total"] = len(entries)
    if observations == DRAFTS_AT:
        drafts = call["context"]["draftOrders"]["entry"]
        drafts += [{"resource": _draft(number, patient, code, name)} for number, (code, name) in enumerate(OTHER_DRAFTS)]
    return json.dumps(call, separators=(",", ":")).encode()


def without_therapy(observations: int, now: datetime | None = None) -> bytes:
    """The same for a patient who never had an immune effector therapy, signing an antihypertensive: no card.

    Most calls of a hospital are of this kind.
    """
    call = json.loads(body(observations, now))
    for key in ("administrations", "medications", "conditions", "procedures"):
        call["prefetch"][key] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    found = call["prefetch"]["observations"]
    at, patient = now or datetime.now(UTC), call["context"]["patientId"]
    made = [_routine(number, patient, at - timedelta(minutes=7 + 5 * number)) for number in range(observations)]
    found["entry"] = [{"fullUrl": f"https://ehr.example.org/fhir/Observation/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in made]
    found["total"] = observations
    call["context"]["draftOrders"]["entry"] = [{"resource": _draft(0, patient, *OTHER_DRAFTS[2])}]
    return json.dumps(call, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Workload:
    """A request to post again and again: how it is named in the report, and its bytes."""

    name: str
    observations: int
    made: Callable[[int], bytes] = body


WORKLOADS = (
    Workload("50", 50),
    Workload("50, no therapy", 50, without_therapy),
    Workload("300", 300),
    Workload("1000", 1000),
)


def _draft(number: int, patient: str, code: str, name: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": f"draft-{number}",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}], "text": name},
        "subject": {"reference": f"Patient/{patient}"},
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}},
                "doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg", "system": UCUM, "code": "mg"}}],
            }
        ],
    }


def _routine(number: int, patient: str, at: datetime) -> dict[str, Any]:
    code, display, value, unit, category = ROUTINE[number % len(ROUTINE)]
    return _common(number, patient, at, category) | {
        "code": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }


def _score(number: int, patient: str, at: datetime) -> dict[str, Any]:
    return _common(number, patient, at, "survey") | {
        "code": {"coding": [{"system": ITEM, "code": "ice-score", "display": "ICE score"}], "text": "ICE score"},
        "valueInteger": 8,
    }


def _common(number: int, patient: str, at: datetime, category: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"load-{number}",
        "meta": {"versionId": "1", "lastUpdated": at.isoformat()},
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": category,
                        "display": category.replace("-", " ").title(),
                    }
                ]
            }
        ],
        "subject": {"reference": f"Patient/{patient}"},
        "encounter": {"reference": "Encounter/ward-7"},
        "effectiveDateTime": at.isoformat(),
        "issued": at.isoformat(),
        "performer": [{"reference": "Practitioner/rn-17"}],
    }
