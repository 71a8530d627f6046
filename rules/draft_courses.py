"""The facts of drafted blinatumomab: what it begins, its dose by weight, and what happened before.

Whether a grade 3 is over is asked of the past by grading the chart again as of then, at the few instants
that can decide it; nothing of this runs without a draft of blinatumomab.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from rules.dosing import body_surface
from rules.draft_doses import DraftChart
from rules.facts import Fact
from rules.grading import Grading, grade
from rules.snapshot import SCORES, Domain, Exposure, Order

_DAY = timedelta(days=1)
_NARROW_INDEX = {"warfarin", "ciclosporin"}
INTRATHECAL = {"methotrexate", "cytarabine"}


def blinatumomab(order: Order, chart: DraftChart) -> dict[str, Fact | None]:
    """B2 to B8 and IT1."""
    courses = [c for c in chart.courses if c.substance == "blinatumomab"]
    last = courses[-1] if courses else None
    found = {
        "course": _course(order, last, chart),
        "dose_for_weight": _dose_for_weight(order, chart),
        "weight": _weight(chart),
        "indication": _indication(chart),
        "premedicated": _premedicated(chart),
        "grade_4_before": _grade_before(4, courses[0].started, chart) if courses else False,
        "earlier_event": _earlier_event(last, chart),
        "down_syndrome": any(d.kind == "down-syndrome" for d in chart.snapshot.diagnoses),
        "high_blasts": _high_blasts(chart),
        "intrathecal_same_day": intrathecal_same_day(chart),
        "early_days": _early(last, chart),
        "narrow_index_drug": _narrow_index(chart),
    }
    return found | _resume(last, chart)


def _course(order: Order, last: Exposure | None, chart: DraftChart) -> Fact:
    """First ever; a new cycle after more than 7 days; a restart after 4 h; a step up; else the next bag."""
    if last is None:
        return "first"
    if last.ended is not None:
        gap = chart.snapshot.as_of - last.ended
        if gap > chart.windows.new_cycle:
            return "new-cycle"
        if gap >= chart.windows.infusion_gap:
            return "restart"
    low = chart.dosing.limits["blinatumomab-low"] * (1 + chart.dosing.limits["blinatumomab-tolerance"])
    before = _dose_given(chart.snapshot.as_of, chart)
    steps = before is not None and order.daily_ug is not None and before <= low < order.daily_ug
    return "step" if steps else "continuation"


def _dose_given(at: datetime, chart: DraftChart) -> float | None:
    """The dose in micrograms a day of the newest bag begun by `at`; None when it was not charted so."""
    bags = [d for d in chart.snapshot.administrations if d.substance == "blinatumomab" and d.start <= at]
    newest = max(bags, key=lambda d: d.start, default=None)
    return newest.dose if newest is not None and newest.unit == "ug/d" else None


def _dose_for_weight(order: Order, chart: DraftChart) -> Fact | None:
    """Against the fixed dose from 45 kg on, against body surface below; None without dose or height."""
    if order.daily_ug is None:
        return None
    limits = chart.dosing.limits
    low, full = limits["blinatumomab-low"], limits["blinatumomab-full"]
    weight, height = chart.snapshot.latest("body-weight"), chart.snapshot.latest("body-height")
    if weight is not None and weight.value < limits["blinatumomab-weight"]:
        if height is None:
            return "neither" if order.daily_ug > full else None
        surface = body_surface(weight.value, height.value)
        low = min(low, limits["blinatumomab-low-per-m2"] * surface)
        full = min(full, limits["blinatumomab-full-per-m2"] * surface)
    for name, dose in (("low", low), ("full", full)):
        if abs(order.daily_ug - dose) <= limits["blinatumomab-tolerance"] * dose:
            return name
    return "neither"


def _weight(chart: DraftChart) -> Fact:
    limits = chart.dosing.limits
    weight = chart.recent("body-weight", timedelta(hours=limits["weight-age"]))
    if weight is None:
        return "missing-or-old"
    return "45-kg-or-more" if weight >= limits["blinatumomab-weight"] else "below-45-kg"


def _indication(chart: DraftChart) -> Fact:
    kinds = {d.kind for d in chart.snapshot.diagnoses if d.active}
    if "all-in-relapse" in kinds:
        return "relapsed"
    return "remission" if "all-in-remission" in kinds else "not-coded"


def _premedicated(chart: DraftChart) -> Fact | None:
    """Any systemic corticosteroid given in the window before, in force, or in this order."""
    since = chart.snapshot.as_of - timedelta(hours=chart.dosing.limits["premedication-window"])
    given = any(
        d.drug_class == "corticosteroid" and d.systemic and since <= d.start <= chart.snapshot.as_of
        for d in chart.snapshot.administrations
    )
    ordered = any(o.drug_class == "corticosteroid" and o.systemic for o in (*chart.running, *chart.drafts))
    if given or ordered:
        return True
    return None if "medications" in chart.snapshot.unread else False


def _graded(at: datetime, chart: DraftChart, since: datetime | None) -> Grading:
    return grade(replace(chart.snapshot, as_of=at), chart.criteria, chart.windows, since=since)


def _severe(least: int, since: datetime, chart: DraftChart) -> Iterator[datetime]:
    """The instants from `since` on at which the grade was at least so high, oldest first."""
    as_of = chart.snapshot.as_of
    charted = [
        g.at for g in chart.snapshot.charted
        if g.scale in ("icans", "icans-diagnosis") and g.grade >= least and since <= g.at <= as_of
    ]
    possible = {
        f.at for f in chart.snapshot.findings
        if since <= f.at <= as_of and f.proxy is None and chart.criteria.interval(f)[0] >= least
    }
    for at in sorted({*charted, *possible}):
        if at in charted or (_graded(at, chart, since).at_least or 0) >= least:
            yield at


def _grade_before(least: int, since: datetime, chart: DraftChart) -> bool:
    return next(_severe(least, since, chart), None) is not None


def _resume(last: Exposure | None, chart: DraftChart) -> dict[str, Fact | None]:
    """The clauses of the rule that lets blinatumomab begin again after a grade 3 (blincyto-label; A33)."""
    first = next(_severe(3, last.started, chart), None) if last is not None else None
    if last is None or first is None:
        return {"grade_3_before": False}
    limits, as_of = chart.dosing.limits, chart.snapshot.as_of
    resolved = _resolved(first, last, chart) or as_of
    over = resolved - first > timedelta(days=limits["resolve-days"])
    dose = _dose_given(first, chart)
    low = limits["blinatumomab-low"] * (1 + limits["blinatumomab-tolerance"])
    return {
        "grade_3_before": True,
        "days_at_1_or_less": "3-or-more" if _days_low(last, chart) >= limits["resume-days"] else "fewer-than-3",
        "grade_3_lasted": "over-7-days" if over else "7-days-or-less",
        "grade_3_at_low_dose": None if dose is None else dose <= low,
    }


def _examined(since: datetime, chart: DraftChart) -> list[datetime]:
    """When the score or consciousness was charted."""
    domains = (*SCORES, Domain.CONSCIOUSNESS)
    found = chart.snapshot.findings
    return sorted({f.at for f in found if f.domain in domains and f.proxy is None and since <= f.at <= chart.snapshot.as_of})


def _resolved(first: datetime, last: Exposure, chart: DraftChart) -> datetime | None:
    """The first examination after which the grade was 1 or less; None: not yet."""
    for at in _examined(first, chart):
        at_least = _graded(at, chart, last.started).at_least
        if at_least is not None and at_least <= 1:
            return at
    return None


def _days_low(last: Exposure, chart: DraftChart) -> int:
    """Successive days up to now, each with a usable grade of 1 or less and none above; missing days end it."""
    as_of = chart.snapshot.as_of
    days = 0
    while days < chart.dosing.limits["resume-days"]:
        until = as_of - days * _DAY
        within = [at for at in _examined(max(last.started, until - _DAY), chart) if until - _DAY < at <= until]
        grades = [_graded(at, chart, last.started).at_least for at in within]
        known = [g for g in grades if g is not None]
        if not known or max(known) > 1:
            break
        days += 1
    return days


def _earlier_event(last: Exposure | None, chart: DraftChart) -> Fact:
    """Tremor, a charted grade or an abnormal domain before the present course (B7, stein-2019)."""
    if chart.facts["tremor_in_earlier_course"] is True:
        return True
    running = last is not None and last.ended is None
    before = last.started if last is not None and running else chart.snapshot.as_of
    first = last.first_ever if last is not None else before
    return any(first <= f.at < before and chart.criteria.interval(f)[0] >= 1 for f in chart.snapshot.findings) or any(
        first <= g.at < before and g.grade >= 1 and g.scale in ("icans", "icans-diagnosis") for g in chart.snapshot.charted
    )


def _high_blasts(chart: DraftChart) -> Fact | None:
    week = timedelta(days=28)
    found = [chart.recent(kind, week) for kind in ("marrow-blast-percentage", "blast-percentage")]
    known = [value for value in found if value is not None]
    return max(known) >= chart.dosing.limits["blasts"] if known else None


def intrathecal_same_day(chart: DraftChart) -> Fact:
    """Intrathecal chemotherapy drafted, or in force (B7)."""
    return any(is_intrathecal(o) for o in (*chart.running, *chart.drafts))


def is_intrathecal(order: Order) -> bool:
    """By its coded route; the drug alone does not say so."""
    return order.route == "intrathecal" and order.substance in INTRATHECAL


def infusion_day_1(chart: DraftChart) -> Fact:
    """The first day of a cycle of blinatumomab, or the order that begins one (IT1)."""
    exposure = chart.exposure
    running = exposure is not None and exposure.substance == "blinatumomab" and exposure.cycle_day == 1
    return running or any(
        o.substance == "blinatumomab" and _course(o, _last(chart), chart) in ("first", "new-cycle") for o in chart.drafts
    )


def _last(chart: DraftChart) -> Exposure | None:
    return next((c for c in reversed(chart.courses) if c.substance == "blinatumomab"), None)


def _early(last: Exposure | None, chart: DraftChart) -> Fact:
    limits = chart.dosing.limits
    if last is None or (last.ended is not None and chart.snapshot.as_of - last.ended > chart.windows.new_cycle):
        return True
    return last.cycle_day <= limits["early-days-first" if last.cycle == 1 else "early-days-later"]


def _narrow_index(chart: DraftChart) -> Fact | None:
    if any(o.substance in _NARROW_INDEX for o in (*chart.running, *chart.drafts)):
        return True
    return None if "medications" in chart.snapshot.unread else False

