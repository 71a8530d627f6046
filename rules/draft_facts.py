"""The facts of one drafted order that a check may ask about: closed, finite, banded.

A fact is None when it is not known, or says nothing of this drug; a check that asks for it is then
undecided, never passed. The amounts behind the bands are in draft_doses.py, the course of
blinatumomab in draft_courses.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from rules.facts import FACTS, Fact

DRAFT_FACTS: Mapping[str, tuple[Fact, ...]] = {
    # What is ordered; "levetiracetam-stop" is a signed order that ends it.
    "draft": (
        "blinatumomab",
        "other-engager",
        "dexamethasone",
        "other-corticosteroid",
        "levetiracetam",
        "levetiracetam-stop",
        "tocilizumab",
        "sedative",
        "intrathecal",
        "other",
    ),
    # Allergy to the drafted drug, or to one of its kind (AL1, L6).
    "allergy": ("none", "related", "same"),
    # The same drug running, or drafted a second time; brivaracetam counts beside levetiracetam (L2, X2).
    "duplicate": ("none", "active", "drafted"),
    # An oral form while swallowing is not safe: consciousness, score, seizure (H04, A31).
    "oral_at_risk": (False, True),
    # Blinatumomab: what the draft begins.
    "course": ("first", "new-cycle", "restart", "step", "continuation"),
    # Its dose against the label by weight: the low step, the full dose, or neither (B6).
    "dose_for_weight": ("low", "full", "neither"),
    # Body weight, not older than 7 days (B6).
    "weight": ("45-kg-or-more", "below-45-kg", "missing-or-old"),
    # Coded disease state (B6).
    "indication": ("relapsed", "remission", "not-coded"),
    # A systemic corticosteroid in the 24 h before, active, or in this order (B5, A22).
    "premedicated": (False, True),
    # A grade 4 since the first dose ever; a grade 3 in the newest course (B2, B3).
    "grade_4_before": (False, True),
    "grade_3_before": (False, True),
    # Successive days up to now, each with a usable grade of 1 or less (A33).
    "days_at_1_or_less": ("fewer-than-3", "3-or-more"),
    # From the first grade 3 to the first grade of 1 or less, or until now.
    "grade_3_lasted": ("7-days-or-less", "over-7-days"),
    # Whether that grade 3 began at the low step.
    "grade_3_at_low_dose": (False, True),
    # A neurologic event in an earlier course (B7).
    "earlier_event": (False, True),
    "down_syndrome": (False, True),
    # Blasts of 50 % or more (S6).
    "high_blasts": (False, True),
    # Intrathecal chemotherapy within a day of this order (B7); day 1 of the infusion (IT1).
    "intrathecal_same_day": (False, True),
    "infusion_day_1": (False, True),
    # First 9 days of cycle 1, first 2 of a later one; a drug of narrow index by CYP beside it (B8).
    "early_days": (False, True),
    "narrow_index_drug": (False, True),
    # Corticosteroid: treatment or premedication (A22).
    "purpose": ("treatment", "premedication"),
    # One dose of dexamethasone in mg (X2, X6), and its interval.
    "dexamethasone_dose": ("below-10", "10-to-20", "above-20", "above-24"),
    "dexamethasone_interval": ("12-h-or-less", "over-12-h"),
    # Dexamethasone for treatment, all orders together, in mg a day (A9).
    "dexamethasone_daily": ("40-or-less", "over-40", "over-80"),
    # Methylprednisolone over 1,000 mg a dose or 2,000 mg a day (A9).
    "methylprednisolone": ("within", "over"),
    # Another systemic corticosteroid order: hydrocortisone is taken as replacement (X1).
    "other_steroid": ("none", "replacement", "other"),
    # Glucose over 11.1 mmol/L in 24 h, or diabetes (X3); infection or neutropenia (X4).
    "hyperglycemia": (False, True),
    "infection_risk": (False, True),
    # CYP3A4 inhibitors raise, inducers lower dexamethasone (X5).
    "interaction": ("none", "raises", "lowers", "both"),
    # Levetiracetam: the renal band, and the dose against the ceiling of that band (L1, A4).
    "renal_band": ("above-80", "50-80", "30-50", "below-30", "hemodialysis", "unknown"),
    "levetiracetam_dose": ("below-treatment", "within", "above-ceiling"),
    # On haemodialysis: given every 24 h, or more often (L1).
    "dialysis_interval": ("every-24-h", "more-often"),
    # All levetiracetam together in mg a day (L3); a single dose against 60 mg/kg and 4,500 mg.
    "levetiracetam_daily": ("3000-or-less", "over-3000"),
    "levetiracetam_load": ("none", "within", "over"),
    # Delirium or agitation (L4); methotrexate in the last 7 days or ordered (L5).
    "agitation": (False, True),
    "methotrexate": (False, True),
    # Tocilizumab: the dose, doses before, label cautions (TC2, TC3).
    "tocilizumab_dose": ("within", "over-800", "not-12-per-kg"),
    "tocilizumab_before": ("free", "within-8-h", "three-in-24-h", "four-in-all"),
    "tocilizumab_caution": (False, True),
    # A seizure in the last hour: a rescue drug is not to wait (A7).
    "seizure_last_hour": (False, True),
}

VOCABULARY: Mapping[str, tuple[Fact, ...]] = {**FACTS, **DRAFT_FACTS}
"""What a check may ask: the patient's facts, and those of the draft."""
