"""A decision becomes cards: one a topic, the most urgent first; it leads with the whole picture.

Nothing is decided here. The same arguments give the same bytes: uuids derive from the decision id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from cds_hooks import wording
from fhir_mappers.issues import MappingIssue
from fhir_mappers.resources_out import proposed_order, with_status
from rules.assessing import Assessment, Knowledge
from rules.protocol import Protocol, Row, Topic
from rules.recommending import Advice

TOPIC_SYSTEM = "http://fhir.org/guides/icans-cds/CodeSystem/card-topic"
OVERRIDE_SYSTEM = "http://fhir.org/guides/icans-cds/CodeSystem/override-reason"
_URGENCY = {"critical": 0, "warning": 1, "info": 2}
_OVERRIDES = (
    ("othercause", "Deficit has another cause"),
    ("mildresolving", "Mild, resolving, observed"),
)
_ACTS = {
    "withhold": ("on-hold", "Hold blinatumomab (order); stop the pump at the bedside"),
    "stop": ("stopped", "Stop blinatumomab for good (order); stop the pump at the bedside"),
}


def cards(
    decision_id: UUID,
    assessment: Assessment,
    issues: Sequence[MappingIssue],
    orders: Mapping[str, bytes],
    patient_id: str,
    encounter_id: str | None,
    knowledge: Knowledge,
) -> list[dict[str, Any]]:
    """The cards of an assessment. `orders` are the raw medication orders by evidence."""
    found: list[dict[str, Any]] = []
    for advice in assessment.advice:
        speaking = sorted(
            (row for row in advice.rows if row.indicator is not None),
            key=lambda row: _URGENCY[row.indicator or "info"],
        )
        for index, row in enumerate(speaking):
            rows = [row, *(r for r in advice.rows if r is not row)] if index == 0 else [row]
            found.append(_card(decision_id, row, rows, advice, assessment, issues, knowledge, full=index == 0))
            named = named_in_words(row, assessment, issues)
            if named:
                found[-1]["detail"] += f"\n\n{wording.duplication(named)}"
            offered = _suggestions(decision_id, row, assessment, orders, patient_id, encounter_id, not named)
            if offered:
                found[-1]["suggestions"] = offered
                found[-1]["selectionBehavior"] = "at-most-one" if len(row.therapies) > 1 else "any"
    if not found and _could_matter(assessment, issues):
        found.append(_unevaluated(decision_id, assessment, issues, knowledge))
    return sorted(found, key=lambda card: _URGENCY[card["indicator"]])


def _could_matter(assessment: Assessment, issues: Sequence[MappingIssue]) -> bool:
    """Whether a record that could not be used may have changed the answer: then silence would be a lie.

    A patient at risk: any record of a domain. Any other: an ICE score, an ICANS diagnosis, or a product
    named in words only.
    """
    if assessment.snapshot.deceased:
        return False
    return any(i.domain is not None and (assessment.applicable or i.domain in ("ice", "icans", "exposure")) for i in issues)


def _unevaluated(
    decision_id: UUID, assessment: Assessment, issues: Sequence[MappingIssue], knowledge: Knowledge
) -> dict[str, Any]:
    """The card that says what could not be evaluated, when there is nothing else to say (H23)."""
    topic = Topic("evaluation", "Evaluation")
    protocol = knowledge.protocols[0]
    return {
        "uuid": str(uuid5(decision_id, f"{protocol.ref.id}/{topic.id}")),
        "summary": "ICANS could not be fully evaluated: records of this patient could not be used",
        "indicator": "info",
        "detail": wording.detail(assessment, (), issues, knowledge, full=True),
        "source": _source(protocol, topic),
        "overrideReasons": _override_reasons(),
    }


def _card(
    decision_id: UUID,
    row: Row,
    rows: Sequence[Row],
    advice: Advice,
    assessment: Assessment,
    issues: Sequence[MappingIssue],
    knowledge: Knowledge,
    full: bool,
) -> dict[str, Any]:
    topic = advice.protocol.topic(row.topic)
    said = wording.detail(assessment, rows, issues, knowledge, full)
    if full and advice.undecided:
        said = f"{said}\n\n{_undecided(advice)}"
    return {
        "uuid": str(uuid5(decision_id, f"{advice.protocol.ref.id}/{topic.id}")),
        "summary": wording.summary(row, assessment),
        "indicator": row.indicator,
        "detail": said,
        "source": _source(advice.protocol, topic),
        "overrideReasons": _override_reasons(),
    }


def _override_reasons() -> list[dict[str, str]]:
    return [{"code": code, "system": OVERRIDE_SYSTEM, "display": display} for code, display in _OVERRIDES]


def _source(protocol: Protocol, topic: Topic) -> dict[str, Any]:
    return {
        "label": protocol.title,
        "url": protocol.url,
        "topic": {"system": TOPIC_SYSTEM, "code": topic.code, "display": topic.title},
    }


def _undecided(advice: Advice) -> str:
    missing = sorted({fact.replace("_", " ") for one in advice.undecided for fact in one.missing})
    topics = sorted({one.row.topic.replace("-", " ") for one in advice.undecided})
    return f"Not decided for lack of {', '.join(missing)}: {', '.join(topics)}."


def _suggestions(
    decision_id: UUID,
    row: Row,
    assessment: Assessment,
    orders: Mapping[str, bytes],
    patient_id: str,
    encounter_id: str | None,
    drugs: bool,
) -> list[dict[str, Any]]:
    """What a row offers; no drug when a record names it in words only, as it may be a duplicate."""
    offered = [
        {
            "label": f"{p.dose.substance.capitalize()} {p.dose.text}",
            "isRecommended": p.recommended,
            "action": _create(p.dose.substance, p.dose.text, proposed_order(p.dose, patient_id, encounter_id)),
        }
        for p in assessment.proposals
        if p.row is row and drugs
    ]
    offered += _holds(row, assessment, orders)
    return [
        {
            "label": one["label"],
            "uuid": str(uuid5(decision_id, f"{row.id}/{number}")),
            "isRecommended": one["isRecommended"],
            "actions": [one["action"]],
        }
        for number, one in enumerate(offered)
    ]


def named_in_words(row: Row, assessment: Assessment, issues: Sequence[MappingIssue]) -> list[MappingIssue]:
    """The records whose text, but no code, names a drug that a row proposes."""
    proposed = {p.dose.substance for p in assessment.proposals if p.row is row}
    return [issue for issue in issues if issue.named in proposed]


def _create(substance: str, text: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"type": "create", "description": f"Draft {substance} {text}", "resource": resource}


def _holds(row: Row, assessment: Assessment, orders: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Hold or stop the known orders of the causative agent; take its draft out of the order."""
    if row.act is None or assessment.exposure is None:
        return []
    status, label = _ACTS[row.act]
    carried = assessment.facts["grade_basis"] != "proxy"
    found: list[dict[str, Any]] = []
    for order in assessment.snapshot.orders:
        if order.substance != assessment.exposure.substance:
            continue
        if order.draft:
            action: dict[str, Any] = {
                "type": "delete",
                "description": f"Remove the {order.substance} draft",
                "resourceId": order.evidence,
            }
            found.append({"label": f"Remove {order.substance} from this order", "isRecommended": carried, "action": action})
            continue
        changed = with_status(orders[order.evidence], status)
        if changed is not None:
            action = {"type": "update", "description": label, "resource": changed}
            found.append({"label": label, "isRecommended": carried, "action": action})
    return found
