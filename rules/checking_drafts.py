"""The checks of drafted orders: each draft once, each check alone; and the one correction a draft may get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rules.allergies import allergy
from rules.dosing import UNKNOWN_BAND, Dose
from rules.draft_courses import blinatumomab, infusion_day_1, is_intrathecal
from rules.draft_doses import (
    DraftChart,
    corticosteroid,
    levetiracetam,
    oral_at_risk,
    seizure_last_hour,
    tocilizumab,
)
from rules.draft_facts import DRAFT_FACTS
from rules.facts import EFFECTOR_CLASSES, STOPPING, Fact, Facts
from rules.protocol import Protocol, Row
from rules.snapshot import Order

SEDATIVES = {"benzodiazepine", "sedative", "opioid"}
_URGENCY = {"critical": 0, "warning": 1, "info": 2}
_NOTHING: dict[str, Fact | None] = dict.fromkeys(DRAFT_FACTS)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What is proposed for a draft: `dose` in its place, or None to take it out of the order."""

    order: Order
    row: Row
    dose: Dose | None
    recommended: bool


@dataclass(frozen=True, slots=True)
class DraftCheck:
    """The checks of one protocol that fire for one draft, the worst first, and the facts that were not known.

    `doses` are those that the checks quote for this patient, whether or not one is proposed.
    """

    protocol: Protocol
    order: Order
    facts: Facts
    rows: tuple[Row, ...]
    unknown: tuple[str, ...]
    correction: Corrected | None
    doses: tuple[Dose, ...]

    def of(self, topic: str) -> tuple[Row, ...]:
        """The rows of one topic."""
        return tuple(row for row in self.rows if row.topic == topic)


def check_drafts(chart: DraftChart, protocols: Sequence[Protocol]) -> tuple[DraftCheck, ...]:
    """Every check of every selected draft. Nothing when no draft is a drug the checks know."""
    drafts = [(o, kind_of(o)) for o in chart.snapshot.orders if o.draft and o.selected]
    asked = [(o, kind) for o, kind in drafts if kind is not None]
    if not asked:
        return ()
    found = []
    for order, kind in asked:
        facts = {**chart.facts, **_NOTHING, "draft": kind, **_facts(order, kind, chart)}
        found += [one for p in protocols if (one := _checked(p, order, facts, chart)) is not None]
    return tuple(found)


def kind_of(order: Order) -> str | None:
    """What a draft is to the checks; None: an order that only ends something, and is passed over."""
    if order.status in STOPPING:
        ended = order.substance == "levetiracetam" and order.status != "on-hold"
        return "levetiracetam-stop" if ended else None
    if is_intrathecal(order):
        return "intrathecal"
    if order.substance in ("blinatumomab", "dexamethasone", "levetiracetam", "tocilizumab"):
        return order.substance if order.systemic else "other"
    if order.drug_class in EFFECTOR_CLASSES:
        return "other-engager"
    if order.drug_class == "corticosteroid" and order.systemic:
        return "other-corticosteroid"
    return "sedative" if order.drug_class in SEDATIVES else "other"


def _facts(order: Order, kind: str, chart: DraftChart) -> dict[str, Fact | None]:
    found: dict[str, Fact | None] = {"allergy": allergy(order.substance, chart.snapshot)}
    if kind == "blinatumomab":
        found |= blinatumomab(order, chart)
    elif kind in ("dexamethasone", "other-corticosteroid"):
        found |= corticosteroid(order, chart)
    elif kind == "levetiracetam":
        found |= levetiracetam(order, chart)
    elif kind == "tocilizumab":
        found |= tocilizumab(order, chart)
    elif kind == "sedative":
        found |= {"seizure_last_hour": seizure_last_hour(chart), "oral_at_risk": oral_at_risk(order, chart)}
    elif kind == "intrathecal":
        found["infusion_day_1"] = infusion_day_1(chart)
    return found


def _checked(protocol: Protocol, order: Order, facts: Facts, chart: DraftChart) -> DraftCheck | None:
    fired: list[Row] = []
    unknown: dict[str, None] = {}
    for row in protocol.checks_of(str(facts["draft"])):
        holds = row.holds(facts)
        if holds:
            fired.append(row)
        elif holds is None:
            unknown |= dict.fromkeys(row.unknown(facts))
    if not fired:
        return None
    fired.sort(key=lambda row: _URGENCY[row.indicator or "info"])
    quoted = [row.correct.dosing for row in fired if row.correct is not None and row.correct.dosing is not None]
    doses = tuple(chart.dosing.dose(name, chart.renal.band) for name in dict.fromkeys(quoted))
    return DraftCheck(protocol, order, facts, tuple(fired), tuple(unknown), _correction(order, fired, chart), doses)


def _correction(order: Order, fired: Iterable[Row], chart: DraftChart) -> Corrected | None:
    """One a draft: to take it out comes before a dose; then the worst check decides.

    A dose is proposed for adults alone, for levetiracetam only where the kidneys are known, and only where
    the draft says another; none by mouth where swallowing is not safe (H04).
    """
    asking = [row for row in fired if row.correct is not None]
    for row in sorted(asking, key=lambda row: row.correct is not None and row.correct.dosing is not None):
        assert row.correct is not None
        if row.correct.dosing is None:
            return Corrected(order, row, None, row.correct.preferred)
        dose = chart.dosing.dose(row.correct.dosing, chart.renal.band)
        if (order.substance == "levetiracetam" and chart.renal.band == UNKNOWN_BAND) or oral_at_risk(order, chart):
            continue
        if chart.facts["adult"] is True and (order.dose_mg, order.interval_hours) != (dose.amount_mg, dose.every_hours):
            return Corrected(order, row, dose, row.correct.preferred and dose.may_recommend)
    return None
