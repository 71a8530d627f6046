"""A decision becomes cards: one a topic, the most urgent first; it leads with the whole picture.

Nothing is decided here. The same arguments give the same bytes: uuids derive from the decision id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from cds_hooks import wording
from cds_hooks.check_wording import check_detail, check_summary, not_checked
from cds_hooks.overrides import override_reasons
from cds_hooks.services import REQUIRED
from cds_hooks.suggesting import Suggesting, once
from fhir_mappers.issues import MappingIssue
from fhir_mappers.resources_out import NO_CODES, SiteCodes
from rules.assessing import Assessment, Knowledge
from rules.checking_drafts import DraftCheck
from rules.protocol import Protocol, Row, Topic
from rules.recommending import Advice

TOPIC_SYSTEM = "http://fhir.org/guides/icans-cds/CodeSystem/card-topic"
URGENCY = {"critical": 0, "warning": 1, "info": 2}
_MOST_LINKS = 5
_NEEDED = frozenset({*REQUIRED, "draftOrders"})


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every card of one decision is made from."""

    decision_id: UUID
    assessment: Assessment
    issues: Sequence[MappingIssue]
    knowledge: Knowledge
    suggest: Suggesting
    common: wording.Common


def cards(
    decision_id: UUID,
    assessment: Assessment,
    issues: Sequence[MappingIssue],
    orders: Mapping[str, bytes],
    patient_id: str,
    encounter_id: str | None,
    knowledge: Knowledge,
    codes: SiteCodes = NO_CODES,
) -> list[dict[str, Any]]:
    """The cards of an assessment. `orders` are the raw medication orders by evidence."""
    suggest = Suggesting(decision_id, assessment, orders, patient_id, encounter_id, codes)
    desk = _Desk(decision_id, assessment, issues, knowledge, suggest, wording.common_to(assessment))
    found: list[dict[str, Any]] = []
    for advice in assessment.advice:
        found += _of_protocol(desk, advice)
    if not found:
        found = unevaluated(decision_id, assessment, issues, knowledge)
    return once(sorted(found, key=lambda card: URGENCY[card["indicator"]]))


def _of_protocol(desk: _Desk, advice: Advice) -> list[dict[str, Any]]:
    """One card for each topic that speaks; what checks say of the drafts joins it or stands in a card of its own."""
    checks = [c for c in desk.assessment.checks if c.protocol is advice.protocol]
    speaking = sorted((row for row in advice.rows if row.indicator is not None), key=_urgency)
    spoken = {row.topic for row in speaking}
    found = []
    for index, row in enumerate(speaking):
        rows = [row, *(r for r in advice.rows if r is not row)] if index == 0 else [row]
        found.append(_card(desk, row, rows, advice, _joining(row.topic, checks), full=index == 0))
    for topic in advice.protocol.topics:
        fired = [check for check in checks if check.of(topic.id)]
        if fired and topic.joins not in spoken:
            found.append(_check_card(desk, topic, fired))
    return found


def _urgency(row: Row) -> int:
    return URGENCY[row.indicator or "info"]


def _joining(topic: str, checks: Sequence[DraftCheck]) -> list[tuple[DraftCheck, Row]]:
    """What checks say of the drafts on the card of this topic."""
    return [(c, row) for c in checks for row in c.rows if c.protocol.topic(row.topic).joins == topic]


def _could_matter(assessment: Assessment, issues: Sequence[MappingIssue]) -> bool:
    """Whether what could not be had or used may have changed the answer: then silence would be a lie.

    Required data of which a part is missing: always. A patient at risk: any record of a domain. Any other: an
    ICE score, an ICANS diagnosis, or a product that cannot be read for certain.
    """
    if assessment.snapshot.deceased:
        return False
    if assessment.snapshot.unread & _NEEDED:
        return True
    return any(i.domain is not None and (assessment.applicable or i.domain in ("ice", "icans", "exposure")) for i in issues)


def unevaluated(
    decision_id: UUID, assessment: Assessment, issues: Sequence[MappingIssue], knowledge: Knowledge
) -> list[dict[str, Any]]:
    """The card that says what could not be evaluated, when there is nothing else to say (H23); none when nothing is lost."""
    if not _could_matter(assessment, issues):
        return []
    protocol = knowledge.protocols[0]
    summary = "ICANS could not be fully evaluated: records of this patient could not be used"
    detail = wording.detail(assessment, (), issues, knowledge, full=True)
    return [_made(decision_id, knowledge, protocol, Topic("evaluation", "Evaluation"), "info", summary, detail, ())]


