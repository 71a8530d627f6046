"""The facts of drafted corticosteroid, levetiracetam, tocilizumab and sedatives, from amounts to bands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from rules.criteria import Criteria
from rules.dosing import UNKNOWN_BAND, Dosing, RenalFunction
from rules.facts import STOPPING, Fact, Facts, premedicates
from rules.grading import Grading
from rules.snapshot import SCORES, ClinicalSnapshot, Domain, Exposure, Order
from rules.windows import Windows

_DAY = timedelta(hours=24)
_INDUCERS = {"phenytoin", "fosphenytoin", "carbamazepine", "phenobarbital", "rifampicin"}
_INHIBITORS = {"voriconazole", "posaconazole", "itraconazole", "ketoconazole", "fluconazole", "clarithromycin", "cobicistat"}
_INFECTIONS = {"infection", "sepsis", "positive-culture", "hepatitis-b", "tuberculosis", "invasive-fungal-infection", "neutropenia"}
_AGITATION = {"delirium", "agitation", "psychiatric-history"}


@dataclass(frozen=True, slots=True)
class DraftChart:
    """What the facts of a draft are read from: the chart, its grade, and the tables of doses and windows."""

    snapshot: ClinicalSnapshot
    criteria: Criteria
    windows: Windows
    dosing: Dosing
    grading: Grading
    exposure: Exposure | None
    courses: tuple[Exposure, ...]
    renal: RenalFunction
    facts: Facts

    @property
    def running(self) -> tuple[Order, ...]:
        """The orders in force that are not being signed."""
        return tuple(o for o in self.snapshot.orders if not o.draft)

    @property
    def drafts(self) -> tuple[Order, ...]:
        """The drafts that begin something."""
        return tuple(o for o in self.snapshot.orders if o.draft and o.status not in STOPPING)

    def others(self, order: Order) -> tuple[Order, ...]:
        """Every other order in force or drafted; a draft only when it stands before this one."""
        before = self.drafts[: self.drafts.index(order)] if order in self.drafts else self.drafts
        return (*self.running, *before)

    def recent(self, kind: str, within: timedelta = _DAY) -> float | None:
        """The newest measurement of a kind not older than `within`, in its own unit."""
        found = self.snapshot.latest(kind)
        return found.value if found is not None and self.snapshot.as_of - found.at <= within else None

    def below(self, kind: str) -> bool:
        """Whether the newest measurement of a kind is below its limit. A count of 0 is a measurement."""
        found = self.recent(kind)
        return found is not None and found < self.dosing.limits[kind]

    def above(self, kind: str) -> bool:
        """Whether the newest measurement of a kind is above its limit."""
        found = self.recent(kind)
        return found is not None and found > self.dosing.limits[kind]


def daily(order: Order) -> float | None:
    """An order in mg a day; None when dose or interval is not said."""
    if order.dose_mg is None or not order.interval_hours:
        return None
    return order.dose_mg * 24 / order.interval_hours


def duplicate(order: Order, chart: DraftChart, also: Iterable[str] = ()) -> Fact | None:
    """The same drug in force, or drafted before this one. Premedication and treatment stand apart (A9)."""
    names = {order.substance, *also}
    purpose = premedicates(order, chart.snapshot)
    same = [
        o
        for o in chart.others(order)
        if o.substance in names and o.systemic and premedicates(o, chart.snapshot) == purpose
    ]
    if any(not o.draft for o in same):
        return "active"
    if same:
        return "drafted"
    return None if "medications" in chart.snapshot.unread else "none"


def oral_at_risk(order: Order, chart: DraftChart) -> Fact | None:
    """An oral form where consciousness, the score or a seizure makes swallowing unsafe (H04)."""
    if order.route is None:
        return None
    lowered = any(
        d.at_least >= 1 and d.domain in (*SCORES, Domain.CONSCIOUSNESS, Domain.SEIZURE) for d in chart.grading.by_domain
    )
    return order.route == "oral" and lowered


def corticosteroid(order: Order, chart: DraftChart) -> dict[str, Fact | None]:
    """X1 to X6: amounts against the limits, and what stands beside the drug."""
    limits, snapshot = chart.dosing.limits, chart.snapshot
    premed = premedicates(order, snapshot)
    found: dict[str, Fact | None] = {
        "purpose": "premedication" if premed else "treatment",
        "other_steroid": _other_steroid(order, chart),
        "duplicate": duplicate(order, chart),
        "oral_at_risk": oral_at_risk(order, chart),
        "hyperglycemia": _any(chart, chart.above("glucose"), {"diabetes"}),
        "infection_risk": _any(chart, chart.below("neutrophils"), _INFECTIONS),
        "interaction": _interaction(chart),
    }
    if order.substance == "dexamethasone":
        found["dexamethasone_dose"] = _dexamethasone_dose(order, limits)
        if order.interval_hours:
            often = timedelta(hours=order.interval_hours) <= chart.windows.dose_repeats
            found["dexamethasone_interval"] = "12-h-or-less" if often else "over-12-h"
        if not premed:
            found["dexamethasone_daily"] = _dexamethasone_daily(order, chart)
    if order.substance == "methylprednisolone" and order.dose_mg is not None:
        over = order.dose_mg > limits["methylprednisolone-single"]
        found["methylprednisolone"] = "over" if over or (daily(order) or 0) > limits["methylprednisolone-daily"] else "within"
    return found


def _dexamethasone_dose(order: Order, limits: Mapping[str, float]) -> Fact | None:
    if order.dose_mg is None:
        return None
    if order.dose_mg > limits["dexamethasone-single"]:
        return "above-24" if order.dose_mg > limits["dexamethasone-premedication"] else "above-20"
    return "below-10" if order.dose_mg < limits["dexamethasone-icans-dose"] else "10-to-20"


def _dexamethasone_daily(order: Order, chart: DraftChart) -> Fact | None:
    """All dexamethasone for treatment together; premedication is listed apart (A9)."""
    own = daily(order)
    if own is None:
        return None
    others = [
        daily(o) or 0
        for o in chart.others(order)
        if o.substance == "dexamethasone" and o.systemic and not premedicates(o, chart.snapshot)
    ]
    total, limits = own + sum(others), chart.dosing.limits
    if total > limits["dexamethasone-daily-critical"]:
        return "over-80"
    return "over-40" if total > limits["dexamethasone-daily"] else "40-or-less"


def _other_steroid(order: Order, chart: DraftChart) -> Fact | None:
    found = {
        o.substance
        for o in chart.others(order)
        if o.drug_class == "corticosteroid" and o.systemic and o.substance != order.substance
        and not premedicates(o, chart.snapshot)
    }
    if found:
        return "replacement" if found == {"hydrocortisone"} else "other"
    return None if "medications" in chart.snapshot.unread else "none"


def _interaction(chart: DraftChart) -> Fact | None:
    names = {o.substance for o in (*chart.running, *chart.drafts)}
    raises, lowers = bool(names & _INHIBITORS), bool(names & _INDUCERS)
    if raises or lowers:
        return "both" if raises and lowers else "raises" if raises else "lowers"
    return None if "medications" in chart.snapshot.unread else "none"


def _any(chart: DraftChart, measured: bool, kinds: set[str]) -> Fact | None:
    """A measurement or an active diagnosis says yes; without the problem list nothing says no."""
    if measured or any(d.active and d.kind in kinds for d in chart.snapshot.diagnoses):
        return True
    return None if "conditions" in chart.snapshot.unread else False


def levetiracetam(order: Order, chart: DraftChart) -> dict[str, Fact | None]:
    """L1 to L7: the dose against the ceiling of the renal band, duplicates, what confounds."""
    return {
        "renal_band": chart.renal.band,
        "levetiracetam_dose": _levetiracetam_dose(order, chart),
        "dialysis_interval": _dialysis_interval(order, chart),
        "levetiracetam_daily": _levetiracetam_daily(order, chart),
        "levetiracetam_load": _load(order, chart),
        "duplicate": duplicate(order, chart, also=("brivaracetam",)),
        "oral_at_risk": oral_at_risk(order, chart),
        "agitation": _any(chart, False, _AGITATION),
        "methotrexate": _methotrexate(chart),
    }


def _levetiracetam_dose(order: Order, chart: DraftChart) -> Fact | None:
    """Per day, so that an interval other than the label's is judged too; without an interval not known."""
    amount = daily(order)
    if amount is None:
        return None
    ceiling = chart.dosing.dose("levetiracetam-ceiling", chart.renal.band)
    most = ceiling.amount_mg * 24 / ceiling.every_hours
    if amount > most:
        return "above-ceiling"
    if chart.renal.band == UNKNOWN_BAND:
        return "within"
    treatment = chart.dosing.dose("levetiracetam-treatment", chart.renal.band)
    return "below-treatment" if amount < treatment.amount_mg * 24 / treatment.every_hours else "within"


