"""Facts of a drafted order from amounts: both sides of each edge, unknown stays unknown, one correction a draft."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from charts import NOW
from snapshots import KNOWLEDGE, RUNNING, finding, snapshot

from rules import Administration, ClinicalSnapshot, Diagnosis, Domain, Measurement, Order, assess
from rules.checking_drafts import DraftCheck
from rules.draft_facts import DRAFT_FACTS, VOCABULARY
from rules.facts import FACTS

ICE, LOC, SEIZURE = Domain.ICE, Domain.CONSCIOUSNESS, Domain.SEIZURE
CLASSES = {"blinatumomab": "t-cell-engager", "dexamethasone": "corticosteroid", "levetiracetam": "antiseizure", "tocilizumab": "anti-il-6", "lorazepam": "benzodiazepine"}


def draft(substance: str, mg: float | None = None, every: float | None = None, **more: object) -> Order:
    drug_class = CLASSES.get(substance, str(more.pop("drug_class", "other")))
    return Order(substance, drug_class, f"MedicationRequest/{more.pop('id', substance)}", True, str(more.pop("status", "draft")), NOW, mg, every, **more)  # type: ignore[arg-type]


def measured(kind: str, value: float, hours: float = 1) -> Measurement:
    return Measurement(kind, value, "", NOW - timedelta(hours=hours), f"Observation/{kind}")


WELL = (measured("creatinine", 0.9), measured("body-weight", 70), measured("body-height", 175))


def checks(*orders: Order, values: object = None, **more: object) -> tuple[DraftCheck, ...]:
    chart: ClinicalSnapshot = snapshot(
        {ICE: 5, LOC: "loc-alert"} if values is None else values,  # type: ignore[arg-type]
        orders=orders,
        sex="male",
        **{"measurements": WELL, **more},
    )
    return assess(chart, KNOWLEDGE).checks


def rows(*orders: Order, **more: object) -> set[str]:
    return {row.id for check in checks(*orders, **more) for row in check.rows}


def test_the_vocabulary_is_closed() -> None:
    assert not set(DRAFT_FACTS) & set(FACTS)
    (found,) = checks(draft("levetiracetam", 500, 12), measurements=())
    assert set(found.facts) == set(VOCABULARY)
    for name, value in found.facts.items():
        assert value is None or value in VOCABULARY[name], name


def test_no_draft_of_ours_costs_and_says_nothing() -> None:
    running = replace(draft("levetiracetam", 3000, 12), draft=False, status="active")
    assert checks(running) == ()
    assert checks(draft("ondansetron", 8, 8)) == ()
    assert checks(draft("dexamethasone", 90, 6), administrations=(), values={}) == (), "no risk, no card (D5)"
    assert checks(replace(draft("dexamethasone", 90, 6), selected=False)) == ()


@pytest.mark.parametrize(
    ("mg", "every", "creatinine", "expected"),
    [
        (1500, 12, 0.9, set()),
        (1501, 12, 0.9, {"l3-daily"}),
        (1000, 12, 1.6, set()),
        (1001, 12, 1.6, {"l1-ceiling"}),
        (500, 12, 4.0, set()),
        (501, 12, 4.0, {"l1-ceiling-low"}),
        (1000, 24, 4.0, set()),
        (250, 4, 4.0, {"l1-ceiling-low"}),
    ],
)
def test_the_ceiling_of_a_band(mg: float, every: float, creatinine: float, expected: set[str]) -> None:
    """Clearance 97, 55 and 22 mL/min/1.73 m2; the ceiling counts by the day."""
    labs = (measured("creatinine", creatinine), *WELL[1:])
    assert rows(draft("levetiracetam", mg, every), measurements=labs) == expected


@pytest.mark.parametrize(
    ("mg", "creatinine", "fires"),
    [(999, 0.9, True), (1000, 0.9, False), (750, 2.0, False), (749, 2.0, True), (500, 4.0, False), (499, 4.0, True), (250, None, False)],
)
def test_prophylaxis_after_a_seizure_up_to_the_ceiling_and_never_at_unknown_creatinine(mg: float, creatinine: float | None, fires: bool) -> None:
    labs = (*(() if creatinine is None else (measured("creatinine", creatinine),)), *WELL[1:])
    found = rows(draft("levetiracetam", mg, 12), values=[finding(ICE, 10), finding(SEIZURE, "seizure-resolved-rapidly", 30)], measurements=labs)
    assert ("l7-after-seizure" in found) is fires


def test_the_seizure_counts_after_24_hours_too() -> None:
    """25 h after the seizure a change back to 500 mg is still said (A5)."""
    assert "l7-after-seizure" in rows(draft("levetiracetam", 500, 12), values=[finding(ICE, 10), finding(SEIZURE, "seizure-resolved-rapidly", 25)])


def test_dialysis_is_every_24_hours() -> None:
    dialysis = (Diagnosis("hemodialysis", None, "Procedure/hd"),)
    assert rows(draft("levetiracetam", 500, 12), diagnoses=dialysis) == {"l1-dialysis"}
    assert rows(draft("levetiracetam", 500, 24), diagnoses=dialysis) == set()
    assert rows(draft("levetiracetam", 600, 12), diagnoses=dialysis) == {"l1-dialysis", "l1-ceiling-low"}


@pytest.mark.parametrize(
    ("mg", "every", "expected"),
    [
        (10, 12, set()),
        (9.9, 12, {"x6-dose-2"}),
        (10, 13, {"x6-interval-2"}),
        (20, 12, set()),
        (20.1, 12, {"x2-single-2", "x2-daily-2"}),
        (10, 6, set()),
        (20, 6, {"x2-daily-2"}),
        (20.1, 6, {"x2-single-2", "x2-daily-80-2"}),
        (None, 6, set()),
    ],
)
def test_dexamethasone_at_grade_2(mg: float | None, every: float, expected: set[str]) -> None:
    assert rows(draft("dexamethasone", mg, every)) == expected


def test_premedication_is_listed_apart() -> None:
    """20 mg once beside a drafted engager and 10 mg every 6 h in force: neither a duplicate nor over 40 mg (A9)."""
    running = replace(draft("dexamethasone", 10, 6), draft=False, status="active", evidence="MedicationRequest/running")
    found = rows(draft("dexamethasone", 20), draft("blinatumomab", daily_ug=28.0), running)
    assert not any(name.startswith("x2") for name in found)


def test_all_treatment_orders_count_together() -> None:
    running = replace(draft("dexamethasone", 10, 6), draft=False, status="active", evidence="MedicationRequest/running")
    found = checks(draft("dexamethasone", 10, 12), running)[0]
    assert {row.id for row in found.rows} == {"x2-duplicate-active", "x2-daily-2"}
    assert found.correction is not None
    assert found.correction.dose is None, "to take it out comes before a dose"


def test_our_own_suggestions_trip_no_check() -> None:
    """Each dose the protocol proposes, drafted as proposed, is not warned of (A4, A9)."""
    for value, band in ((2, 0.9), (5, 0.9), (2, 1.6), (2, 2.0), (2, 4.0)):
        labs = (measured("creatinine", band), *WELL[1:])
        for seizures in ((), (finding(SEIZURE, "seizure-resolved-rapidly", 3),)):
            found = [finding(ICE, value), finding(LOC, "loc-alert"), *seizures]
            first = assess(snapshot(found, measurements=labs, sex="male"), KNOWLEDGE)
            for proposal in first.proposals:
                dose = proposal.dose
                order = draft(dose.substance, dose.amount_mg, dose.every_hours, route="parenteral", drug_class="corticosteroid")
                said = rows(order, values=found, measurements=labs)
                assert said == set(), (dose.id, band, said)


@pytest.mark.parametrize(
    ("ended", "before", "rate", "expected"),
    [
        (None, None, 28, "first"),
        (0.1, 28, 28, "continuation"),
        (0.2, 28, 28, "restart"),
        (6.9, 28, 28, "restart"),
        (7.1, 28, 28, "new-cycle"),
        (0.1, 9, 28, "step"),
        (0.1, 9, 9, "continuation"),
    ],
)
def test_what_a_bag_begins(ended: float | None, before: float | None, rate: float, expected: str) -> None:
    bag = () if ended is None else (
        Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=ended + 5), "MedicationAdministration/b", NOW - timedelta(days=ended), dose=before, unit="ug/d"),
    )
    order = draft("blinatumomab", daily_ug=float(rate))
    allergic = (Diagnosis("allergy:blinatumomab", None, "AllergyIntolerance/a"),)
    (found,) = checks(order, administrations=bag, measurements=(), values={}, diagnoses=allergic)
    assert found.facts["course"] == expected


@pytest.mark.parametrize(
    ("weight", "rate", "expected"),
    [(45, 28, "full"), (45, 9, "low"), (45, 15, "neither"), (44, 28, "neither"), (30, 5, "low"), (30, 15, "full"), (30, 9, "neither")],
)
def test_the_dose_by_weight(weight: float, rate: float, expected: str) -> None:
    """At 30 kg and 120 cm the surface is 1.0 m2; at 44 kg and 120 cm 1.21 m2: 6 and 18 micrograms a day."""
    labs = (measured("body-weight", weight), measured("body-height", 120))
    (found,) = checks(draft("blinatumomab", daily_ug=float(rate)), measurements=labs, values={}, administrations=())
    assert found.facts["dose_for_weight"] == expected


def test_down_syndrome_has_no_verified_code_but_a_rule() -> None:
    down = (Diagnosis("down-syndrome", None, "Condition/d"),)
    assert "b7-down" in rows(draft("blinatumomab", daily_ug=9.0), administrations=(), diagnoses=down)


def test_three_days_need_an_examination_each() -> None:
    bag = Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=14), "m", NOW - timedelta(days=4), dose=28, unit="ug/d")
    worst = finding(ICE, 1, 110)
    for hours, few in (((1, 25, 49), False), ((1, 49), True), ((1, 25), True), ((25, 49, 73), True)):
        found = rows(draft("blinatumomab", daily_ug=9.0), administrations=(bag,), values=[worst, finding(LOC, "loc-alert", 100), *(finding(ICE, 10, h) for h in hours)])
        assert ("b3-days" in found) is few, hours


@pytest.mark.parametrize(
    ("hours", "expected"),
    [((), None), ((7.9,), "tc2-interval"), ((8.1,), None), ((23.9, 16, 9), "tc2-fourth"), ((24.1, 16, 9), None), ((200, 190, 180, 170), "tc2-fifth")],
)
def test_tocilizumab_doses_before(hours: tuple[float, ...], expected: str | None) -> None:
    given = tuple(Administration("tocilizumab", "anti-il-6", NOW - timedelta(hours=h), f"m/{h}") for h in hours)
    found = rows(draft("tocilizumab", 560), administrations=(RUNNING, *given))
    assert {name for name in found if name.startswith("tc2")} == ({expected} if expected else set())


def test_unread_data_is_named_not_passed() -> None:
    (found,) = checks(draft("levetiracetam", 500, 12), measurements=(), unread=frozenset({"allergies", "conditions", "medications"}))
    assert {"allergy", "duplicate", "agitation"} <= set(found.unknown)
    assert found.facts["allergy"] is None


def test_a_stop_signed_again_begins_nothing() -> None:
    for status in ("stopped", "cancelled", "completed"):
        assert rows(draft("levetiracetam", 500, 12, status=status)) == {"l8-stop"}
    assert rows(draft("blinatumomab", status="on-hold"), values={ICE: 1}) == set()
    assert rows(draft("levetiracetam", 500, 12, status="active")) == set(), "signed again, in force: checked as a draft"


def test_no_dose_is_corrected_under_18() -> None:
    found = checks(draft("levetiracetam", 3000, 12), values={}, age=8)
    assert found
    assert all(check.correction is None or check.correction.dose is None for check in found)


def test_a_bag_of_a_running_infusion_is_not_warned_of_each_time() -> None:
    """B4 at a start, a restart or a step; a further bag at grade 1 has nothing of its own to say (H57)."""
    bag = draft("blinatumomab", daily_ug=28.0)
    assert rows(bag, values={ICE: 8, LOC: "loc-alert"}) == set()
    paused = replace(RUNNING, running=False, end=NOW - timedelta(hours=10))
    assert "b4-grade" in rows(bag, values={ICE: 8, LOC: "loc-alert"}, administrations=(paused,))


def test_no_dose_is_corrected_where_the_kidneys_are_not_known() -> None:
    (found,) = checks(draft("levetiracetam", 3000, 12), measurements=())
    assert {"l1-unknown", "l3-daily"} <= {row.id for row in found.rows}
    assert found.correction is None


def test_without_a_weight_a_small_dose_of_tocilizumab_is_not_judged() -> None:
    (found,) = checks(draft("tocilizumab", 400), measurements=())
    assert found.facts["tocilizumab_dose"] is None


@pytest.mark.parametrize(("kind", "limit"), [("neutrophils", 0.5), ("platelets", 50)])
def test_a_count_of_zero_is_low_and_a_missing_one_is_not(kind: str, limit: float) -> None:
    def said(order: Order, name: str, *more: Measurement) -> bool:
        return any(check.facts[name] for check in checks(order, measurements=(*WELL, *more)))

    for value, expected in ((0.0, True), (limit - 0.1, True), (limit, False)):
        assert said(draft("tocilizumab", 560), "tocilizumab_caution", measured(kind, value)) is expected, value
        if kind == "neutrophils":
            assert said(draft("dexamethasone", 10, 6), "infection_risk", measured(kind, value)) is expected, value
    assert not said(draft("tocilizumab", 560), "tocilizumab_caution")


def test_a_light_patient_without_a_height_is_judged_by_the_fixed_dose_alone() -> None:
    light = (measured("body-weight", 40),)
    for rate, expected in ((30.0, "neither"), (20.0, None)):
        (found,) = checks(draft("blinatumomab", daily_ug=rate), measurements=light, values={}, administrations=())
        assert found.facts["dose_for_weight"] == expected


def test_a_score_under_a_sedative_is_no_grade_that_was() -> None:
    """Found by what it would be worth, and dropped once graded as of then."""
    bag = Administration("blinatumomab", "t-cell-engager", NOW - timedelta(days=14), "m", NOW - timedelta(days=4), dose=28, unit="ug/d")
    lorazepam = Administration("lorazepam", "benzodiazepine", NOW - timedelta(hours=111), "MedicationAdministration/l", dose=2, unit="mg")
    values = [finding(ICE, 1, 110), finding(LOC, "loc-alert", 100), finding(ICE, 10, 49)]
    awake = rows(draft("blinatumomab", daily_ug=9.0), administrations=(bag,), values=values)
    sedated = rows(draft("blinatumomab", daily_ug=9.0), administrations=(bag, lorazepam), values=values)
    assert "b3-days" in awake
    assert "b3-days" not in sedated


def test_a_corticosteroid_that_says_it_is_premedication_is_no_treatment() -> None:
    said_so = draft("dexamethasone", 16, 12, premedication=True)
    found = assess(snapshot({ICE: 5, LOC: "loc-alert"}, orders=(said_so,)), KNOWLEDGE)
    assert found.facts["corticosteroid"] == "none"
    assert assess(snapshot({ICE: 5, LOC: "loc-alert"}, orders=(replace(said_so, premedication=False),)), KNOWLEDGE).facts["corticosteroid"] == "drafted"
