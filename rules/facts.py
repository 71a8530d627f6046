"""The closed, finite vocabulary that protocol rows may ask about, and how a snapshot answers it.

A fact is None when it is not known; a row that asks for it is then undecided, never false.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from rules.exposure import premedication
from rules.grading import Grading
from rules.snapshot import ChartedGrade, ClinicalSnapshot, Domain, Exposure, Order
from rules.windows import Windows

if TYPE_CHECKING:
    from rules.criteria import Criteria

Fact = str | int | bool
Facts = Mapping[str, Fact | None]

STATES: tuple[Fact, ...] = ("current", "overdue", "missing", "set-aside")

FACTS: Mapping[str, tuple[Fact, ...]] = {
    # The grade that drives advice: the computed bottom, or a fresh higher charted grade (D10).
    "icans_grade": ("indeterminate", 0, 1, 2, 3, 4),
    # What the grade rests on: a charted domain or grade, or only a proxy scale (D9).
    "grade_basis": ("none", "charted", "proxy"),
    # Whether every domain that holds the grade was examined within the post-ictal hour (A3).
    "grade_rests_on_post_ictal": (False, True),
    # The immune effector therapy whose risk window is open; "presumed" by an ICANS record alone (D5).
    "exposure": ("blinatumomab", "other-engager", "car-t", "presumed", "none"),
    # 18 years or older.
    "adult": (False, True),
    # The state of the score (ICE or CAPD) and of the consciousness domain.
    "score": STATES,
    "consciousness": STATES,
    # Clinical seizures since the first dose, events clustered (A11).
    "seizures": ("none", "one", "several", "uncertain"),
    # A charted CTCAE neurological grade (A10).
    "ctcae_neurological": ("below-3", 3, 4),
    # An ICANS-treatment corticosteroid: running (A8), or in the order being signed.
    "corticosteroid": ("none", "active", "drafted"),
    # Levetiracetam: running, or in the order being signed.
    "levetiracetam": ("none", "active", "drafted"),
    # CRS: present; none; masked: no hypotension and no hypoxia, fever not to be judged; unknown: not measured.
    "crs": ("present", "none", "masked", "unknown"),
    # Prior seizures, epilepsy, CNS disease on the problem list (asco-2021).
    "seizure_risk_factor": (False, True),
    # The order being signed holds an immune effector therapy.
    "engager_draft": (False, True),
    # Tremor charted before the present course: a prior neurologic event (stein-2019).
    "tremor_in_earlier_course": (False, True),
}

_RISK_FACTORS = {"epilepsy", "history-of-seizure", "history-of-epilepsy", "cns-leukemia", "intracranial-hemorrhage"}
_ICANS_STEROIDS = {"dexamethasone": 10.0, "methylprednisolone": 40.0}
EFFECTOR_CLASSES = ("t-cell-engager", "car-t")


def facts_from(
    snapshot: ClinicalSnapshot,
    grading: Grading,
    criteria: Criteria,
    exposure: Exposure | None,
    presumed: bool,
    charted: ChartedGrade | None,
    windows: Windows,
    crs_state: str,
) -> Facts:
    """Every fact of the vocabulary for one snapshot."""
    return {
        "icans_grade": driving_grade(grading, charted),
        "grade_basis": _basis(grading, charted),
        "grade_rests_on_post_ictal": grading.rests_on_post_ictal,
        "exposure": _exposure(exposure, presumed),
        "adult": None if snapshot.age_years is None else snapshot.age_years >= 18,
        "score": _state(grading, criteria.tool),
        "consciousness": _state(grading, Domain.CONSCIOUSNESS),
        "seizures": seizures_since(snapshot, criteria, exposure.first_ever if exposure else None, windows),
        "ctcae_neurological": _ctcae(snapshot, windows),
        "corticosteroid": _corticosteroid(snapshot, grading.onset, exposure, windows),
        "levetiracetam": _levetiracetam(snapshot, windows),
        "crs": crs_state,
        "seizure_risk_factor": _risk_factor(snapshot),
        "engager_draft": any(
            o.draft and o.selected and o.drug_class in EFFECTOR_CLASSES for o in snapshot.orders
        ),
        "tremor_in_earlier_course": _earlier_tremor(snapshot, exposure),
    }


def driving_grade(grading: Grading, charted: ChartedGrade | None) -> Fact:
    """The higher of the computed bottom and a fresh charted grade; a lower charted one never lowers (D10)."""
    grades = [g for g in (grading.at_least, charted.grade if charted else None) if g is not None]
    return min(max(grades), 4) if grades else "indeterminate"


def _basis(grading: Grading, charted: ChartedGrade | None) -> Fact:
    driving = driving_grade(grading, charted)
    if driving in ("indeterminate", 0):
        return "none"
    if charted is not None and charted.grade >= (grading.at_least or 0):
        return "charted"
    return "proxy" if grading.rests_on_proxy else "charted"


def _exposure(exposure: Exposure | None, presumed: bool) -> Fact:
    if exposure is None:
        return "presumed" if presumed else "none"
    if exposure.substance == "blinatumomab":
        return "blinatumomab"
    return "car-t" if exposure.drug_class == "car-t" else "other-engager"


def _state(grading: Grading, domain: Domain) -> Fact:
    graded = grading.domain(domain)
    if graded is not None and not graded.provisional:
        return "overdue" if graded.overdue or graded.stale else "current"
    if any(s.domain is domain for s in grading.set_aside):
        return "set-aside"
    return "missing"


def seizures_since(
    snapshot: ClinicalSnapshot, criteria: Criteria, since: datetime | None, windows: Windows
) -> Fact:
    """How many clinical seizures since the first dose: records within 24 h of each other are one event.

    Two assessor's records at different instants within 24 h may be two seizures or one: uncertain (A11).
    """
    records = sorted(
        (
            f
            for f in snapshot.findings
            if f.domain is Domain.SEIZURE
            and criteria.interval(f)[0] >= 1
            and f.at <= snapshot.as_of + windows.clock_tolerance
            and (since is None or f.at >= since)
        ),
        key=lambda f: f.at,
    )
    if not records:
        return "none"
    events = 1 + sum(
        later.at - earlier.at > timedelta(hours=24) for earlier, later in pairwise(records)
    )
    if events > 1:
        return "several"
    instants = {f.at for f in records if f.assessed}
    return "one" if len(instants) <= 1 else "uncertain"


def _ctcae(snapshot: ClinicalSnapshot, windows: Windows) -> Fact:
    grades = [
        g.grade
        for g in snapshot.charted
        if g.scale == "ctcae" and timedelta(0) <= snapshot.as_of - g.at <= windows.charted_fresh
    ]
    worst = min(max(grades, default=0), 4)
    return worst if worst >= 3 else "below-3"


def _corticosteroid(
    snapshot: ClinicalSnapshot, onset: datetime | None, exposure: Exposure | None, windows: Windows
) -> Fact:
    """A8: systemic, at ICANS dose, every 12 h or more often, begun at or after onset, not premedication.

    Seen in an active order, or in two doses given within 12 h of each other, the last within 12 h.
    """
    treating = [o for o in snapshot.orders if _treats(o, windows)]
    if any(not o.draft and (onset is None or o.authored is None or o.authored >= onset) for o in treating):
        return "active"
    before = premedication(snapshot.administrations, exposure, onset, windows) if exposure else ()
    given = sorted(
        d.start
        for d in snapshot.administrations
        if d.systemic
        and d not in before
        and d.unit == "mg"
        and d.dose is not None
        and d.dose >= _ICANS_STEROIDS.get(d.substance, float("inf"))
        and (onset is None or d.start >= onset)
    )
    if len(given) >= 2 and snapshot.as_of - given[-1] <= windows.dose_repeats >= given[-1] - given[-2]:
        return "active"
    return "drafted" if any(o.draft for o in treating) else "none"


def _treats(order: Order, windows: Windows) -> bool:
    least = _ICANS_STEROIDS.get(order.substance)
    if least is None or not order.systemic or order.premedication:
        return False
    if order.dose_mg is None or order.interval_hours is None:
        return False
    return order.dose_mg >= least and timedelta(hours=order.interval_hours) <= windows.dose_repeats


def _levetiracetam(snapshot: ClinicalSnapshot, windows: Windows) -> Fact:
    orders = [o for o in snapshot.orders if o.substance == "levetiracetam"]
    given = [d for d in snapshot.administrations if d.substance == "levetiracetam"]
    recent = any(timedelta(0) <= snapshot.as_of - d.start <= 2 * windows.dose_repeats for d in given)
    if recent or any(not o.draft for o in orders):
        return "active"
    return "drafted" if orders else "none"


def _risk_factor(snapshot: ClinicalSnapshot) -> Fact | None:
    if any(d.kind in _RISK_FACTORS for d in snapshot.diagnoses):
        return True
    return None if "conditions" in snapshot.unread else False


def _earlier_tremor(snapshot: ClinicalSnapshot, exposure: Exposure | None) -> Fact:
    before = exposure.started if exposure else snapshot.as_of
    return any(n.kind == "tremor" and n.at < before for n in snapshot.notes)
