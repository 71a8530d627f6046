"""Why a clinician may set a card aside: HL7's Non-Adherence Reason codes, and two of our own, by topic."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

HL7_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_SYSTEM = "http://fhir.org/guides/icans-cds/CodeSystem/override-reason"

OWN = {
    "othercause": "Deficit has another cause",
    "mildresolving": "Mild, resolving, observed",
}
"""The reasons of the physicians of case 1 (ma-2026), which HL7's list does not have."""

HL7 = {
    "action-completed": "Recommended action was already completed",
    "action-performed-no-adverse-effect": "Intended action was performed previously without adverse effect",
    "cds-not-applicable": "PC CDS does not apply to patient",
    "expert-contradicts": "Advice from expert contradicts the recommended action",
    "inappropriate-recipient": "PC CDS delivered to inappropriate recipient/role",
    "indication-order-exists": "Patient has indication/order for intended action",
    "mitigate-risk-negative-outcome": "Action taken to mitigate risk of negative outcome",
    "need-more-info": "Could not address recommended action due to need for more information/pending results/pending consult",
    "patient-contraindication": "Patient has contraindication to recommended action",
    "patient-refuses": "Patient refuses/declines (no context given)*",
    "policy-contradicts": "Institutional policy/guideline contradicts the recommended action",
    "risk-benefit-ratio": "Recipient assessment of risk/benefit ratio",
    "service-not-available": "Treatment or service is not practically available",
}
"""Code and display as HL7 publishes them (CDS Hooks 3.0 ballot, trial use)."""

_DRUG = ("patient-contraindication", "risk-benefit-ratio", "expert-contradicts", "policy-contradicts")
_DRAFT = ("indication-order-exists", "mitigate-risk-negative-outcome", "risk-benefit-ratio", "expert-contradicts")
_GRADE = ("othercause", "mildresolving")

BY_TOPIC: Mapping[str, tuple[str, ...]] = {
    "causative-agent": ("risk-benefit-ratio", "expert-contradicts", "policy-contradicts", "need-more-info", *_GRADE),
    "place-of-care": ("action-completed", "service-not-available", "patient-refuses", *_GRADE),
    "exposure-record": ("cds-not-applicable", "need-more-info", "inappropriate-recipient", "othercause"),
    "assessment": ("action-completed", "inappropriate-recipient", "need-more-info", "patient-refuses", "othercause"),
    "corticosteroid": ("indication-order-exists", *_DRUG, *_GRADE),
    "antiseizure": ("indication-order-exists", *_DRUG, *_GRADE),
    "work-up": ("action-completed", "service-not-available", "patient-refuses", *_GRADE),
    "anti-il-6": (*_DRUG, "othercause"),
    "follow-up": ("action-completed", "expert-contradicts", *_GRADE),
    "evaluation": ("cds-not-applicable", "need-more-info", "othercause"),
    "allergy": ("action-performed-no-adverse-effect", "cds-not-applicable", "risk-benefit-ratio"),
    "blinatumomab-stop": ("risk-benefit-ratio", "expert-contradicts", "policy-contradicts", *_GRADE),
    "blinatumomab-baseline": ("action-completed", "need-more-info", "risk-benefit-ratio", "othercause"),
    "tocilizumab-order": ("indication-order-exists", "cds-not-applicable", "risk-benefit-ratio", "expert-contradicts"),
    "sedative-order": ("action-completed", "cds-not-applicable", "mitigate-risk-negative-outcome"),
}


@lru_cache(maxsize=128)
def override_reasons(topic: str) -> list[dict[str, str]]:
    """The reasons offered on a card of a topic; a topic of a site's own gets those of a drafted order.

    One list a topic, never changed: every card of the topic holds it.
    """
    return [
        {"code": code, "system": OVERRIDE_SYSTEM, "display": OWN[code]}
        if code in OWN
        else {"code": code, "system": HL7_REASONS, "display": HL7[code]}
        for code in BY_TOPIC.get(topic, (*_DRAFT, "policy-contradicts"))
    ]