def _card(
    desk: _Desk,
    row: Row,
    rows: Sequence[Row],
    advice: Advice,
    joining: Sequence[tuple[DraftCheck, Row]],
    full: bool,
) -> dict[str, Any]:
    topic = advice.protocol.topic(row.topic)
    joined = list({checked.id: checked for _, checked in joining}.values())
    said = wording.detail(desk.assessment, [*rows, *joined], desk.issues, desk.knowledge, full, desk.common)
    if full and advice.undecided:
        said = f"{said}\n\n{_undecided(advice)}"
    named = named_in_words(row, desk.assessment, desk.issues)
    if named:
        said = f"{said}\n\n{wording.duplication(named)}"
    lesser = wording.lesser_corticosteroids(desk.assessment) if topic.id == "corticosteroid" and row.therapies else ""
    if lesser:
        said = f"{said}\n\n{lesser}"
    worst = min((row, *joined), key=_urgency)
    summary = wording.summary(row if worst.indicator == row.indicator else worst, desk.assessment)
    card = _made(desk.decision_id, desk.knowledge, advice.protocol, topic, worst.indicator or "info", summary, said, [*rows, *joined])
    offered = [*desk.suggest.of_row(row, drugs=not named), *desk.suggest.of_checks([check for check, _ in joining], {r.topic for r in joined})]
    return _with(card, offered, alternatives=len(row.therapies) > 1)


def named_in_words(row: Row, assessment: Assessment, issues: Sequence[MappingIssue]) -> list[MappingIssue]:
    """The records whose text, but no code, names a drug that a row proposes."""
    proposed = {p.dose.substance for p in assessment.proposals if p.row is row}
    return [issue for issue in issues if issue.named in proposed]


def _check_card(desk: _Desk, topic: Topic, checks: Sequence[DraftCheck]) -> dict[str, Any]:
    """One card for all drafts of a topic; its indicator is the worst."""
    rows = sorted({row.id: row for check in checks for row in check.of(topic.id)}.values(), key=_urgency)
    detail = check_detail(desk.assessment, topic, checks, desk.knowledge)
    missing = not_checked(checks)
    card = _made(
        desk.decision_id,
        desk.knowledge,
        checks[0].protocol,
        topic,
        rows[0].indicator or "info",
        check_summary(rows, desk.assessment),
        f"{detail}\n\n{missing}" if missing else detail,
        rows,
    )
    return _with(card, desk.suggest.of_checks(checks, {topic.id}), alternatives=False)


def _made(
    decision_id: UUID,
    knowledge: Knowledge,
    protocol: Protocol,
    topic: Topic,
    indicator: str,
    summary: str,
    detail: str,
    rows: Sequence[Row],
) -> dict[str, Any]:
    card = {
        "uuid": str(uuid5(decision_id, f"{protocol.ref.id}/{topic.id}")),
        "summary": summary,
        "indicator": indicator,
        "detail": detail,
        "source": {
            "label": protocol.title,
            "url": protocol.url,
            "topic": {"system": TOPIC_SYSTEM, "code": topic.code, "display": topic.title},
        },
        "overrideReasons": override_reasons(topic.id),
    }
    links = _links(rows, knowledge)
    return {**card, "links": links} if links else card


def _links(rows: Sequence[Row], knowledge: Knowledge) -> list[dict[str, str]]:
    """The sources of what this card says, as absolute links."""
    refs = dict.fromkeys(cite.ref for row in rows if row.do for cite in row.cites)
    sources = [knowledge.sources[ref] for ref in refs]
    return [{"label": s.label, "url": s.url, "type": "absolute"} for s in sources if s.url][:_MOST_LINKS]


def _with(card: dict[str, Any], offered: Sequence[dict[str, Any]], alternatives: bool) -> dict[str, Any]:
    if not offered:
        return card
    return {**card, "suggestions": list(offered), "selectionBehavior": "at-most-one" if alternatives else "any"}


def _undecided(advice: Advice) -> str:
    missing = sorted({fact.replace("_", " ") for one in advice.undecided for fact in one.missing})
    topics = sorted({one.row.topic.replace("-", " ") for one in advice.undecided})
    return f"Not decided for lack of {', '.join(missing)}: {', '.join(topics)}."
