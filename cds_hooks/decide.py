"""One decision: what was asked and what the chart said, graded and advised. No I/O, no clock.

The same `decide` serves the hook, the command line and a cohort: what is replayed is what was live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cds_hooks.cards import URGENCY, cards
from cds_hooks.hook_request import HookRequest
from cds_hooks.prefetch import Records
from cds_hooks.smart_link import linked
from cds_hooks.status import status_cards
from fhir_mappers.issues import MappingIssue
from fhir_mappers.site import ANYWHERE, Site
from fhir_mappers.snapshot import snapshot_from
from rules import Assessment, DocumentRef, Grading, Knowledge, assess
from rules.snapshot import Exposure


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of one hook call. `cards` is the CDS Hooks card list, `record` what the store keeps."""

    id: UUID
    as_of: datetime
    cards: list[dict[str, Any]]
    record: dict[str, Any]
    assessment: Assessment | None = None
    issues: tuple[MappingIssue, ...] = ()


def decide(
    request: HookRequest,
    records: Records,
    knowledge: Knowledge,
    *,
    as_of: datetime,
    decision_id: UUID,
    site: Site = ANYWHERE,
) -> Decision:
    """Reads, grades, advises. Pure: the same arguments give the same cards, byte for byte."""
    reading = snapshot_from(
        records.given,
        request.patient_id,
        as_of,
        knowledge.proxies,
        records.drafts,
        site.zone,
        records.unread,
        selected=frozenset(request.selections) if request.hook == "order-select" else None,
        codes=site.codes,
    )
    notes = tuple(MappingIssue("context", note, used=True) for note in request.notes)
    everything = (*notes, *records.issues, *reading.issues)
    issues = tuple(issue for issue in everything if not issue.used)
    assessment = assess(reading.snapshot, knowledge)
    unusable = {issue.evidence for issue in issues}
    encounter = None if f"Encounter/{request.encounter_id}" in unusable else request.encounter_id  # no draft names another's
    if request.hook == "patient-view":
        found = status_cards(decision_id, assessment, issues, knowledge)
    else:
        found = cards(
            decision_id, assessment, issues, reading.orders, request.patient_id, encounter, knowledge, site.orders
        )
    found = linked(found, site.smart_launch, decision_id)
    record = report(assessment, everything, knowledge, request.patient_id, site.codes.site_maps if site.codes else ())
    return Decision(decision_id, as_of, found, record, assessment, everything)


def report(
    assessment: Assessment,
    issues: tuple[MappingIssue, ...],
    knowledge: Knowledge,
    patient_id: str,
    site_maps: tuple[DocumentRef, ...] = (),
) -> dict[str, Any]:
    """An assessment as JSON: what the store keeps and `icans-cds evaluate` prints.

    `issues` are records that could not be used; `notes` say what was odd about records that were.
    """
    charted = assessment.charted
    return {
        "patient": patient_id,
        "as_of": assessment.snapshot.as_of.isoformat(),
        "applicable": assessment.applicable,
        "presumed": assessment.presumed,
        "exposure": _exposure(assessment.exposure),
        "grading": {
            **_grading(assessment.grading),
            "charted": None
            if charted is None or charted.grade == 0
            else {"grade": charted.grade, "at": charted.at.isoformat(), "evidence": charted.evidence},
        },
        "advice": [
            {"topic": row.topic, "row": row.id, "summary": row.summary}
            for one in assessment.advice
            for row in one.rows
            if row.do
        ],
        "checks": [
            {"topic": row.topic, "row": row.id, "indicator": row.indicator or "info", "order": check.order.evidence}
            for check in assessment.checks
            for row in check.rows
        ],
        "issues": [{"evidence": i.evidence, "problem": i.problem} for i in issues if not i.used],
        "notes": [{"evidence": i.evidence, "problem": i.problem} for i in issues if i.used],
        "knowledge": [
            {"id": ref.id, "version": ref.version, "sha256": ref.sha256} for ref in (*knowledge.refs, *site_maps)
        ],
    }


def rows_of_topics(record: Mapping[str, Any]) -> dict[str, str]:
    """The row that speaks on the card of each topic: of the advice, else the most urgent of the checks of the drafts."""
    checks = sorted(record.get("checks", ()), key=lambda check: URGENCY[check["indicator"]], reverse=True)
    return {one["topic"]: one["row"] for one in (*checks, *record.get("advice", ()))}


def _exposure(exposure: Exposure | None) -> dict[str, Any] | None:
    if exposure is None:
        return None
    return {
        "substance": exposure.substance,
        "started": exposure.started.isoformat(),
        "ended": exposure.ended.isoformat() if exposure.ended else None,
        "evidence": list(exposure.evidence),
        "cycle": exposure.cycle,
        "cycle_day": exposure.cycle_day,
        "infusion_days": exposure.infusion_days,
        "days_since_first": exposure.days_since_first,
    }


def _grading(grading: Grading) -> dict[str, Any]:
    return {
        "at_least": grading.at_least,
        "at_most": grading.at_most,
        "status": grading.status,
        "tool": grading.tool.value.upper(),
        "determining": [domain.value for domain in grading.determining],
        "by_domain": {
            graded.domain.value: {
                "value": graded.finding.value,
                "at_least": graded.at_least,
                "at_most": graded.at_most,
                "at": graded.finding.at.isoformat(),
                "evidence": graded.finding.evidence,
                "provisional": graded.provisional,
                "overdue": graded.overdue or graded.stale,
            }
            for graded in grading.by_domain
        },
        "unassessed": [domain.value for domain in grading.unassessed],
        "set_aside": [
            {"domain": a.domain.value, "cause": a.cause.text, "evidence": a.finding.evidence}
            for a in grading.set_aside
        ],
    }
