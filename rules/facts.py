"""The closed, finite vocabulary that protocol rows may ask about, and how a snapshot answers it.

A fact is None when it is not known; a row that asks for it is then undecided, never false.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from rules.allergies import allergy
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
    # An ICANS-treatment corticosteroid: running (A8), in the order being signed, or ruled out by an allergy.
    "corticosteroid": ("none", "active", "drafted", "allergy"),
    # Levetiracetam: running, in the order being signed, or ruled out by an allergy.
    "levetiracetam": ("none", "active", "drafted", "allergy"),
    # CRS: present; none; masked: no hypotension and no hypoxia, fever not to be judged; unknown: not measured.
    "crs": ("present", "none", "masked", "without-fever", "unknown"),
    # Prior seizures, epilepsy, CNS disease on the problem list (asco-2021).
    "seizure_risk_factor": (False, True),
    # The order being signed holds an immune effector therapy.
    "engager_draft": (False, True),
    # Tremor charted before the present course: a prior neurologic event (stein-2019).
    "tremor_in_earlier_course": (False, True),
    # A grade of 1 or more in the last 72 h, and none now (D6, A21).
    "recent_grade": (False, True),
    # Blinatumomab interrupted for 4 h or more before the cycle was complete (D6).
    "infusion_held": (False, True),
    # Nothing on record speaks against a lumbar puncture: pressure, bleeding, imaging, platelets (A27).
    "lumbar_puncture_safe": (False, True),
}

_RISK_FACTORS = {"epilepsy", "history-of-seizure", "history-of-epilepsy", "cns-leukemia", "intracranial-hemorrhage"}
_ICANS_STEROIDS = {"dexamethasone": 10.0, "methylprednisolone": 40.0}
_FULL_CYCLE = timedelta(days=27)
_PLATELETS = 50.0
_ANTICOAGULANTS = {"warfarin"}
EFFECTOR_CLASSES = ("t-cell-engager", "car-t")
STOPPING = frozenset({"stopped", "cancelled", "completed", "ended", "on-hold"})
"""What a signed order may say that begins nothing (re-signing)."""


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
            o.draft and o.selected and o.status not in STOPPING and o.drug_class in EFFECTOR_CLASSES for o in snapshot.orders
        ),
        "tremor_in_earlier_course": _earlier_tremor(snapshot, exposure),
        "recent_grade": _recent_grade(snapshot, grading, criteria, exposure, charted, windows),
        "infusion_held": _held(snapshot, exposure, windows),
        "lumbar_puncture_safe": bool(grading.at_least) and _puncture_safe(snapshot, grading, windows),
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
    if allergy("dexamethasone", snapshot) == "same":
        return "allergy"
    return "drafted" if any(_drafts_treatment(o, snapshot) for o in snapshot.orders) else "none"


def _drafts_treatment(order: Order, snapshot: ClinicalSnapshot) -> bool:
    """A draft of an ICANS corticosteroid for treatment, of any dose: it is to be corrected, not doubled."""
    begins = order.draft and order.systemic and order.status not in STOPPING
    return begins and order.substance in _ICANS_STEROIDS and not premedicates(order, snapshot)


def premedicates(order: Order, snapshot: ClinicalSnapshot) -> bool:
    """Whether a corticosteroid order is premedication: it says so, or is one dose beside a drafted engager (A22)."""
    if order.premedication:
        return True
    single = order.drug_class == "corticosteroid" and order.interval_hours is None and order.dose_mg is not None
    return single and any(o.draft and o.drug_class == "t-cell-engager" for o in snapshot.orders)


def _treats(order: Order, windows: Windows) -> bool:
    least = _ICANS_STEROIDS.get(order.substance)
    if least is None or not order.systemic or order.premedication or order.status in STOPPING:
        return False
    if order.dose_mg is None or order.interval_hours is None:
        return False
    return order.dose_mg >= least and timedelta(hours=order.interval_hours) <= windows.dose_repeats


def _levetiracetam(snapshot: ClinicalSnapshot, windows: Windows) -> Fact:
    orders = [o for o in snapshot.orders if o.substance == "levetiracetam" and o.status not in STOPPING]
    given = [d for d in snapshot.administrations if d.substance == "levetiracetam"]
    recent = any(timedelta(0) <= snapshot.as_of - d.start <= 2 * windows.dose_repeats for d in given)
    if recent or any(not o.draft for o in orders):
        return "active"
    if allergy("levetiracetam", snapshot) in ("same", "related"):
        return "allergy"
    return "drafted" if orders else "none"


def _risk_factor(snapshot: ClinicalSnapshot) -> Fact | None:
    if any(d.kind in _RISK_FACTORS for d in snapshot.diagnoses):
        return True
    return None if "conditions" in snapshot.unread else False


def _earlier_tremor(snapshot: ClinicalSnapshot, exposure: Exposure | None) -> Fact:
    before = exposure.started if exposure else snapshot.as_of
    return any(n.kind == "tremor" and n.at < before for n in snapshot.notes)


def _recent_grade(
    snapshot: ClinicalSnapshot,
    grading: Grading,
    criteria: Criteria,
    exposure: Exposure | None,
    charted: ChartedGrade | None,
    windows: Windows,
) -> Fact:
    """Looked for only where nothing is graded now; findings from before the course do not count."""
    if driving_grade(grading, charted) not in ("indeterminate", 0):
        return False
    since = snapshot.as_of - windows.quiet
    if exposure is not None:
        since = max(since, exposure.started)
    return any(
        since <= f.at <= snapshot.as_of and f.proxy is None and f.domain in criteria.cells and criteria.interval(f)[0] >= 1
        for f in snapshot.findings
    ) or any(since <= g.at <= snapshot.as_of and g.grade >= 1 and g.scale == "icans" for g in snapshot.charted)


def _held(snapshot: ClinicalSnapshot, exposure: Exposure | None, windows: Windows) -> Fact:
    if exposure is None or exposure.substance != "blinatumomab" or exposure.ended is None:
        return False
    stopped = snapshot.as_of - exposure.ended >= windows.infusion_gap
    return stopped and exposure.ended - exposure.started < _FULL_CYCLE


def _puncture_safe(snapshot: ClinicalSnapshot, grading: Grading, windows: Windows) -> bool:
    """A27: pressure assessed and not raised, imaging since the onset, no bleeding, platelets known, no anticoagulant."""
    pressure = grading.domain(Domain.RAISED_ICP)
    platelets = snapshot.latest("platelets")
    imaged = any(
        n.kind in ("ct-head", "mr-brain") and (grading.onset is None or n.at >= grading.onset) for n in snapshot.notes
    )
    return (
        pressure is not None
        and pressure.at_most == 0
        and imaged
        and platelets is not None
        and snapshot.as_of - platelets.at <= windows.creatinine
        and platelets.value >= _PLATELETS
        and not snapshot.unread & {"conditions", "medications"}
        and not any(d.kind == "intracranial-hemorrhage" for d in snapshot.diagnoses)
        and not any(o.substance in _ANTICOAGULANTS for o in snapshot.orders)
    )
