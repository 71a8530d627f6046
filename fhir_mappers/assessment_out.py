"""An assessment as FHIR: the computed grade as an Observation, a DetectedIssue a card, an OperationOutcome.

Built and checked by fhir.resources.R4B. The computed grade has a code of its own: read back, it must
never pass for a grade that a clinician charted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from fhir.resources.R4B.bundle import Bundle

from fhir_mappers.issues import MappingIssue
from rules.assessing import Assessment

COMPUTED = "http://fhir.org/guides/icans-cds/CodeSystem/icans-computed"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SEVERITY = {"critical": "high", "warning": "moderate", "info": "low"}


def result_bundle(
    decision_id: UUID,
    patient_id: str,
    assessment: Assessment,
    cards: Sequence[Mapping[str, Any]],
    issues: Sequence[MappingIssue],
) -> dict[str, Any]:
    """A collection Bundle: grade, a DetectedIssue a card, the issues. Raises ValidationError if not R4."""
    subject = {"reference": f"Patient/{patient_id}"}
    resources = [grade_observation(decision_id, subject, assessment)]
    resources += [_detected_issue(card, subject, assessment) for card in cards]
    if issues:
        resources.append(_outcome(decision_id, issues))
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": assessment.snapshot.as_of.isoformat(),
        "entry": [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources],
    }
    Bundle.model_validate(bundle)
    return bundle


def grade_observation(decision_id: UUID, subject: Mapping[str, str], assessment: Assessment) -> dict[str, Any]:
    """The computed grade: an integer when final, a range when not, dataAbsentReason when indeterminate."""
    grading = assessment.grading
    found: dict[str, Any] = {
        "resourceType": "Observation",
        "id": str(uuid5(decision_id, "grade")),
        "status": "final" if grading.status == "final" else "preliminary",
        "category": [{"coding": [{"system": CATEGORY, "code": "survey"}]}],
        "code": {
            "coding": [{"system": COMPUTED, "code": "icans-grade-computed", "display": "ICANS grade, computed"}],
            "text": f"ICANS grade, computed by {assessment.criteria.title}",
        },
        "subject": dict(subject),
        "effectiveDateTime": assessment.snapshot.as_of.isoformat(),
    }
    if grading.at_least is None:
        found["dataAbsentReason"] = {"coding": [{"system": ABSENT, "code": "not-performed"}], "text": "Nothing assessed"}
    elif grading.status == "final":
        found["valueInteger"] = grading.at_least
    else:
        found["valueRange"] = {"low": {"value": grading.at_least}, "high": {"value": grading.at_most}}
    evidence = [d.finding.evidence for d in grading.by_domain]
    if evidence:
        found["derivedFrom"] = [{"reference": one} for one in dict.fromkeys(evidence) if one.startswith("Observation/")]
        if not found["derivedFrom"]:
            del found["derivedFrom"]
    return found


def _detected_issue(card: Mapping[str, Any], subject: Mapping[str, str], assessment: Assessment) -> dict[str, Any]:
    source = card["source"]
    found: dict[str, Any] = {
        "resourceType": "DetectedIssue",
        "id": card["uuid"],
        "status": "final",
        "code": {"coding": [source["topic"]], "text": source["topic"]["display"]},
        "severity": SEVERITY[card["indicator"]],
        "patient": dict(subject),
        "identifiedDateTime": assessment.snapshot.as_of.isoformat(),
        "detail": f"{card['summary']}\n\n{card['detail']}",
    }
    if source["url"].startswith("http"):
        found["reference"] = source["url"]
    return found


def _outcome(decision_id: UUID, issues: Sequence[MappingIssue]) -> dict[str, Any]:
    return {
        "resourceType": "OperationOutcome",
        "id": str(uuid5(decision_id, "issues")),
        "issue": [
            {
                "severity": "information" if i.used else "warning",
                "code": "informational" if i.used else "not-found" if i.domain else "processing",
                "diagnostics": f"{i.evidence}: {i.problem}",
            }
            for i in issues
        ],
    }
