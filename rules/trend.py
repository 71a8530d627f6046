"""Where the grade comes from: at the assessment before, and at the worst of the episode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from rules.assessing import Assessment, Knowledge
from rules.grading import Grading, grade


@dataclass(frozen=True, slots=True)
class Point:
    """The grade as it was at one assessment."""

    at: datetime
    grading: Grading


@dataclass(frozen=True, slots=True)
class Trend:
    """The previous assessment, and the worst of the course; None when there is none."""

    previous: Point | None
    peak: Point | None

    def said(self, now: int | None) -> str:
        """Rising, falling or unchanged against the previous assessment, in a word."""
        before = self.previous.grading.at_least if self.previous is not None else None
        if before is None or now is None:
            return "no earlier grade to compare"
        return "rising" if now > before else "falling" if now < before else "unchanged"


def curve(assessment: Assessment, knowledge: Knowledge) -> tuple[Point, ...]:
    """The grade at each instant a domain was charted in this course, oldest first; graded as of then."""
    snapshot = assessment.snapshot
    since = assessment.since
    instants = sorted(
        {f.at for f in snapshot.findings if f.at <= snapshot.as_of and (since is None or f.at >= since)}
    )
    return tuple(
        Point(at, grade(replace(snapshot, as_of=at), assessment.criteria, knowledge.windows, since))
        for at in instants
    )


def trend(assessment: Assessment, knowledge: Knowledge) -> Trend:
    """The trend of an assessment: one grading for each instant a domain was charted."""
    points = [p for p in curve(assessment, knowledge) if p.grading.at_least is not None]
    return Trend(
        previous=points[-2] if len(points) > 1 else None,
        peak=max(points, key=lambda p: (p.grading.at_least or 0, p.grading.at_most, p.at), default=None),
    )
