"""Builds small charts as FHIR R4, the way an EHR sends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

ITEM = "http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment"
ANSWER = "http://fhir.org/guides/icans-cds/CodeSystem/icans-answer"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SUBJECT = {"reference": "Patient/p"}


def ago(**time: float) -> str:
    return (NOW - timedelta(**time)).isoformat()


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def patient(age: int, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p", "birthDate": f"{NOW.year - age}-01-01", **more}


def observation(identity: str, code: dict[str, Any], value: dict[str, Any], at: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "code": code,
        "subject": SUBJECT,
        "effectiveDateTime": at or ago(hours=1),
        **value,
        **more,
    }


def score(question: str, value: int | str, at: str | None = None, **more: Any) -> dict[str, Any]:
    given = {"valueInteger": value} if isinstance(value, int) else {"valueCodeableConcept": concept(ANSWER, value)}
    return observation(question, concept(ITEM, question), given, at, **more)


def domain(question: str, answer: str, at: str | None = None, **more: Any) -> dict[str, Any]:
    return observation(question, concept(ITEM, question), {"valueCodeableConcept": concept(ANSWER, answer)}, at, **more)


def infusion(start: str, end: str | None = None, identity: str = "bag", code: str = "1597258") -> dict[str, Any]:
    period = {"start": start} | ({"end": end} if end else {})
    return {
        "resourceType": "MedicationAdministration",
        "id": identity,
        "status": "completed" if end else "in-progress",
        "medicationCodeableConcept": concept(RXNORM, code),
        "subject": SUBJECT,
        "effectivePeriod": period,
    }


def dose(code: str, at: str, identity: str = "dose", mg: float | None = None) -> dict[str, Any]:
    given: dict[str, Any] = {
        "resourceType": "MedicationAdministration",
        "id": identity,
        "status": "completed",
        "medicationCodeableConcept": concept(RXNORM, code),
        "subject": SUBJECT,
        "effectiveDateTime": at,
    }
    if mg is not None:
        given["dosage"] = {"dose": {"value": mg, "unit": "mg", "system": UCUM, "code": "mg"}}
    return given


def order(code: str, status: str = "active", identity: str = "order", mg: float | None = None, every: float | None = None) -> dict[str, Any]:
    instruction: dict[str, Any] = {"text": "as ordered"}
    if mg is not None:
        instruction["doseAndRate"] = [{"doseQuantity": {"value": mg, "system": UCUM, "code": "mg"}}]
    if every is not None:
        instruction["timing"] = {"repeat": {"frequency": 1, "period": every, "periodUnit": "h"}}
    return {
        "resourceType": "MedicationRequest",
        "id": identity,
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": concept(RXNORM, code),
        "subject": SUBJECT,
        "authoredOn": ago(minutes=5),
        "dosageInstruction": [instruction],
    }


def diagnosis(system: str, code: str, identity: str = "dx", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": identity,
        "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"),
        "code": concept(system, code),
        "subject": SUBJECT,
        **more,
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "timestamp": NOW.isoformat(), "entry": [{"resource": r} for r in resources]}


def hook(*resources: dict[str, Any], drafts: list[dict[str, Any]] | None = None, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """An order-sign request with the prefetch keys of the contract filled by resource type."""
    keys = {
        "administrations": "MedicationAdministration",
        "procedures": "Procedure",
        "observations": "Observation",
        "conditions": "Condition",
        "medications": "MedicationRequest",
        "allergies": "AllergyIntolerance",
    }
    prefetch: dict[str, Any] = {
        key: {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources if r["resourceType"] == kind]}
        for key, kind in keys.items()
    }
    prefetch["patient"] = next((r for r in resources if r["resourceType"] == "Patient"), None)
    prefetch["encounter"] = None
    for key in leave_out:
        prefetch.pop(key)
    drafts = drafts if drafts is not None else [order("114477", "draft", "draft")]
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/u",
            "patientId": "p",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": d} for d in drafts]},
        },
        "prefetch": prefetch,
    }


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


LOC = {"ALERT": "loc-alert", "DROWSY_SPONT": "loc-awakens-spontaneously", "VOICE": "loc-awakens-to-voice", "TACTILE": "loc-awakens-to-touch", "UNAROUSABLE": "loc-unarousable"}
SEIZURE = {
    "NONE": "seizure-none",
    "BRIEF": "seizure-resolved-rapidly",
    "NCS_RESOLVED": "seizure-nonconvulsive-resolved",
    "UNKNOWN_DURATION": "seizure-duration-unknown",
    "GT5MIN": "seizure-prolonged",
    "REPETITIVE_NO_BASELINE": "seizure-repetitive",
}
MOTOR = {"NONE": "motor-none", "DEEP_FOCAL": "motor-deep-focal-weakness"}
ICP = {
    "NONE": "icp-none",
    "FOCAL_EDEMA": "icp-focal-edema",
    "DIFFUSE_EDEMA": "icp-diffuse-edema",
    "POSTURING": "icp-posturing",
    "CN6": "icp-cn6-palsy",
    "PAPILLEDEMA": "icp-papilledema",
    "CUSHING": "icp-cushing-triad",
}
TABLES = {"consciousness": LOC, "seizure": SEIZURE, "motor": MOTOR, "raised-icp": ICP}
COLUMNS = {"consciousness": "loc", "seizure": "seizure", "motor": "motor", "raised-icp": "icp"}


def vignette_values(row: dict[str, Any]) -> dict[str, int | str]:
    """The values of a vignette by domain; a domain not done is left out."""
    values: dict[str, int | str] = {}
    tool = row["tool"].lower()
    if row["score"] == "UNABLE_UNAROUSABLE":
        values[tool] = "ice-unable-unarousable" if tool == "ice" else "capd-unable"
    elif row["score"] != "ND":
        values[tool] = row["score"]
    for name, column in COLUMNS.items():
        if row[column] != "ND":
            values[name] = TABLES[name][row[column]]
    return values
