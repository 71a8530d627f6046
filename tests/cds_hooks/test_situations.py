"""Situations a ward meets: what the cards say, and what they leave unsaid."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from charts import (
    ICD10,
    NOW,
    RXNORM,
    ago,
    concept,
    diagnosis,
    dose,
    encoded,
    hook,
    infusion,
    order,
    patient,
    score,
)
from charts import domain as charted
from check_requests import (
    ADULT,
    ALERT,
    CLEAR,
    DEXAMETHASONE,
    GRADE_1,
    GRADE_2,
    GRADE_3,
    HEIGHT,
    LEVETIRACETAM,
    OTHERS,
    RUNNING,
    SITE,
    WEIGHT,
    allergic,
    creatinine,
    dialysed,
    drug,
    engager,
    seizure,
)

from cds_hooks.decide import Decision, decide
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from rules import load_knowledge

KNOWLEDGE = load_knowledge()
TECLISTAMAB = "2619438"


def decided(*resources: dict[str, Any], drafts: list[dict[str, Any]]) -> Decision:
    call = parse(encoded(hook(*resources, drafts=drafts)), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=UUID(int=5), site=SITE)


def cards(*resources: dict[str, Any], drafts: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    found = decided(*resources, drafts=drafts or []).cards
    topics = [card["source"]["topic"]["code"] for card in found]
    assert len(topics) == len(set(topics))
    return dict(zip(topics, found, strict=True))


def offered(found: dict[str, dict[str, Any]]) -> dict[str, bool]:
    return {s["label"]: s["isRecommended"] for card in found.values() for s in card.get("suggestions", [])}


def drugs(found: dict[str, dict[str, Any]]) -> list[str]:
    actions = [s["actions"][0] for card in found.values() for s in card.get("suggestions", [])]
    return [
        a["resource"]["medicationCodeableConcept"]["text"]
        for a in actions
        if a["type"] == "create" and a["resource"]["resourceType"] == "MedicationRequest"
    ]


def test_two_engagers() -> None:
    """Blinatumomab runs, teclistamab was given: blinatumomab is held, nothing is said to be held of the other."""
    other = dose(TECLISTAMAB, ago(days=2), "teclistamab", 100)
    held = {**order("1597258", "active", "pump"), "authoredOn": ago(days=3)}
    found = cards(*ADULT, RUNNING, other, held, *GRADE_3)
    lead = found["causativeagent"]
    assert "stop the blinatumomab infusion now" in lead["summary"]
    assert "teclistamab" not in lead["summary"]
    updates = [s["actions"][0] for s in lead["suggestions"] if s["actions"][0]["type"] == "update"]
    assert [(a["resource"]["id"], a["resource"]["status"]) for a in updates] == [("pump", "on-hold")]


def test_three_drafts_each_with_its_own_words() -> None:
    drafts = [engager(), drug(DEXAMETHASONE, 4, 6, "steroid"), drug(LEVETIRACETAM, 3000, 12, "leve")]
    found = cards(*ADULT, RUNNING, *GRADE_3, drafts=drafts)
    assert next(iter(found)) == "causativeagent"
    assert "This order holds blinatumomab" in found["causativeagent"]["detail"]
    assert "dexamethasone 4 mg every 6 h" in found["corticosteroidorder"]["detail"]
    assert "levetiracetam 3,000 mg every 12 h" in found["levetiracetamorder"]["detail"]
    said = offered(found)
    assert said["Remove blinatumomab from this order"] is True
    assert said["Correct dexamethasone to 10 mg IV every 6 h"] is False, "it may be a taper or an antiemetic"
    assert said["Correct levetiracetam to 1,500 mg IV every 12 h"] is True
    assert drugs(found) == [], "both are in the order: corrected, not doubled"


def test_a_child() -> None:
    found = cards(patient(8, gender="male"), RUNNING, score("capd-score", 12), ALERT, *OTHERS, drafts=[drug(DEXAMETHASONE, 10, 6)])
    assert drugs(found) == []
    assert not any(label.startswith("Correct ") for label in offered(found))
    assert "call the pharmacist" in found["corticosteroid"]["summary"]
    assert "call the pharmacist" in found["corticosteroidorder"]["summary"]


def test_a_dialysis_patient() -> None:
    found = cards(*dialysed(), RUNNING, *GRADE_3)
    (label,) = [name for name in offered(found) if name.startswith("Levetiracetam")]
    assert label == "Levetiracetam 500 mg IV every 24 h, plus 250 to 500 mg after dialysis"


def test_a_levetiracetam_allergy() -> None:
    found = cards(*ADULT, RUNNING, *GRADE_3, seizure(3), allergic(LEVETIRACETAM))
    assert not any(text.startswith("levetiracetam") for text in drugs(found))
    assert any(text.startswith("dexamethasone") for text in drugs(found))
    assert "allergy to levetiracetam" in found["antiseizure"]["summary"]
    assert "Allergy to levetiracetam or brivaracetam on record: not suggested" in found["antiseizure"]["detail"]


def test_a_dexamethasone_allergy_is_not_passed_over() -> None:
    found = cards(*ADULT, RUNNING, *GRADE_3, allergic(DEXAMETHASONE))
    assert not any(text.startswith("dexamethasone") for text in drugs(found))
    assert found["corticosteroid"]["indicator"] == "critical"


def test_already_on_dexamethasone_40_mg_a_day() -> None:
    running = order(DEXAMETHASONE, "active", "running", 10, 6)
    found = cards(*ADULT, RUNNING, *GRADE_3, running)
    assert not any(text.startswith("dexamethasone") for text in drugs(found))
    assert "already running: not suggested again" in found["causativeagent"]["detail"]
    assert "corticosteroid in force: dexamethasone 10 mg every 6 h" in found["causativeagent"]["detail"]


def test_less_than_the_icans_dose_is_named_and_the_suggestion_stays() -> None:
    """A8: 4 mg a day as antiemetic is not treatment."""
    running = order(DEXAMETHASONE, "active", "antiemetic", 4, 24)
    found = cards(*ADULT, RUNNING, *GRADE_3, running)
    assert "dexamethasone 10 mg IV every 6 h" in drugs(found)
    assert "corticosteroid in force: dexamethasone 4 mg every 24 h" in found["causativeagent"]["detail"]


def test_premedication_only() -> None:
    """16 mg an hour before the start is not treatment: the corticosteroid is suggested."""
    start = infusion(ago(hours=20))
    premed = dose(DEXAMETHASONE, ago(hours=21), "premed", 16)
    found = cards(*ADULT, start, premed, *GRADE_3)
    assert "dexamethasone 10 mg IV every 6 h" in drugs(found)


def test_teclistamab_at_grade_1() -> None:
    """No hold, continue or stop is said of another engager; see its label (A13)."""
    found = cards(*ADULT, dose(TECLISTAMAB, ago(days=2), "teclistamab", 100), *GRADE_1)
    text = json.dumps(list(found.values()))
    assert "linatumomab" not in text
    assert "withhold" not in text.lower()
    assert not any(s["actions"][0]["type"] != "create" for card in found.values() for s in card.get("suggestions", []))


def test_teclistamab_drafted_at_grade_3_is_no_blinatumomab_check() -> None:
    draft = {**order(TECLISTAMAB, "draft", "next", 100)}
    found = decided(*ADULT, dose(TECLISTAMAB, ago(days=2), "teclistamab", 100), *GRADE_3, drafts=[draft])
    assert found.record["checks"] == []


def test_a_deceased_patient_gets_no_card() -> None:
    gone = patient(50, gender="male", deceasedBoolean=True)
    assert cards(gone, RUNNING, *GRADE_3, drafts=[engager(), drug(DEXAMETHASONE, 90, 6)]) == {}


def test_silent_at_grade_0_only_after_72_hours_without_steroid_and_without_a_hold() -> None:
    """D6, A21."""
    worst = {**score("ice-score", 8, ago(hours=60)), "id": "worst"}
    assert cards(*ADULT, RUNNING, *CLEAR) == {}
    assert "grade 1 or more within 72 h" in cards(*ADULT, RUNNING, worst, *CLEAR)["followup"]["summary"]
    assert cards(*ADULT, RUNNING, {**worst, "effectiveDateTime": ago(hours=71, days=1)}, *CLEAR) == {}
    steroid = order(DEXAMETHASONE, "active", "running", 10, 12)
    assert "decide the taper" in cards(*ADULT, RUNNING, steroid, *CLEAR)["followup"]["summary"]
    stopped = infusion(ago(days=3), ago(hours=5))
    assert "is interrupted" in cards(*ADULT, stopped, *CLEAR)["followup"]["summary"]
    assert cards(*ADULT, infusion(ago(days=3), ago(hours=3)), *CLEAR) == {}, "a bag change"
    assert cards(*ADULT, infusion(ago(days=30), ago(hours=5)), *CLEAR) == {}, "the cycle is complete"


def test_a_lumbar_puncture_only_where_nothing_speaks_against_it() -> None:
    """A27: imaging since the onset, platelets of 50 or more, no bleeding, pressure assessed."""
    imaged = {
        "resourceType": "Observation",
        "id": "ct",
        "status": "final",
        "code": concept("http://loinc.org", "24725-4"),
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": ago(minutes=30),
        "valueString": "No structural abnormality",
    }
    platelets = {**creatinine(80), "id": "plt", "code": concept("http://loinc.org", "777-3")}
    platelets["valueQuantity"] = {"value": 80, "system": "http://unitsofmeasure.org", "code": "10*9/L"}
    few = {**platelets, "valueQuantity": {**platelets["valueQuantity"], "value": 49}}
    bleeding = diagnosis("http://snomed.info/sct", "1386000")
    warfarin = {**order("x"), "medicationCodeableConcept": concept("http://www.whocc.no/atc", "B01AA03")}
    safe = [*ADULT, RUNNING, *GRADE_3, imaged, platelets]
    assert "Lumbar puncture: consider" in offered(cards(*safe))
    for against in ([imaged, few], [platelets], [imaged], [imaged, platelets, bleeding], [imaged, platelets, warfarin]):
        found = cards(*ADULT, RUNNING, *GRADE_3, *against)
        assert not any("Lumbar" in label for label in offered(found)), against
        assert "Lumbar puncture: not before imaging" in found["causativeagent"]["detail"]


def test_an_examination_on_record_is_not_suggested_again() -> None:
    ct = {**creatinine(1), "id": "ct", "code": concept("http://loinc.org", "24725-4"), "valueString": "normal"}
    del ct["valueQuantity"]
    assert "CT head" in offered(cards(*ADULT, RUNNING, *GRADE_3))
    assert "CT head" not in offered(cards(*ADULT, RUNNING, *GRADE_3, ct | {"effectiveDateTime": ago(minutes=5)}))


def test_the_diagnosis_is_offered_once_and_never_preselected() -> None:
    assert offered(cards(*ADULT, RUNNING, *GRADE_2))["Diagnosis: ICANS grade 2 (G92.02)"] is False
    coded = diagnosis(ICD10, "G92.02", onsetDateTime=ago(minutes=30))
    assert not any("G92" in label for label in offered(cards(*ADULT, RUNNING, *GRADE_2, coded)))


def test_an_ice_task_when_the_score_is_missing_or_overdue() -> None:
    late = [{**score("ice-score", 5, ago(hours=6)), "id": "late"}, ALERT, *OTHERS]
    for chart in ([ALERT, *OTHERS], late):
        assert offered(cards(*ADULT, RUNNING, *chart))["Task: ICE now"] is True
    assert "Task: ICE now" not in offered(cards(*ADULT, RUNNING, *GRADE_2))


def test_a_draft_without_an_id_gets_words_and_no_action() -> None:
    draft = drug(LEVETIRACETAM, 3000, 12)
    del draft["id"]
    found = cards(*ADULT, RUNNING, *GRADE_2, drafts=[draft])
    assert "suggestions" not in found["levetiracetamorder"]
    assert "At most 1,500 mg IV every 12 h" in found["levetiracetamorder"]["detail"]


def test_orders_of_other_types_are_passed_over() -> None:
    others = [
        {"resourceType": "ServiceRequest", "id": "mri", "status": "draft", "intent": "order", "code": {"text": "MRI"}, "subject": {"reference": "Patient/p"}},
        {"resourceType": "NutritionOrder", "id": "diet", "status": "draft", "intent": "order", "patient": {"reference": "Patient/p"}, "dateTime": ago(hours=0)},
    ]
    assert cards(*ADULT, RUNNING, *CLEAR, drafts=[*others]) == {}


def test_a_drug_by_reference_into_the_bundle_is_checked() -> None:
    """Epic since 2024: the Medication is a further entry of draftOrders."""
    draft = drug("x", 3000, 12)
    del draft["medicationCodeableConcept"]
    draft["medicationReference"] = {"reference": "Medication/m"}
    medication = {"resourceType": "Medication", "id": "m", "code": concept(RXNORM, LEVETIRACETAM)}
    found = cards(*ADULT, RUNNING, *CLEAR, drafts=[draft, medication])
    assert "above the adult maximum" in found["levetiracetamorder"]["summary"]
    (suggestion,) = found["levetiracetamorder"]["suggestions"]
    updated = suggestion["actions"][0]["resource"]
    assert updated["medicationReference"] == {"reference": "Medication/m"}
    assert "medicationCodeableConcept" not in updated


def test_a_weightless_chart_still_reads() -> None:
    found = cards(patient(50, gender="female"), HEIGHT, RUNNING, *GRADE_2, drafts=[drug(LEVETIRACETAM, 1000, 12)])
    assert "no creatinine on record" in found["levetiracetamorder"]["detail"]
    assert not any(label.startswith("Correct") for label in offered(found)), "no dose is cut where the kidneys are not known"
    found = cards(patient(50, gender="female"), WEIGHT, RUNNING, *GRADE_2, charted("consciousness", "loc-alert"), drafts=[drug(LEVETIRACETAM, 1000, 12)])
    assert "creatinine now" in found["levetiracetamorder"]["summary"]


def test_the_review_task_goes_with_the_work_up() -> None:
    """Every 24 h at grade 3 and 4; not at grade 2, where two doses end by themselves (A23)."""
    assert offered(cards(*ADULT, RUNNING, *GRADE_3))["Task: corticosteroid review in 24 h"] is False
    assert "Task: corticosteroid review in 24 h" not in offered(cards(*ADULT, RUNNING, *GRADE_2))


def test_a_draft_of_several_instructions_is_not_judged_by_the_first() -> None:
    """500 mg in the morning and 2,500 mg at night are not 500 mg: the dose is not known, and nothing is rewritten."""
    draft = drug(LEVETIRACETAM, 500, 12)
    draft["dosageInstruction"] *= 2
    found = cards(*ADULT, RUNNING, *GRADE_2, seizure(3), diagnosis("http://snomed.info/sct", "2776000"), drafts=[draft])
    assert not any(label.startswith("Correct") for label in offered(found))
    assert "not known: dose and interval of the order" in found["levetiracetamorder"]["detail"]


def test_a_dose_that_is_none_is_not_known() -> None:
    found = decided(*ADULT, RUNNING, *GRADE_2, seizure(3), drafts=[drug(LEVETIRACETAM, -500, 12)])
    assert not any(check["row"] == "l7-after-seizure" for check in found.record["checks"])


def test_a_lesser_corticosteroid_is_named_and_does_not_silence_the_suggestion() -> None:
    """A8: one dose of the morning, or hydrocortisone, is no treatment of ICANS."""
    chart = [patient(50), infusion(ago(days=3)), score("ice-score", 5), charted("consciousness", "loc-alert")]
    lesser = [dose("3264", ago(hours=5), mg=4), order("5492", identity="hc", mg=20, every=8)]
    card = cards(*chart, *lesser)["corticosteroid"]
    assert any("Dexamethasone" in s["label"] for s in card["suggestions"])
    assert "dexamethasone 4 mg given 5 h ago; hydrocortisone 20 mg every 8 h ordered" in card["detail"]
    assert "not counted as treatment" not in cards(*chart)["corticosteroid"]["detail"]
