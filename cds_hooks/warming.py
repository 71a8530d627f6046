"""One decision on a chart that asks for everything, so that the first clinician does not wait for imports."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cds_hooks import hook_request
from cds_hooks.decide import Decision, decide
from cds_hooks.prefetch import gather
from cds_hooks.services import SERVICES
from rules import Knowledge

_ITEM = "http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_BLINATUMOMAB = {"coding": [{"system": _RXNORM, "code": "1597258"}]}


def warm(knowledge: Knowledge, now: datetime) -> list[Decision]:
    """A decision of every service on an invented patient; nothing is recorded."""
    found = []
    for service in SERVICES:
        call = hook_request.parse(json.dumps(_call(service.hook, now)).encode(), service.hook)
        found.append(decide(call, gather(call), knowledge, as_of=now, decision_id=UUID(int=0)))
    return found


def _call(hook: str, now: datetime) -> dict[str, Any]:
    subject = {"reference": "Patient/warm"}
    score = {
        "resourceType": "Observation",
        "id": "ice",
        "status": "final",
        "code": {"coding": [{"system": _ITEM, "code": "ice-score"}]},
        "subject": subject,
        "effectiveDateTime": (now - timedelta(hours=1)).isoformat(),
        "valueInteger": 2,
    }
    infusion = {
        "resourceType": "MedicationAdministration",
        "id": "bag",
        "status": "in-progress",
        "medicationCodeableConcept": _BLINATUMOMAB,
        "subject": subject,
        "effectivePeriod": {"start": (now - timedelta(days=2)).isoformat()},
    }
    draft = {
        "resourceType": "MedicationRequest",
        "id": "draft",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": _BLINATUMOMAB,
        "subject": subject,
    }
    return {
        "hook": hook,
        "hookInstance": "warm",
        "context": {
            "userId": "Practitioner/warm",
            "patientId": "warm",
            "selections": ["MedicationRequest/draft"],
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]},
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "warm", "birthDate": f"{now.year - 50}-01-01"},
            "administrations": _bundle(infusion),
            "procedures": None,
            "observations": _bundle(score),
            "conditions": None,
            "medications": None,
            "allergies": None,
            "encounter": None,
        },
    }


def _bundle(resource: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}
