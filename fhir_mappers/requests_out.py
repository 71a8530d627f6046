"""What a card offers beside a drug: examinations and consults, a task, a coded diagnosis. All drafts.

Codes are only those that were verified; what has none goes out in words, and a site may give its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task

from fhir_mappers.resources_out import NO_CODES, SiteCodes
from rules.assessing import Assessment

LOINC = "http://loinc.org"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-"
_NOBODY = {"reference": "Patient/template"}


@dataclass(frozen=True, slots=True)
class Offered:
    """A resource to create: what a button says, what it does, and whether it is preselected."""

    label: str
    description: str
    resource: dict[str, Any]
    recommended: bool = False


SERVICES: Mapping[str, tuple[str, Mapping[str, str] | None]] = {
    "eeg": ("EEG", None),
    "mri-brain": (
        "MRI brain (an external infusion pump is not MR safe)",
        {"system": LOINC, "code": "24590-2", "display": "MR Brain"},
    ),
    "ct-head": ("CT head, if MRI is not possible", {"system": LOINC, "code": "24725-4", "display": "CT Head"}),
    "neurology-consult": ("Neurology consult", None),
    "icu": ("ICU assessment", None),
    "lumbar-puncture": ("Lumbar puncture: consider", None),
}
TASKS: Mapping[str, tuple[str, str]] = {
    "ice-assessment": ("Task: {tool} now", "{tool} and level of consciousness now"),
    "steroid-review": (
        "Task: corticosteroid review in 24 h",
        "Review the corticosteroid in 24 h: reassess, taper from grade 1 or less",
    ),
}
_ON_RECORD = {"eeg": "eeg", "ct-head": "ct-head", "mri-brain": "mr-brain"}
"""The kind of note that says an examination was done."""


def offered(
    request: str, assessment: Assessment, patient_id: str, encounter_id: str | None, codes: SiteCodes = NO_CODES
) -> Offered | None:
    """One request of a protocol row as a resource. None when it is on record already, or nothing to code."""
    grade = assessment.facts["icans_grade"]
    if (request == "icans-diagnosis" and not _to_code(assessment)) or done_since_onset(request, assessment):
        return None
    found = _template(request, assessment.grading.tool.value.upper(), grade if isinstance(grade, int) else 0)
    about = "for" if request in TASKS else "subject"
    resource = {**found.resource, about: {"reference": f"Patient/{patient_id}"}}
    if encounter_id is not None:
        resource["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    if request in codes:
        resource["code"] = {"coding": [dict(codes[request]), *resource["code"].get("coding", ())], "text": resource["code"]["text"]}
    return Offered(found.label, found.description, resource, recommended=request == "ice-assessment")


def done_since_onset(request: str, assessment: Assessment) -> bool:
    """Whether the examination is on record since the grade began."""
    onset, kind = assessment.grading.onset, _ON_RECORD.get(request)
    return kind is not None and any(
        n.kind == kind and (onset is None or n.at >= onset) for n in assessment.snapshot.notes
    )


def _to_code(assessment: Assessment) -> bool:
    """Whether there is a charted grade to code that is not coded already."""
    grade = assessment.facts["icans_grade"]
    coded = any(g.scale == "icans-diagnosis" and g.grade == grade for g in assessment.snapshot.charted)
    return grade in (1, 2, 3, 4) and not coded and assessment.facts["grade_basis"] == "charted"


@dataclass(frozen=True, slots=True)
class _Template:
    """A resource that is never changed: what is offered is a copy of its first level."""

    label: str
    description: str
    resource: dict[str, Any]


@lru_cache(maxsize=256)
def _template(request: str, tool: str, grade: int) -> _Template:
    """A request without its patient, checked once: what differs by patient are references."""
    if request in TASKS:
        return _task(request, tool)
    return _diagnosis(grade) if request == "icans-diagnosis" else _service(request, grade)


def _service(request: str, grade: int) -> _Template:
    text, coding = SERVICES[request]
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        **({"priority": "urgent"} if grade >= 3 else {}),
        "code": {"coding": [dict(coding)], "text": text} if coding is not None else {"text": text},
        "subject": _NOBODY,
        "reasonCode": [{"text": "Immune effector cell-associated neurotoxicity"}],
    }
    ServiceRequest.model_validate(resource)
    return _Template(text.split(" (")[0].split(",")[0], f"Draft order: {text}", resource)


def _task(request: str, tool: str) -> _Template:
    label, words = TASKS[request]
    label, words = label.format(tool=tool), words.format(tool=tool)
    resource = {
        "resourceType": "Task",
        "status": "draft",
        "intent": "proposal",
        "code": {"text": words},
        "description": words,
        "for": _NOBODY,
    }
    Task.model_validate(resource)
    return _Template(label, f"Draft task: {words}", resource)


def _diagnosis(grade: int) -> _Template:
    """ICD-10-CM G92.01 to G92.04, provisional: the clinician confirms."""
    display = f"Immune effector cell-associated neurotoxicity syndrome, grade {grade}"
    resource = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": f"{_CONDITION}clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{_CONDITION}ver-status", "code": "provisional"}]},
        "category": [{"coding": [{"system": f"{_CONDITION}category", "code": "encounter-diagnosis"}]}],
        "code": {"coding": [{"system": ICD_10_CM, "code": f"G92.0{grade}", "display": display}], "text": display},
        "subject": _NOBODY,
    }
    Condition.model_validate(resource)
    label = f"Diagnosis: ICANS grade {grade} (G92.0{grade})"
    return _Template(label, f"Add the diagnosis G92.0{grade}: {display}", resource)
