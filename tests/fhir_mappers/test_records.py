"""Procedures, allergies, encounters and the bedside forms, as findings, courses, causes and issues."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from charts import (
    ANSWER,
    NOW,
    RXNORM,
    SUBJECT,
    UCUM,
    ago,
    bundle,
    concept,
    domain,
    encoded,
    infusion,
    observation,
    patient,
    score,
)

from cds_hooks.evaluating import decided
from fhir_mappers.codes import load_terminology
from fhir_mappers.concept_maps import with_site_maps
from fhir_mappers.reading import unwrap
from fhir_mappers.site import Site
from fhir_mappers.snapshot import Reading, snapshot_from
from fhir_mappers.validation import validate_file
from rules import Domain, load_knowledge

KNOWLEDGE = load_knowledge()
FORMS = Path(__file__).parents[2] / "examples" / "questionnaires"
SITE = "urn:oid:1.2.840.114350.1.13.0.1.7.2.707679"
CONCEPT = "http://fhir.org/guides/icans-cds/CodeSystem/icans-concept"
MAPPED = {
    "cart": "procedures-car-t-infusion",
    "tube": "procedures-intubation",
    "untube": "procedures-extubation",
    "hd": "procedures-hemodialysis",
    "device": "observations-oxygen-device",
    "bipap": "answers-oxygen-device-oxygen-positive-pressure",
    "eeg": "observations-eeg",
    "eeg-sz": "answers-eeg-eeg-electrographic-seizure",
    "eeg-ok": "answers-eeg-eeg-no-seizure",
    "mri": "observations-mr-brain",
    "mri-diffuse": "answers-mr-brain-imaging-diffuse-edema",
    "norad": "substances-norepinephrine",
    "ctcae": "observations-ctcae-neurological-grade",
    "rass": "observations-rass",
    "bili": "observations-bilirubin",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose codes all lead to concepts that no code system has a verified code for."""
    path = tmp_path_factory.mktemp("maps") / "site.json"
    elements = [{"code": code, "target": [{"code": target, "equivalence": "equivalent"}]} for code, target in MAPPED.items()]
    body = {"resourceType": "ConceptMap", "status": "active", "version": "1", "group": [{"source": SITE, "target": CONCEPT, "element": elements}]}
    path.write_text(json.dumps(body))
    return Site(codes=with_site_maps(load_terminology(), [path]))


def reading(*resources: dict[str, Any], site: Site | None = None) -> Reading:
    given = unwrap(encoded(bundle(patient(50), *resources)), "Bundle").given
    return snapshot_from(given, "p", NOW, KNOWLEDGE.proxies, codes=site.codes if site else None)


def procedure(code: str, start: str, end: str | None = None, status: str = "completed", identity: str | None = None) -> dict[str, Any]:
    when: dict[str, Any] = {"performedPeriod": {"start": start, "end": end}} if end else {"performedDateTime": start}
    return {"resourceType": "Procedure", "id": identity or code, "status": status, "code": concept(SITE, code), "subject": SUBJECT, **when}


def allergy(code: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "AllergyIntolerance", "id": "a", "code": code, "patient": SUBJECT, **more}


def test_a_car_t_infusion_is_an_exposure(site: Site) -> None:
    found = decided(encoded(bundle(patient(50), procedure("cart", ago(days=4)), score("ice-score", 1))), NOW, KNOWLEDGE, site)
    assert found.assessment is not None
    assert found.assessment.facts["exposure"] == "car-t"
    assert found.cards
    assert any(ref["id"] == "site" for ref in found.record["knowledge"])


@pytest.mark.parametrize("status", ["not-done", "entered-in-error", "preparation"])
def test_a_procedure_not_done_says_nothing(status: str, site: Site) -> None:
    read = reading(procedure("cart", ago(days=4), status=status), site=site)
    assert (read.snapshot.administrations, read.issues) == ((), ())


@pytest.mark.parametrize("broken", [{"status": "unknown"}, {"performedDateTime": None}, {"performedDateTime": "2999-01-01T00:00:00Z"}])
def test_a_procedure_that_cannot_be_read_is_an_issue(broken: dict[str, Any], site: Site) -> None:
    read = reading({**procedure("cart", ago(days=4)), **broken}, site=site)
    assert read.snapshot.administrations == ()
    assert "Procedure/cart" in read.issues[0].evidence


def test_a_tube_sets_ice_aside_until_it_is_out(site: Site) -> None:
    chart = [infusion(ago(days=5)), procedure("tube", ago(hours=10)), procedure("untube", ago(hours=4))]
    during = decided(encoded(bundle(patient(50), *chart, score("ice-score", 0, ago(hours=5)))), NOW, KNOWLEDGE, site)
    after = decided(encoded(bundle(patient(50), *chart, score("ice-score", 0, ago(hours=1)))), NOW, KNOWLEDGE, site)
    assert during.record["grading"]["at_least"] is None
    assert during.record["grading"]["set_aside"][0]["cause"].startswith("intubated")
    assert after.record["grading"]["at_least"] == 3