def _dialysis_interval(order: Order, chart: DraftChart) -> Fact | None:
    if chart.renal.band != "hemodialysis" or not order.interval_hours:
        return None
    every = chart.dosing.dose("levetiracetam-ceiling", chart.renal.band).every_hours
    return "more-often" if order.interval_hours < every else "every-24-h"


def _levetiracetam_daily(order: Order, chart: DraftChart) -> Fact | None:
    own = daily(order)
    if own is None:
        return None
    total = own + sum(daily(o) or 0 for o in chart.others(order) if o.substance == "levetiracetam")
    return "over-3000" if total > chart.dosing.limits["levetiracetam-daily"] else "3000-or-less"


def _load(order: Order, chart: DraftChart) -> Fact | None:
    if order.dose_mg is None or order.interval_hours:
        return "none"
    limits, weight = chart.dosing.limits, chart.snapshot.latest("body-weight")
    by_weight = limits["levetiracetam-load-per-kg"] * weight.value if weight is not None else float("inf")
    return "over" if order.dose_mg > min(limits["levetiracetam-load"], by_weight) else "within"


def _methotrexate(chart: DraftChart) -> Fact:
    since = chart.snapshot.as_of - timedelta(hours=chart.dosing.limits["methotrexate"])
    return any(o.substance == "methotrexate" for o in chart.snapshot.orders) or any(
        d.substance == "methotrexate" and d.start >= since for d in chart.snapshot.administrations
    )


