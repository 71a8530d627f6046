"""The one card of patient-view: the grade, what is due next, and that this is no monitor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from cds_hooks import wording
from cds_hooks.cards import TOPIC_SYSTEM, unevaluated
from fhir_mappers.issues import MappingIssue
from rules.assessing import Assessment, Knowledge
from rules.snapshot import Domain
from rules.trend import trend

NOT_A_MONITOR = "This was computed when the chart was opened. The service speaks only when called: it is not a monitor."


def status_cards(
    decision_id: UUID, assessment: Assessment, issues: Sequence[MappingIssue], knowledge: Knowledge
) -> list[dict[str, Any]]:
    """One card for a patient at risk with something to say; none at grade 0 with everything current.

    Nothing to say is said only when nothing was lost: else the card that tells what could not be evaluated.
    """
    if not assessment.applicable or assessment.snapshot.deceased or _quiet(assessment):
        return unevaluated(decision_id, assessment, issues, knowledge)
    protocol = knowledge.protocols[0]
    rows = assessment.advice[0].rows
    due = _due(assessment)
    detail = wording.detail(assessment, rows, issues, knowledge, full=True)
    return [
        {
            "uuid": str(uuid5(decision_id, "status")),
            "summary": _summary(assessment, due),
            "indicator": _indicator(assessment),
            "detail": f"{detail}\n\n{trend_said(assessment, knowledge)} {due}. {NOT_A_MONITOR}",
            "source": {
                "label": protocol.title,
                "url": protocol.url,
                "topic": {"system": TOPIC_SYSTEM, "code": "icansstatus", "display": "ICANS status"},
            },
        }
    ]


def trend_said(assessment: Assessment, knowledge: Knowledge) -> str:
    """Against the previous assessment and the peak of the course: "Trend: falling; before grade 3, 4 h ago; ..."."""
    found, as_of = trend(assessment, knowledge), assessment.snapshot.as_of
    parts = [f"Trend: {found.said(assessment.grading.at_least)}"]
    if found.previous is not None:
        at_least = found.previous.grading.at_least
        parts.append(f"before at least grade {at_least}, {wording.age(found.previous.at, as_of)}")
    if found.peak is not None:
        parts.append(f"peak of this course grade {found.peak.grading.at_least}, {wording.age(found.peak.at, as_of)}")
    return f"{'; '.join(parts)}."


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


def _due(assessment: Assessment) -> str:
    """When the score or the consciousness is due next (D3)."""
    grading, as_of = assessment.grading, assessment.snapshot.as_of
    examined = [grading.domain(grading.tool), grading.domain(Domain.CONSCIOUSNESS)]
    charted = [d for d in examined if d is not None and not d.provisional]
    if len(charted) < len(examined):
        return "Assessment due now"
    return f"Assessment due {_in(min(d.finding.at + d.due_every for d in charted), as_of)}"


def _in(at: datetime, as_of: datetime) -> str:
    minutes = int((at - as_of).total_seconds() // 60)
    if minutes < 0:
        return f"now, overdue since {wording.age(at, as_of)}"
    return f"in {minutes} min" if minutes < 120 else f"in {minutes // 60} h"
