"""The suggestions of a card: one action each, a draft to sign, nothing twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from fhir_mappers.requests_out import offered
from fhir_mappers.resources_out import SiteCodes, corrected_order, proposed_order, with_status
from rules.assessing import Assessment
from rules.checking_drafts import Corrected, DraftCheck
from rules.facts import STOPPING
from rules.protocol import Row
from rules.snapshot import Order

_ACTS = {
    "withhold": ("on-hold", "Hold blinatumomab (order); stop the pump at the bedside"),
    "stop": ("stopped", "Stop blinatumomab for good (order); stop the pump at the bedside"),
}


@dataclass(frozen=True, slots=True)
class Suggesting:
    """Makes the suggestions of one decision. `orders` are the raw medication orders by evidence."""

    decision_id: UUID
    assessment: Assessment
    orders: Mapping[str, bytes]
    patient_id: str
    encounter_id: str | None
    codes: SiteCodes

    def of_row(self, row: Row, drugs: bool) -> list[dict[str, Any]]:
        """The doses a row proposes, what it does to the causative agent, and what it asks for beside.

        No `drugs` when a record names one in words only, as it may be a duplicate.
        """
        found = [
            self._suggestion(
                row,
                number,
                f"{p.dose.substance.capitalize()} {p.dose.text}",
                p.recommended,
                {
                    "type": "create",
                    "description": f"Draft {p.dose.substance} {p.dose.text}",
                    "resource": proposed_order(p.dose, self.patient_id, self.encounter_id, self.codes),
                },
            )
            for number, p in enumerate(p for p in self.assessment.proposals if p.row is row and drugs)
        ]
        return found + self._holds(row, len(found)) + self._requests(row)

    def of_checks(self, checks: Sequence[DraftCheck], topics: Collection[str]) -> list[dict[str, Any]]:
        """The corrections that rows of these topics make, one a draft."""
        corrections = {c.order.evidence: c.correction for c in checks if c.correction is not None}
        found = [self._correction(one) for one in corrections.values() if one.row.topic in topics]
        return [one for one in found if one is not None]

    def _correction(self, corrected: Corrected) -> dict[str, Any] | None:
        order = corrected.order
        if not self._can_name(order):
            return None
        if corrected.dose is None:
            action: dict[str, Any] = {
                "type": "delete",
                "description": f"Remove the {order.substance} draft",
                "resourceId": order.evidence,
            }
            label = f"Remove {order.substance} from this order"
        else:
            oral = order.route == "oral"
            changed = corrected_order(self.orders[order.evidence], corrected.dose, oral)
            if changed is None:
                return None
            said = corrected.dose.text.replace(" IV", " by mouth") if oral else corrected.dose.text
            label = f"Correct {order.substance} to {said}"
            action = {"type": "update", "description": f"{label} in this order", "resource": changed}
        return self._suggestion(corrected.row, order.evidence, label, corrected.recommended, action)

    def _requests(self, row: Row) -> list[dict[str, Any]]:
        found = [(name, offered(name, self.assessment, self.patient_id, self.encounter_id, self.codes)) for name in row.requests]
        return [
            self._suggestion(
                row,
                name,
                one.label,
                one.recommended,
                {"type": "create", "description": one.description, "resource": one.resource},
            )
            for name, one in found
            if one is not None
        ]

    def _holds(self, row: Row, first: int) -> list[dict[str, Any]]:
        """Hold or stop the known orders of the causative agent; take its draft out of the order."""
        exposure = self.assessment.exposure
        if row.act is None or exposure is None:
            return []
        status, label = _ACTS[row.act]
        carried = self.assessment.facts["grade_basis"] != "proxy"
        found: list[dict[str, Any]] = []
        for order in self.assessment.snapshot.orders:
            number = first + len(found)
            if order.substance != exposure.substance or not self._can_name(order):
                continue
            if order.draft and order.status in STOPPING:
                continue  # it is the stop itself that is being signed
            if order.draft:
                action: dict[str, Any] = {
                    "type": "delete",
                    "description": f"Remove the {order.substance} draft",
                    "resourceId": order.evidence,
                }
                found.append(self._suggestion(row, number, f"Remove {order.substance} from this order", carried, action))
                continue
            changed = with_status(self.orders[order.evidence], status)
            if changed is not None:
                action = {"type": "update", "description": label, "resource": changed}
                found.append(self._suggestion(row, number, label, carried, action))
        return found

    def _can_name(self, order: Order) -> bool:
        """Whether an action can name this order and no other: by its type and an id that stands for one content."""
        return order.evidence.startswith("MedicationRequest/") and order.evidence in self.orders

    def _suggestion(
        self, row: Row, name: int | str, label: str, recommended: bool, action: dict[str, Any]
    ) -> dict[str, Any]:
        identity = str(uuid5(self.decision_id, f"{row.id}/{name}"))
        return {"label": label, "uuid": identity, "isRecommended": recommended, "actions": [action]}


def once(cards: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cards without a second action on one record, or a second draft of one drug; the more urgent card keeps it.

    To take a draft out comes before a correction of it; alternatives of a drug stand within one card.
    """
    actions = [s["actions"][0] for card in cards for s in card.get("suggestions", ())]
    removed = {action["resourceId"] for action in actions if action["type"] == "delete"}
    acted: set[str] = set()
    owners: dict[str, str] = {}
    found = []
    for card in cards:
        kept = []
        for suggestion in card.get("suggestions", ()):
            action = suggestion["actions"][0]
            about = _about(action)
            if action["type"] == "create":
                keep = owners.setdefault(about, card["uuid"]) == card["uuid"]
            else:
                keep = about not in acted and not (action["type"] == "update" and about in removed)
                acted |= {about} if keep else set()
            if keep:
                kept.append(suggestion)
        plain = {key: value for key, value in card.items() if key not in ("suggestions", "selectionBehavior")}
        found.append({**plain, "suggestions": kept, "selectionBehavior": card["selectionBehavior"]} if kept else plain)
    return found


def _about(action: dict[str, Any]) -> str:
    """The record an action changes; of a new one the drug whatever its dose, or the words of the request."""
    if action["type"] == "delete":
        return str(action["resourceId"])
    resource = action["resource"]
    if action["type"] == "update":
        return f"{resource['resourceType']}/{resource['id']}"
    if "medicationCodeableConcept" in resource:
        return f"drug {resource['medicationCodeableConcept']['text'].split()[0]}"
    return f"{resource['resourceType']} {resource['code']['text']}"