def tocilizumab(order: Order, chart: DraftChart) -> dict[str, Fact | None]:
    """TC2 and TC3: dose by weight, doses before, label cautions."""
    low_counts = chart.below("neutrophils") or chart.below("platelets")
    return {
        "tocilizumab_dose": _tocilizumab_dose(order, chart),
        "tocilizumab_before": _tocilizumab_before(chart),
        "tocilizumab_caution": _any(chart, low_counts, _INFECTIONS),
    }


def _tocilizumab_dose(order: Order, chart: DraftChart) -> Fact | None:
    limits, weight = chart.dosing.limits, chart.snapshot.latest("body-weight")
    if order.dose_mg is None:
        return None
    if order.dose_mg > limits["tocilizumab-single"]:
        return "over-800"
    if weight is None:
        return None
    expected = limits["tocilizumab-small-per-kg"] * weight.value
    small = weight.value < limits["tocilizumab-small-weight"]
    return "not-12-per-kg" if small and abs(order.dose_mg - expected) > 0.1 * expected else "within"


def _tocilizumab_before(chart: DraftChart) -> Fact:
    limits, as_of = chart.dosing.limits, chart.snapshot.as_of
    given = [d.start for d in chart.snapshot.administrations if d.substance == "tocilizumab" and d.start <= as_of]
    if len(given) >= limits["tocilizumab-in-all"]:
        return "four-in-all"
    if sum(as_of - at <= _DAY for at in given) >= limits["tocilizumab-per-day"]:
        return "three-in-24-h"
    interval = timedelta(hours=limits["tocilizumab-interval"])
    return "within-8-h" if any(as_of - at < interval for at in given) else "free"


def seizure_last_hour(chart: DraftChart) -> Fact:
    """A seizure charted within the last hour (A7)."""
    return any(
        f.domain is Domain.SEIZURE
        and chart.criteria.interval(f)[0] >= 1
        and timedelta(0) <= chart.snapshot.as_of - f.at <= chart.windows.post_ictal
        for f in chart.snapshot.findings
    )
