"""What leaves as FHIR: proposed orders and changed orders, built and checked by fhir.resources.R4B."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fhir.resources.R4B.medicationrequest import MedicationRequest
from pydantic import ValidationError

from rules.dosing import Dose

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"

SiteCodes = Mapping[str, Mapping[str, str]]
"""A site's own coding by the id of a dose, a drug or a request: the key of its preference list."""
NO_CODES: SiteCodes = {}

SUGGESTED = {
    "dexamethasone": ("3264", "dexamethasone"),
    "methylprednisolone": ("6902", "methylprednisolone"),
    "levetiracetam": ("114477", "levetiracetam"),
}
"""RxNorm ingredient codes of the drugs we suggest (value set substances, verified)."""

ROUTES = {"IV": "Intravenous"}
"""Routes in words: no SNOMED CT route code was verified."""


def proposed_order(
    dose: Dose, patient_id: str, encounter_id: str | None, codes: SiteCodes = NO_CODES
) -> dict[str, Any]:
    """A draft MedicationRequest that proposes a dose. Never active: a clinician signs it.

    A site's own code for the dose, or for the drug, stands first: common clients apply only that one.
    """
    order = {**_template(dose), "subject": {"reference": f"Patient/{patient_id}"}}
    if encounter_id is None:
        del order["encounter"]
    else:
        order["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    own = codes.get(dose.id) or codes.get(dose.substance)
    if own is not None:
        drug = order["medicationCodeableConcept"]
        order["medicationCodeableConcept"] = {**drug, "coding": [dict(own), *drug["coding"]]}
    return order


@lru_cache(maxsize=256)
def _template(dose: Dose) -> dict[str, Any]:
    """The order of a dose without its patient, checked once: what differs by patient are two references.

    It is never changed: who proposes it copies what differs.
    """
    code, name = SUGGESTED[dose.substance]
    repeat: dict[str, Any] = {"frequency": 1, "period": dose.every_hours, "periodUnit": "h"}
    if dose.doses is not None:
        repeat["count"] = dose.doses
    amount = {"value": dose.amount_mg, "unit": "mg", "system": UCUM, "code": "mg"}
    order = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {
            "coding": [{"system": RXNORM, "code": code, "display": name}],
            "text": f"{name} {dose.text}",
        },
        "subject": {"reference": "Patient/template"},
        "encounter": {"reference": "Encounter/template"},
        "dosageInstruction": [
            {
                "text": dose.text if dose.note is None else f"{dose.text}. {dose.note}",
                "timing": {"repeat": repeat},
                "route": {"text": ROUTES[dose.route]},
                "doseAndRate": [{"doseQuantity": amount}],
            }
        ],
    }
    return _checked(order)


def corrected_order(raw: bytes, dose: Dose, oral: bool) -> dict[str, Any] | None:
    """A draft with another dose, all else as it came; None when it is not valid R4 to send back."""
    order: dict[str, Any] = json.loads(raw)
    instruction: dict[str, Any] = dict(_template(dose)["dosageInstruction"][0])
    given = (order.get("dosageInstruction") or [{}])[0]
    if oral:
        instruction["text"] = instruction["text"].replace(" IV", " by mouth")
        instruction["route"] = {"text": "By mouth"}
    if isinstance(given, dict) and "route" in given:
        instruction["route"] = given["route"]
    corrected = {**order, "dosageInstruction": [instruction]}
    concept = order.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        corrected["medicationCodeableConcept"] = {**concept, "text": f"{dose.substance} {_said(dose, oral)}"}
    return corrected if _is_valid(raw, f"{dose.id} {dose.text} {oral}", corrected) else None


def _said(dose: Dose, oral: bool) -> str:
    return dose.text.replace(" IV", " by mouth") if oral else dose.text


def with_status(raw: bytes, status: str) -> dict[str, Any] | None:
    """A known order with another status, whole as it came; None when it is not valid R4 to send back.

    Nor when the server gave only a part of it (tag SUBSETTED): an update would delete the rest.
    """
    order: dict[str, Any] = json.loads(raw)
    meta = order.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    if isinstance(tags, list) and any(isinstance(t, dict) and t.get("code") == "SUBSETTED" for t in tags):
        return None
    changed = {**order, "status": status}
    return changed if _is_valid(raw, status, changed) else None


_SEEN: dict[bytes, bool] = {}
_MOST_SEEN = 4096


def _is_valid(raw: bytes, change: str, changed: dict[str, Any]) -> bool:
    """Whether a changed order is valid R4. The same order comes with every signing: it is judged once.

    Kept is a digest of its bytes and of the change, never the order.
    """
    digest = hashlib.sha256(change.encode() + b"\n" + raw).digest()
    known = _SEEN.get(digest)
    if known is None:
        try:
            _checked(changed)
            known = True
        except ValidationError:
            known = False
        if len(_SEEN) >= _MOST_SEEN:
            _SEEN.clear()
        _SEEN[digest] = known
    return known


def _checked(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, known to be valid for fhir.resources.R4B. Raises ValidationError."""
    MedicationRequest.model_validate(resource)
    return resource