@pytest.mark.parametrize(("start", "end", "active"), [(ago(days=2), None, True), (ago(days=8), None, False), (ago(days=9), ago(days=6), True)])
def test_dialysis_counts_for_a_week(start: str, end: str | None, active: bool, site: Site) -> None:
    (found,) = reading(procedure("hd", start, end), site=site).snapshot.diagnoses
    assert (found.kind, found.active) == ("hemodialysis", active)


def test_codes_that_only_a_map_gives(site: Site) -> None:
    def asked(question: str, value: dict[str, Any]) -> dict[str, Any]:
        return observation(question, concept(SITE, question), value)

    def coded(code: str) -> dict[str, Any]:
        return {"valueCodeableConcept": concept(SITE, code)}

    read = reading(
        asked("device", coded("bipap")), asked("eeg", coded("eeg-sz")), asked("mri", coded("mri-diffuse")),
        asked("rass", {"valueInteger": -4}), asked("ctcae", {"valueInteger": 3}),
        asked("bili", {"valueQuantity": {"value": 40, "code": "umol/L", "system": UCUM}}), site=site,
    )
    values = {(f.domain, f.value) for f in read.snapshot.findings}
    assert (Domain.HYPOXIA, "hypoxia-positive-pressure") in values
    assert (Domain.SEIZURE, "seizure-duration-unknown") in values
    assert (Domain.RAISED_ICP, "icp-diffuse-edema") in values
    assert (Domain.CONSCIOUSNESS, "loc-awakens-to-touch") in values
    assert [(g.grade, g.scale) for g in read.snapshot.charted] == [(3, "ctcae")]
    assert round(read.snapshot.measurements[0].value, 2) == 2.34
    quiet = reading(asked("eeg", coded("eeg-ok")), site=site)
    assert quiet.snapshot.findings == ()
    assert "lowers nothing" in quiet.snapshot.notes[0].text


def test_a_vasopressor_by_a_site_code(site: Site) -> None:
    pressor = {**infusion(ago(hours=2)), "medicationCodeableConcept": concept(SITE, "norad")}
    (found,) = reading(pressor, site=site).snapshot.administrations
    assert (found.substance, found.drug_class, found.running) == ("norepinephrine", "vasopressor", True)


def test_an_allergy_by_code_and_by_words() -> None:
    coded = reading(allergy(concept(RXNORM, "114477"))).snapshot.diagnoses
    assert [d.kind for d in coded] == ["allergy:levetiracetam"]
    words = reading(allergy({"text": "Keppra: rash"}))
    assert words.snapshot.diagnoses == ()
    assert words.issues[0].named == "levetiracetam"
    assert reading(allergy({"text": "Peanut"})).issues == ()


