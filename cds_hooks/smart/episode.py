"""The episode at a glance: the grade and its interval, the trend, what is due when, the cards. Words only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from importlib import import_module
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from cds_hooks import wording
from cds_hooks.decide import Decision
from cds_hooks.smart.chart import Chart
from cds_hooks.status import NOT_A_MONITOR, trend_said
from fhir_mappers.site import Site
from rules import Assessment, Knowledge
from rules.grading import DomainGrade
from rules.trend import curve

MOST_POINTS = 24
_MARKDOWN = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")


@dataclass(frozen=True, slots=True)
class Due:
    """One domain: what was found and when, and when it is due next."""

    name: str
    found: str
    seen: str
    due: str
    state: str  # "missing", "overdue" or "current"


@dataclass(frozen=True, slots=True)
class Step:
    """The grade at one examination."""

    at: str
    ago: str
    grade: str


@dataclass(frozen=True, slots=True)
class Episode:
    """What the page shows."""

    headline: str
    interval: str
    urgency: str
    who: str
    exposure: str
    trend: str
    due: tuple[Due, ...]
    steps: tuple[Step, ...]
    cards: tuple[dict[str, Any], ...]
    as_of: str
    note: str = NOT_A_MONITOR


def episode(decision: Decision, knowledge: Knowledge, zone: tzinfo | None) -> Episode:
    """The view of a decision on a whole chart."""
    assessment = decision.assessment
    assert assessment is not None
    grading, as_of = assessment.grading, assessment.snapshot.as_of
    return Episode(
        headline=wording.headline(assessment),
        interval=_interval(grading.at_least, grading.at_most, grading.status),
        urgency=decision.cards[0]["indicator"] if decision.cards else "info",
        who=wording.who(assessment),
        exposure=_exposure(assessment),
        trend=trend_said(assessment, knowledge),
        due=tuple(_due(assessment)),
        steps=tuple(_steps(assessment, knowledge, zone))[-MOST_POINTS:][::-1],
        cards=tuple({**card, "html": rendered(card["detail"])} for card in decision.cards),
        as_of=_clock(as_of, zone),
    )


def rendered(markdown: str) -> Markup:
    """A card's detail as HTML; raw HTML and images stay text, so the markup is safe."""
    return Markup(_MARKDOWN.render(markdown))


def _interval(at_least: int | None, at_most: int, status: str) -> str:
    if at_least is None:
        return "nothing usable assessed"
    return f"{at_least}" if status == "final" else f"{at_least} to {at_most}"


def _exposure(assessment: Assessment) -> str:
    found, as_of = assessment.exposure, assessment.snapshot.as_of
    if found is None:
        return "No immune effector therapy on record with an open window."
    cycle = f", cycle {found.cycle} day {found.cycle_day}" if found.cycle and found.cycle_day else ""
    return f"{found.substance.replace('-', ' ')}, begun {wording.age(found.started, as_of)}{cycle}"


def _due(assessment: Assessment) -> Iterator[Due]:
    grading, as_of = assessment.grading, assessment.snapshot.as_of
    for domain in assessment.criteria.domains:
        graded = grading.domain(domain)
        name = wording.name_of(domain)
        if graded is None or graded.provisional:
            found = "not assessed" if graded is None else f"{assessment.criteria.says(graded.finding)} (inferred from a scale)"
            yield Due(name, found, "" if graded is None else wording.age(graded.finding.at, as_of), "now", "missing")
            continue
        late = graded.overdue or graded.stale
        yield Due(
            name,
            assessment.criteria.says(graded.finding),
            wording.age(graded.finding.at, as_of),
            _when(graded, as_of),
            "overdue" if late else "current",
        )


def _when(graded: DomainGrade, as_of: datetime) -> str:
    minutes = int((graded.finding.at + graded.due_every - as_of).total_seconds() // 60)
    if minutes < 0:
        return "now, overdue"
    return f"in {minutes} min" if minutes < 120 else f"in {minutes // 60} h"


def _steps(assessment: Assessment, knowledge: Knowledge, zone: tzinfo | None) -> Iterator[Step]:
    as_of = assessment.snapshot.as_of
    for point in curve(assessment, knowledge):
        grading = point.grading
        grade = _interval(grading.at_least, grading.at_most, grading.status)
        yield Step(_clock(point.at, zone), wording.age(point.at, as_of), grade)


def _clock(at: datetime, zone: tzinfo | None) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M") if zone else at.strftime("%Y-%m-%d %H:%M %Z")


def picture(chart: Chart, knowledge: Knowledge, site: Site) -> bytes | None:
    """The timeline as SVG; None where the package is installed without what draws it."""
    assert chart.decision is not None
    assert chart.decision.assessment is not None
    try:
        timeline = import_module("cds_hooks.timeline")
    except ImportError:
        return None
    instants = [point.at for point in curve(chart.decision.assessment, knowledge)][-MOST_POINTS:]
    points = [chart.as_of(instant, knowledge, site) for instant in instants]
    drawn: bytes = timeline.picture(points, chart.decision, "Episode", "svg")
    return drawn
