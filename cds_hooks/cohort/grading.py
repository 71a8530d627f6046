"""One patient's lines in, one row an evaluation out: the same `decide` as the service, engine or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from cds_hooks import replaying
from cds_hooks.decide import Decision, decide, rows_of_topics
from cds_hooks.hook_request import HookRequest
from cds_hooks.prefetch import OPTIONAL, Records
from cds_hooks.replaying import Asked, Timed
from fhir_mappers.codes import load_terminology
from fhir_mappers.reading import Given
from fhir_mappers.site import Site
from rules import Knowledge

_ID = UUID(int=0)
Lines = Sequence[tuple[bytes, str | None]]
"""The raw JSON of each resource of a patient, and the fullUrl of its entry when it stood in a Bundle."""


class BadTimesError(ValueError):
    """A choice of instants that is not known; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Grader:
    """Everything grading needs but the patient; it can be sent to another process."""

    knowledge: Knowledge
    site: Site
    at: str = "last"


def times(at: str) -> Callable[[Sequence[Timed]], list[Asked]]:
    """The instants to evaluate at, by name: last, every-assessment, every-order, grid:6h. Raises BadTimesError."""
    named: Mapping[str, Callable[[Sequence[Timed]], list[Asked]]] = {
        "last": replaying.last,
        "every-assessment": replaying.every_assessment,
        "every-order": replaying.every_order,
    }
    if at in named:
        return named[at]
    hours = at.removeprefix("grid:").removesuffix("h")
    if at != f"grid:{hours}h" or not hours.isascii() or not hours.isdigit() or not 1 <= int(hours) <= 24 * 365:
        raise BadTimesError(f"--at {at!r}: last, every-assessment, every-order or grid:6h (whole hours) was expected")
    every = timedelta(hours=int(hours))
    return lambda records: replaying.grid(records, every)


def graded(patient: str, lines: Lines, grader: Grader) -> list[dict[str, Any]]:
    """The rows of one patient, oldest first. The order of the lines does not matter."""
    # two sorts by one key each: a key of pairs costs more than the sorting itself
    by_url = sorted(lines, key=lambda line: line[1] or "")
    given = [Given(raw, url) for raw, url in sorted(by_url, key=itemgetter(0))]
    records = replaying.timed(given, grader.site.codes or load_terminology(), grader.site.zone)
    return [row(patient, one, decided(patient, records, one, grader)) for one in times(grader.at)(records)]


def decided(patient: str, records: Sequence[Timed], asked: Asked, grader: Grader) -> Decision:
    """The decision on the chart as it stood then; the order that is signed then is the draft."""
    charted = [r for r in records if r is not asked.order]
    drafts = () if asked.order is None else (asked.order.given,)
    request = HookRequest(
        hook="order-sign",
        hook_instance="cohort",
        user_id="",
        patient_id=patient,
        encounter_id=None,
        draft_orders=None,
        selections=(),
        prefetch=dict.fromkeys(OPTIONAL),
        fhir_server=None,
    )
    found = Records(tuple(replaying.as_of(charted, asked.at)), drafts, (), frozenset())
    return decide(request, found, grader.knowledge, as_of=asked.at, decision_id=_ID, site=grader.site)


def row(patient: str, asked: Asked, decision: Decision) -> dict[str, Any]:
    """One evaluation as a row of the results (docs/cohort.md)."""
    record, assessment = decision.record, decision.assessment
    grading, exposure = record["grading"], record["exposure"]
    said = [g for g in assessment.snapshot.charted if g.scale == "icans"] if assessment else []
    charted = max(said, key=lambda g: (g.at, g.grade), default=None)
    rows = rows_of_topics(record)
    topics = {t.code: t.id for one in (assessment.advice if assessment else ()) for t in one.protocol.topics}
    return {
        "patient": patient,
        "time": _utc(asked.at),
        "trigger": asked.trigger,
        "order": asked.order.evidence if asked.order is not None else None,
        "applicable": record["applicable"],
        "presumed": record["presumed"],
        "exposure": exposure["substance"] if exposure else None,
        "exposure_started": _utc(datetime.fromisoformat(exposure["started"])) if exposure else None,
        "at_least": grading["at_least"],
        "at_most": grading["at_most"],
        "status": grading["status"],
        "tool": grading["tool"],
        "determining": grading["determining"],
        "assessed": [name for name, one in grading["by_domain"].items() if not one["provisional"]],
        "fresh": [name for name, one in grading["by_domain"].items() if not one["provisional"] and not one["overdue"]],
        "unassessed": grading["unassessed"],
        "charted_grade": charted.grade if charted else None,
        "charted_time": _utc(charted.at) if charted else None,
        "cards": [_card(card, topics, rows) for card in decision.cards],
        "issues": len(record["issues"]),
        "notes": len(record["notes"]),
    }


def _card(card: Mapping[str, Any], topics: Mapping[str, str], rows: Mapping[str, str]) -> dict[str, Any]:
    code = card["source"]["topic"]["code"]
    topic = topics.get(code, code)
    return {"topic": topic, "row": rows.get(topic, ""), "indicator": card["indicator"]}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
