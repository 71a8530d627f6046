"""The words of a card about drafted orders: which order, on what grounds, what to do, who says so."""

from __future__ import annotations

from collections.abc import Sequence

from cds_hooks import wording
from rules.assessing import Assessment, Knowledge
from rules.checking_drafts import DraftCheck
from rules.protocol import Row, Topic
from rules.snapshot import Order

_NEEDS = {
    "adult": "age",
    "allergy": "allergies",
    "seizure_risk_factor": "problem list",
    "agitation": "problem list",
    "hyperglycemia": "problem list",
    "infection_risk": "problem list",
    "tocilizumab_caution": "problem list",
    "duplicate": "active orders",
    "interaction": "active orders",
    "narrow_index_drug": "active orders",
    "other_steroid": "active orders",
    "premedicated": "active orders",
    "oral_at_risk": "route of the order",
    "dexamethasone_dose": "dose of the order",
    "dexamethasone_interval": "interval of the order",
    "dexamethasone_daily": "dose and interval of the order",
    "levetiracetam_dose": "dose and interval of the order",
    "levetiracetam_daily": "dose and interval of the order",
    "dialysis_interval": "interval of the order",
    "methylprednisolone": "dose of the order",
    "tocilizumab_dose": "dose of the order, weight",
    "dose_for_weight": "dose in micrograms a day, height",
    "grade_3_at_low_dose": "dose at that grade 3",
    "high_blasts": "blasts",
}
"""What would have to be charted for a check that could not be made."""


def check_summary(rows: Sequence[Row], assessment: Assessment) -> str:
    """The worst row's sentence; how many more follow in the detail, where it fits."""
    said = wording.summary(rows[0], assessment)
    more = f" (+{len(rows) - 1} more)" if len(rows) > 1 else ""
    return said + more if len(said + more) <= wording.SUMMARY_LIMIT else said


def check_detail(assessment: Assessment, topic: Topic, checks: Sequence[DraftCheck], knowledge: Knowledge) -> str:
    """Always in this order: the drafts, the grade, the findings, what to do, who says so."""
    rows = list({row.id: row for check in checks for row in check.of(topic.id)}.values())
    parts = [
        f"**This order: {'; '.join(order_said(check.order) for check in checks)}.**"
        f" {wording.headline(assessment)}. {wording.who(assessment)}",
        _grounds(assessment, {check.order.substance for check in checks}),
        "Do:\n" + "\n".join(f"{number}. {line}" for number, line in enumerate(_lines(assessment, topic, checks), start=1)),
        wording.who_says_so(rows, knowledge, graded=False),
    ]
    return "\n\n".join(part for part in parts if part)


def order_said(order: Order) -> str:
    """A draft as a person reads it: "levetiracetam 1,500 mg every 12 h by mouth"."""
    words = [order.substance]
    if order.dose_mg is not None:
        words.append(f"{order.dose_mg:,.10g} mg")
    if order.daily_ug is not None:
        words.append(f"{order.daily_ug:.10g} micrograms a day")
    if order.interval_hours:
        words.append(f"every {order.interval_hours:g} h")
    if order.route is not None:
        words.append({"oral": "by mouth", "parenteral": "by injection"}.get(order.route, order.route))
    return " ".join(words)


def _lines(assessment: Assessment, topic: Topic, checks: Sequence[DraftCheck]) -> list[str]:
    """What each row says, once; of several drafts, with the drug it speaks of."""
    several = len({check.order.substance for check in checks}) > 1
    lines: dict[str, None] = {}
    for check in checks:
        for row in check.of(topic.id):
            for line in row.do:
                said = wording.filled(line, assessment)
                lines[f"{check.order.substance.capitalize()}: {said}" if several else said] = None
    return list(lines)


def _grounds(assessment: Assessment, substances: set[str]) -> str:
    """The findings that the checks of a drug rest on."""
    found = []
    if "levetiracetam" in substances:
        found.append(f"kidney function: {assessment.renal.because}")
    if "tocilizumab" in substances:
        found += [wording.crs_said(assessment), *wording.vitals(assessment)]
    return f"Findings: {'; '.join(found)}." if found else ""


def not_checked(checks: Sequence[DraftCheck]) -> str:
    """What could not be checked for lack of data: never the same as nothing found."""
    unknown = dict.fromkeys(_NEEDS.get(fact, fact.replace("_", " ")) for check in checks for fact in check.unknown)
    return f"Not all was checked, as not known: {', '.join(unknown)}." if unknown else ""
