"""The one card of patient-view: the grade, what is due next, and that this is no monitor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from cds_hooks import wording
from cds_hooks.cards import TOPIC_SYSTEM
from fhir_mappers.issues import MappingIssue
from rules.assessing import Assessment, Knowledge
from rules.snapshot import Domain

NOT_A_MONITOR = "This was computed when the chart was opened. The service speaks only when called: it is not a monitor."


def status_cards(
    decision_id: UUID, assessment: Assessment, issues: Sequence[MappingIssue], knowledge: Knowledge
) -> list[dict[str, Any]]:
    """One card for a patient at risk with something to say; none at grade 0 with everything current."""
    if not assessment.applicable or assessment.snapshot.deceased or _quiet(assessment):
        return []
    protocol = knowledge.protocols[0]
    rows = assessment.advice[0].rows
    due = _due(assessment, knowledge)
    detail = wording.detail(assessment, rows, issues, knowledge, full=True)
    return [
        {
            "uuid": str(uuid5(decision_id, "status")),
            "summary": _summary(assessment, due),
            "indicator": _indicator(assessment),
            "detail": f"{detail}\n\n{due}. {NOT_A_MONITOR}",
            "source": {
                "label": protocol.title,
                "url": protocol.url,
                "topic": {"system": TOPIC_SYSTEM, "code": "icansstatus", "display": "ICANS status"},
            },
        }
    ]


def _quiet(assessment: Assessment) -> bool:
    grading = assessment.grading
    overdue = any(d.overdue or d.stale for d in grading.by_domain)
    return grading.at_least == 0 and grading.status == "final" and not overdue and assessment.driving_charted is None


def _indicator(assessment: Assessment) -> str:
    grade = assessment.facts["icans_grade"]
    if grade in (3, 4) and not assessment.presumed:
        return "critical"
    return "info" if grade == 0 and assessment.grading.status == "final" else "warning"


def _summary(assessment: Assessment, due: str) -> str:
    head = wording.headline(assessment)
    if assessment.presumed:
        said = f"{head}; no immune effector therapy on record: add the exposure"
    else:
        said = f"{head}; {due[0].lower()}{due[1:]}"
    return said if len(said) <= wording.SUMMARY_LIMIT else f"{head[: wording.SUMMARY_LIMIT - 1]}…"[: wording.SUMMARY_LIMIT]


def _due(assessment: Assessment, knowledge: Knowledge) -> str:
    """When a score and the consciousness are due next, by the grade that drives (D3)."""
    grading, as_of = assessment.grading, assessment.snapshot.as_of
    driving = assessment.facts["icans_grade"]
    due = knowledge.windows.due[driving if isinstance(driving, int) else 0]
    scored, roused = grading.domain(grading.tool), grading.domain(Domain.CONSCIOUSNESS)
    if scored is None or roused is None or scored.provisional or roused.provisional:
        return "Assessment due now"
    young = grading.onset is not None and (as_of - grading.onset).total_seconds() <= 24 * 3600
    first = due.first_day if young and due.first_day is not None else None
    at = min(scored.finding.at + (first or due.score), roused.finding.at + (first or due.consciousness))
    return f"Assessment due {_in(at, as_of)}"


def _in(at: datetime, as_of: datetime) -> str:
    minutes = int((at - as_of).total_seconds() // 60)
    if minutes < 0:
        return f"now, overdue since {wording.age(at, as_of)}"
    return f"in {minutes} min" if minutes < 120 else f"in {minutes // 60} h"