@pytest.mark.parametrize(
    "status",
    [
        {"verificationStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "refuted")},
        {"verificationStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "entered-in-error")},
        {"clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "resolved")},
    ],
)
def test_an_allergy_that_is_none(status: dict[str, Any]) -> None:
    assert reading(allergy(concept(RXNORM, "114477"), **status)).snapshot.diagnoses == ()


def test_an_allergy_of_another_patient_is_refused() -> None:
    read = reading({**allergy(concept(RXNORM, "114477")), "patient": {"reference": "Patient/q"}})
    assert read.snapshot.diagnoses == ()
    assert "not this patient's" in read.issues[0].problem


def test_an_encounter_of_another_patient_is_said() -> None:
    visit = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": "IMP"}, "subject": SUBJECT}
    assert reading(visit).issues == ()
    assert "Encounter/e" in reading({**visit, "subject": {"reference": "Patient/q"}}).issues[0].evidence


POINTS = (
    "orientation-year", "orientation-month", "orientation-city", "orientation-hospital",
    "naming-1", "naming-2", "naming-3", "following-commands", "writing", "attention",
)


def response(form: str, answers: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    items = [{"linkId": link, "answer": [answer]} for link, answer in answers.items()]
    return {
        "resourceType": "QuestionnaireResponse", "id": "r", "status": "completed", "authored": ago(hours=1), "subject": SUBJECT,
        "questionnaire": f"http://fhir.org/guides/icans-cds/Questionnaire/{form}|1.0.0",
        "item": [{"linkId": form, "item": items}], **more,
    }


def right(number: int) -> dict[str, dict[str, Any]]:
    return {link: {"valueBoolean": index < number} for index, link in enumerate(POINTS)}


def coded(code: str) -> dict[str, Any]:
    return {"valueCoding": {"system": ANSWER, "code": code}}


def test_the_published_forms_are_what_is_read() -> None:
    def links(items: list[dict[str, Any]]) -> set[str]:
        return {i["linkId"] for i in items} | {link for i in items for link in links(i.get("item", []))}

    ice, capd = (json.loads((FORMS / f"{name}.json").read_text()) for name in ("ice", "capd"))
    assert set(POINTS) | {"ice-score", "ice-unable", "consciousness", "seizure", "motor", "raised-icp"} <= links(ice["item"])
    assert {f"capd-{n}" for n in range(1, 9)} | {"capd-score", "capd-unable"} <= links(capd["item"])
    for path in FORMS.glob("*.json"):
        assert validate_file(path).valid


def test_an_ice_form() -> None:
    answers = {**right(5), "consciousness": coded("loc-awakens-to-voice"), "seizure": coded("seizure-none")}
    found = {f.domain: (f.value, f.other) for f in reading(response("ice", answers)).snapshot.findings}
    assert found == {Domain.ICE: (5, None), Domain.CONSCIOUSNESS: ("loc-awakens-to-voice", None), Domain.SEIZURE: ("seizure-none", None)}


def test_items_nobody_did_leave_a_range() -> None:
    answers = {link: answer for link, answer in right(10).items() if link != "writing"}
    (found,) = reading(response("ice", answers)).snapshot.findings
    assert (found.value, found.other) == (9, 10)


def test_a_total_beside_its_items() -> None:
    read = reading(response("ice", {**right(5), "ice-score": {"valueInteger": 9}}))
    assert sorted(f.value for f in read.snapshot.findings) == [5, 9]  # type: ignore[type-var]
    assert "not the sum" in read.issues[0].problem
    alone = reading(response("ice", {"ice-score": {"valueInteger": 9}}))
    assert [f.value for f in alone.snapshot.findings] == [9]


def test_capd_and_unable() -> None:
    items = {f"capd-{n}": {"valueInteger": 1} for n in range(1, 9)}
    assert [f.value for f in reading(response("capd", items)).snapshot.findings] == [8]
    unable = reading(response("capd", {"capd-unable": coded("capd-unable")}))
    assert [f.value for f in unable.snapshot.findings] == ["capd-unable"]
    partial = reading(response("capd", {k: v for k, v in items.items() if k != "capd-3"})).snapshot.findings[0]
    assert (partial.value, partial.other) == (7, 11)


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "in-progress"}, {"authored": None}, {"authored": "2026-11-22"}, {"authored": "2999-01-01T00:00:00Z"},
        {"item": [{"linkId": "attention", "answer": [{"valueInteger": 1}]}]},
        {"item": [{"linkId": "attention", "answer": [{"valueBoolean": True}, {"valueBoolean": False}]}]},
        {"item": [{"linkId": "ice-score", "answer": [{"valueInteger": 11}]}]},
        {"item": [{"linkId": "ice-unable", "answer": [coded("capd-unable")]}]},
        {"item": [{"linkId": "ice-unable", "answer": [{"valueBoolean": True}]}]},
    ],
)
def test_a_form_that_cannot_be_read_is_an_issue(broken: dict[str, Any]) -> None:
    read = reading({**response("ice", {}), **broken})
    assert read.snapshot.findings == ()
    assert (read.issues[0].evidence, read.issues[0].domain) == ("QuestionnaireResponse/r", "ice")


def test_another_form_and_a_withdrawn_one_say_nothing() -> None:
    other = {**response("ice", right(5)), "questionnaire": "http://example.org/Questionnaire/phq-9"}
    withdrawn = response("ice", right(5), status="entered-in-error")
    for one in (other, withdrawn):
        read = reading(one)
        assert (read.snapshot.findings, read.issues) == ((), ())


def test_a_wrong_answer_of_a_domain_costs_that_domain() -> None:
    read = reading(response("ice", {**right(5), "motor": coded("seizure-none")}))
    assert [f.domain for f in read.snapshot.findings] == [Domain.ICE]
    assert read.issues[0].domain == "motor"
    assert domain("motor", "motor-none")["id"] == "motor"


def test_an_infusion_that_ends_after_the_instant_asked_for_is_running() -> None:
    """A chart looked at as of an earlier day: the bag that was finished later runs then."""
    bag = infusion(ago(days=20), (NOW + timedelta(days=1)).isoformat())
    (found,) = reading(bag).snapshot.administrations
    assert (found.running, found.end) == (True, None)
    decision = decided(encoded(bundle(patient(50), bag, score("ice-score", 5))), NOW, KNOWLEDGE)
    assert decision.record["exposure"]["infusion_days"] == 20
