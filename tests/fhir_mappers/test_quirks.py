"""Payloads as real EHRs send them, quirk by quirk: read where the meaning is certain, refused with a reason where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from charts import (
    ANSWER,
    ITEM,
    LOINC,
    NOW,
    RXNORM,
    SUBJECT,
    UCUM,
    ago,
    bundle,
    concept,
    diagnosis,
    domain,
    dose,
    encoded,
    hook,
    infusion,
    observation,
    order,
    patient,
    score,
)

from cds_hooks import strict_json
from cds_hooks.decide import Decision, decide
from cds_hooks.evaluate import evaluated
from cds_hooks.hook_request import parse
from cds_hooks.prefetch import gather
from cds_hooks.refusal import Refusal
from fhir_mappers.reading import unwrap
from fhir_mappers.snapshot import Reading, snapshot_from
from fhir_mappers.validation import validate_file
from rules import Domain, Finding, load_knowledge

KNOWLEDGE = load_knowledge()


def reading(*resources: Any, zone: Any = None) -> Reading:
    found = unwrap(encoded(bundle(patient(50), *resources)), "Bundle")
    read = snapshot_from(found.given, "p", NOW, KNOWLEDGE.proxies, zone=zone)
    return Reading(read.snapshot, (*(i for i in found.issues), *read.issues), read.orders)


def ice(read: Reading) -> list[object]:
    return [f.value for f in read.snapshot.findings if f.domain is Domain.ICE]


def refused(read: Reading) -> str:
    return " | ".join(f"{i.evidence}: {i.problem}" for i in read.issues if not i.used)


def said(read: Reading) -> str:
    return " | ".join(i.problem for i in read.issues if i.used)


def answered(request: dict[str, Any]) -> Decision:
    call = parse(encoded(request), "order-sign")
    return decide(call, gather(call), KNOWLEDGE, as_of=NOW, decision_id=UUID(int=1))


def with_raw(resource: dict[str, Any], old: str, new: str) -> Reading:
    """A chart of one record whose JSON was changed as text."""
    text = json.dumps(resource)
    assert old in text
    raw = json.dumps(bundle(patient(50), {"resourceType": "Basic"})).replace('{"resourceType": "Basic"}', text.replace(old, new))
    found = unwrap(raw.encode(), "Bundle")
    read = snapshot_from(found.given, "p", NOW, KNOWLEDGE.proxies)
    return Reading(read.snapshot, (*found.issues, *read.issues), read.orders)


@pytest.mark.parametrize("length", [70, 88, 255])
def test_quirk_01_long_ids_are_read_whole(length: int) -> None:
    read = reading({**score("ice-score", 5), "id": "e" * length})
    assert ice(read) == [5]
    assert read.snapshot.findings[0].evidence == f"Observation/{'e' * length}"
    assert "its id is not a FHIR R4 id" in said(read)


def test_quirk_01_an_endless_id_is_refused() -> None:
    read = reading({**score("ice-score", 5), "id": "e" * 256})
    assert ice(read) == []
    assert "256 characters" in refused(read)


def test_quirk_02_ids_with_underscores() -> None:
    read = reading({**score("ice-score", 5), "id": "flow_sheet_1"})
    assert ice(read) == [5]
    assert "its id is not a FHIR R4 id" in said(read)


def test_quirk_03_no_meta_at_all() -> None:
    assert ice(reading(score("ice-score", 9, ago(hours=3)), {**score("ice-score", 5, ago(hours=1)), "id": "b"})) == [9, 5]


def test_quirk_04_unknown_elements_are_passed_over_and_unknown_modifiers_are_not() -> None:
    read = reading(score("ice-score", 5, vendorRank=3))
    assert ice(read) == [5]
    assert "1 elements that R4 does not have" in said(read)
    modified = reading(score("ice-score", 5, modifierExtension=[{"url": "urn:not-done", "valueBoolean": True}]))
    assert ice(modified) == []
    assert "modifierExtension" in refused(modified)


def test_quirk_05_an_r5_administration_says_what_is_missing() -> None:
    r5 = {**dose("6470", ago(hours=1)), "medication": {"concept": concept(RXNORM, "6470")}, "occurenceDateTime": ago(hours=1)}
    del r5["medicationCodeableConcept"], r5["effectiveDateTime"]
    read = reading(r5)
    assert read.snapshot.administrations == ()
    assert "names no drug by code" in refused(read)
    assert "medication (R5)" in said(read)


def test_quirk_06_stu3_context_and_coded_status() -> None:
    read = reading(score("ice-score", 5, context={"reference": "Encounter/e"}))
    assert ice(read) == [5]
    assert "STU3" in said(read)
    stu3 = reading({**diagnosis("http://hl7.org/fhir/sid/icd-10-cm", "R56.9", onsetDateTime=ago(hours=2)), "clinicalStatus": "active"})
    assert stu3.snapshot.findings == ()
    assert "Condition/dx" in refused(stu3)


def test_quirk_07_a_time_without_zone_is_refused_unless_the_site_says_its_zone() -> None:
    from zoneinfo import ZoneInfo

    local = (NOW.astimezone(ZoneInfo("Europe/Berlin"))).replace(tzinfo=None, microsecond=0)
    naive = score("ice-score", 5, local.isoformat())
    assert ice(reading(naive)) == []
    assert "no offset from UTC" in refused(reading(naive))
    there = reading(naive, zone=ZoneInfo("Europe/Berlin"))
    assert [f.at for f in there.snapshot.findings] == [NOW]


def test_quirk_08_no_seconds() -> None:
    read = reading(score("ice-score", 5, "2026-11-22T11:00Z"))
    assert [f.at.minute for f in read.snapshot.findings] == [0]
    assert "without seconds" in said(read)


@pytest.mark.parametrize("partial", ["2026", "2026-11", "2026-11-22"])
def test_quirk_09_a_partial_date_is_no_exact_time(partial: str) -> None:
    read = reading(score("ice-score", 5, partial))
    assert ice(read) == []
    assert "Observation/ice-score" in refused(read)


@pytest.mark.parametrize("odd", ["100525", "20261122110000", "22.11.2026 11:00"])
def test_quirk_10_other_formats_of_time(odd: str) -> None:
    assert "not a FHIR dateTime" in refused(reading(score("ice-score", 5, odd)))


def test_quirk_11_blanks_inside_an_instant() -> None:
    assert "not a FHIR dateTime" in refused(reading(score("ice-score", 5, "2026-11-22T11: 00: 00Z")))


@pytest.mark.parametrize("value", [{"valueInteger": "5"}, {"valueQuantity": {"value": "5"}}, {"valueInteger": True}, {"valueInteger": 5.5}])
def test_quirk_12_numbers_as_strings_are_refused_where_they_are_graded(value: dict[str, Any]) -> None:
    read = reading(observation("i", concept(ITEM, "ice-score"), value))
    assert ice(read) == []
    assert "Observation/i" in refused(read)


def test_quirk_12_and_are_read_and_said_elsewhere() -> None:
    weight = observation("w", concept(LOINC, "29463-7"), {"valueQuantity": {"value": "70.5", "unit": "kg", "system": UCUM, "code": "kg"}})
    read = reading(weight)
    assert [m.value for m in read.snapshot.measurements] == [70.5]
    assert "as a string" in said(read)


def test_quirk_13_an_object_where_a_list_belongs() -> None:
    lone = {**score("ice-score", 5), "code": {"coding": {"system": ITEM, "code": "ice-score"}}}
    read = reading(lone)
    assert ice(read) == [5]
    assert "one object; a list was expected" in said(read)
    assert ice(reading(score("ice-score", 5, category=concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey")))) == [5]
    listed = {**score("ice-score", 5), "code": [concept(ITEM, "ice-score")]}
    assert "could not be read" in refused(reading(listed)), "a list where an object belongs is not unpacked"


def test_quirk_14_null_is_absent() -> None:
    read = reading(score("ice-score", 5, dataAbsentReason=None, component=None, issued=None))
    assert ice(read) == [5]
    assert "3 empty elements were read as absent" in said(read)


def test_quirk_15_nulls_inside_arrays() -> None:
    code = {"coding": [None, {"system": ITEM, "code": "ice-score"}]}
    assert ice(reading({**score("ice-score", 5), "code": code})) == [5]


def test_quirk_16_empty_arrays_and_strings() -> None:
    assert ice(reading(score("ice-score", 5, component=[], hasMember=[], note=[], issued=""))) == [5]


def test_quirk_17_a_searchset_without_entry_is_searched_and_none_found() -> None:
    request = hook(patient(50), infusion(ago(days=3)))
    request["prefetch"]["conditions"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    call = parse(encoded(request), "order-sign")
    assert gather(call).unread == frozenset()


@pytest.mark.parametrize(("severity", "missing"), [("error", True), ("fatal", True), ("warning", False), ("information", False)])
def test_quirk_18_an_operation_outcome_among_results(severity: str, missing: bool) -> None:
    request = hook(patient(50), infusion(ago(days=3)))
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}
    request["prefetch"]["conditions"]["entry"] = [{"resource": outcome, "search": {"mode": "outcome"}}]
    assert ("conditions" in gather(parse(encoded(request), "order-sign")).unread) is missing


@pytest.mark.parametrize("junk", [{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}, "<html>Tomcat</html>"])
def test_quirk_19_an_outcome_or_a_page_in_place_of_data(junk: Any) -> None:
    request = hook(patient(50), infusion(ago(days=3)))
    request["prefetch"]["conditions"] = junk
    found = gather(parse(encoded(request), "order-sign"))
    assert "conditions" in found.unread
    assert any("prefetch.conditions" in issue.evidence for issue in found.issues)
    request["prefetch"]["observations"] = request["prefetch"].pop("conditions")
    with pytest.raises(Refusal):
        gather(parse(encoded(request), "order-sign"))


def test_quirk_20_missing_null_and_failed_are_three_things() -> None:
    base = hook(patient(50), infusion(ago(days=3)), leave_out=("conditions",))
    assert "Not provided by the EHR" in answered(base).cards[0]["detail"]
    none = {**base, "prefetch": {**base["prefetch"], "conditions": None}}
    assert "conditions" not in answered(none).cards[0]["detail"]


def test_quirk_21_a_resource_directly_in_the_entry() -> None:
    body = bundle(patient(50))
    body["entry"].append(score("ice-score", 5))
    found = unwrap(encoded(body), "Bundle")
    assert "stands in the entry itself" in found.issues[0].problem
    assert len(found.given) == 1


@pytest.mark.parametrize("kind", ["collection", "searchset", "batch-response", "history", None])
def test_quirk_22_any_bundle_type_and_responses(kind: str | None) -> None:
    body = bundle(patient(50), score("ice-score", 5))
    body["type"] = kind
    for entry in body["entry"]:
        entry["response"] = {"status": "200 OK"}
    body["entry"].append({"response": {"status": "404"}})
    found = unwrap(encoded(body), "Bundle")
    assert (len(found.given), found.issues) == (2, [])


def test_quirk_23_the_same_id_twice() -> None:
    same = score("ice-score", 5)
    assert ice(reading(same, json.loads(json.dumps(same)))) == [5]
    both = reading(same, score("ice-score", 9))
    assert ice(both) == [5, 9]
    assert "given twice with different content" in refused(both)


def test_quirk_24_contained_relative_and_dangling_medications() -> None:
    inside = {**dose("6470", ago(hours=1)), "contained": [{"resourceType": "Medication", "id": 7, "code": concept(RXNORM, "6470")}]}
    inside["medicationReference"] = {"reference": "#7"}
    del inside["medicationCodeableConcept"]
    assert [a.substance for a in reading(inside).snapshot.administrations] == ["lorazepam"]
    medication = {"resourceType": "Medication", "id": "m", "code": concept(RXNORM, "6470")}
    outside = {**inside, "contained": [], "medicationReference": {"reference": "https://ehr.example/fhir/Medication/m/_history/2"}}
    assert [a.substance for a in reading(outside, medication).snapshot.administrations] == ["lorazepam"]
    assert "leads to no Medication" in refused(reading(outside))


@pytest.mark.parametrize("odd", [{"resourceType": "DoctorType", "id": "x"}, {"id": "x"}, {"resourceType": None}, {"resourceType": 7}, "text", 7, [], None])
def test_quirk_25_unknown_or_no_resource_type(odd: Any) -> None:
    assert ice(reading(odd, score("ice-score", 5))) == [5]


def test_quirk_26_one_bad_entry_costs_itself() -> None:
    bad = {**score("ice-score", 5), "id": "bad", "code": 7}
    read = reading(bad, {**score("ice-score", 9), "id": "good"})
    assert ice(read) == [9]
    assert "Observation/bad: could not be read" in refused(read)


@pytest.mark.parametrize("code", [{"text": "ICE score"}, {"coding": [{"code": "ice-score"}], "text": "ICE score"}, {"coding": [{"system": "urn:oid:1.2.840.114350.1.13.0.1.7.2.707679", "code": "4711", "display": "ICE Score"}]}])
def test_quirk_27_text_and_local_codes_never_feed_a_grade(code: dict[str, Any]) -> None:
    assert ice(reading(observation("i", code, {"valueInteger": 3}))) == []


@pytest.mark.parametrize("unit", [{}, {"unit": "{score}", "code": "{score}", "system": UCUM}, {"code": "1", "system": UCUM}])
def test_quirk_28_scores_as_quantities(unit: dict[str, Any]) -> None:
    assert ice(reading(observation("i", concept(ITEM, "ice-score"), {"valueQuantity": {"value": 7, **unit}}))) == [7]


@pytest.mark.parametrize("value", [{"valueString": "7/10"}, {"valueString": "GT 7"}, {"valueQuantity": {"value": 7, "unit": "mg", "code": "mg"}}, {"valueQuantity": {"value": 11}}, {"valueInteger": -1}, {"valueRatio": {"numerator": {"value": 7}}}, {"valueSampledData": {"data": "7"}}, {"valueRange": {"low": {"value": 7}}}])
def test_quirk_28_other_forms_are_refused_with_the_reason(value: dict[str, Any]) -> None:
    read = reading(observation("i", concept(ITEM, "ice-score"), value))
    assert ice(read) == []
    assert "was expected" in refused(read)


@pytest.mark.parametrize("comparator", ["<", "<=", ">=", ">", "=", "<>"])
def test_quirk_29_any_comparator_on_a_score(comparator: str) -> None:
    read = reading(observation("i", concept(ITEM, "ice-score"), {"valueQuantity": {"value": 7, "comparator": comparator}}))
    assert ice(read) == []
    assert "comparator" in refused(read)


@pytest.mark.parametrize(("status", "used", "issue"), [("final ", True, False), ("entered-in-error ", False, False), ("FINAL", False, True), ("ENTERED-IN-ERROR", False, True), ("preliminary", False, True), ("cancelled", False, False), ("done", False, True)])
def test_quirk_30_status_in_other_case_or_with_a_blank(status: str, used: bool, issue: bool) -> None:
    read = reading(score("ice-score", 5, status=status))
    assert (ice(read) == [5], "status" in refused(read)) == (used, issue)


def test_quirk_31_no_digit_is_cut() -> None:
    weight = observation("w", concept(LOINC, "29463-7"), {"valueQuantity": {"value": 70.123456789012, "code": "kg", "system": UCUM}})
    assert reading(weight).snapshot.measurements[0].value == 70.123456789012
    assert "Observation/i" in refused(reading(observation("i", concept(ITEM, "ice-score"), {"valueQuantity": {"value": 6.9999999}})))


@pytest.mark.parametrize("doubled", ['"subject": {"reference": "Patient/q"}, "subject": {', '"status": "final", "status": '])
def test_quirk_32_a_key_twice(doubled: str) -> None:
    first = '"subject": {' if "subject" in doubled else '"status": '
    read = with_raw(score("ice-score", 5), first, doubled)
    assert ice(read) == []
    assert "twice" in refused(read)


def test_quirk_33_a_byte_order_mark() -> None:
    body = b"\xef\xbb\xbf" + encoded(bundle(patient(50), infusion(ago(days=3)), score("ice-score", 5)))
    assert evaluated(body, "f", NOW, KNOWLEDGE)["grading"]["at_least"] == 2
    assert strict_json.checked(b"\xef\xbb\xbf{}") == b"{}"


def test_quirk_34_blank_ndjson_lines_keep_the_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "Observation.ndjson"
    path.write_bytes(b"\n\n" + encoded(score("ice-score", 5)) + b"\n\n" + b'{"resourceType": "Observation"}\n')
    outcome = validate_file(path)
    assert outcome.resources == 2
    assert {issue.line for issue in outcome.issues} == {5}


def test_quirk_35_one_bad_line_does_not_stop_the_run(tmp_path: Path) -> None:
    path = tmp_path / "Observation.ndjson"
    path.write_bytes(b'{"resourceType": \n' + encoded(score("ice-score", 5)) + b"\n" + b"{}\n")
    outcome = validate_file(path)
    assert {issue.line for issue in outcome.issues} == {1, 3}


def test_quirk_36_a_file_that_is_no_fhir_is_told_by_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    path.write_bytes(b'{"exportId": "x", "eventId": "kickoff"}\n')
    (issue,) = validate_file(path).issues
    assert (issue.line, "resourceType" in issue.text) == (1, True)


def test_quirk_37_an_extension_in_place_of_a_value() -> None:
    why = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
    empty = score("ice-score", 5)
    del empty["valueInteger"]
    assert ice(reading({**empty, "_valueInteger": why})) == []
    no_status = score("ice-score", 5)
    del no_status["status"]
    read = reading({**no_status, "_status": why})
    assert ice(read) == []
    assert "status" in refused(read)


def test_quirk_38_patient_id_with_its_type_and_records_of_another() -> None:
    request = hook(patient(50), infusion(ago(days=3)), score("ice-score", 5), {**score("ice-score", 0), "id": "other", "subject": {"reference": "Patient/q"}})
    request["context"]["patientId"] = "Patient/p"
    found = answered(request)
    assert found.record["grading"]["at_least"] == 2
    assert "is not this patient's" in json.dumps(found.record["issues"])
    assert "came as a reference" in json.dumps(found.record["notes"])


def test_quirk_39_the_future_is_refused_and_as_of_comes_from_the_data() -> None:
    late = score("ice-score", 5, (NOW.replace(year=2133)).isoformat())
    assert "in the future" in refused(reading(late))
    shifted = bundle(patient(50), infusion("2133-01-01T00:00:00Z"), score("ice-score", 5, "2133-01-02T00:00:00Z"))
    shifted["timestamp"] = "2133-01-02T01:00:00Z"
    assert evaluated(encoded(shifted), "f", None, KNOWLEDGE)["grading"]["at_least"] == 2


def test_quirk_40_layout_and_order_of_keys_do_not_matter() -> None:
    resource = score("ice-score", 5)
    backwards = dict(reversed(list(resource.items())))
    body = json.dumps(bundle(patient(50), backwards), indent=4).replace("\n", "\r\n").encode()
    found = unwrap(body, "Bundle")
    assert [f.value for f in snapshot_from(found.given, "p", NOW, KNOWLEDGE.proxies).snapshot.findings] == [5]


@pytest.mark.parametrize(
    ("subject", "ours"),
    [
        ({"reference": "Patient/p"}, True),
        ({"reference": "https://ehr.example/fhir/Patient/p"}, True),
        ({"reference": "https://other.example/fhir/Patient/p"}, False),
        ({"reference": "Patient/p/_history/3"}, True),
        ({"identifier": {"system": "urn:mrn", "value": "1"}}, True),
        ({"identifier": {"system": "urn:mrn", "value": "2"}}, False),
        ({"reference": "#pat"}, False),
        ({"reference": "Patient/q"}, False),
        ({"display": "Patient p"}, False),
    ],
)
def test_a_record_belongs_by_reference_or_identifier(subject: dict[str, Any], ours: bool) -> None:
    who = patient(50, identifier=[{"system": "urn:mrn", "value": "1"}])
    body = {"resourceType": "Bundle", "entry": [{"fullUrl": "https://ehr.example/fhir/Patient/p", "resource": who}, {"resource": score("ice-score", 5, subject=subject)}]}
    read = snapshot_from(unwrap(encoded(body), "Bundle").given, "p", NOW, KNOWLEDGE.proxies)
    assert (ice(read) == [5]) is ours
    assert bool(read.issues) is not ours


def test_a_urn_uuid_and_a_contained_patient_with_the_same_identifier() -> None:
    who = patient(50, identifier=[{"system": "urn:mrn", "value": "1"}])
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    inside = score("ice-score", 5, subject={"reference": "#pat"}, contained=[{"resourceType": "Patient", "id": "pat", "identifier": who["identifier"]}])
    body = {"resourceType": "Bundle", "entry": [{"fullUrl": urn, "resource": who}, {"resource": inside}, {"resource": {**score("ice-score", 7, ago(hours=2)), "id": "b", "subject": {"reference": urn}}}]}
    assert ice(snapshot_from(unwrap(encoded(body), "Bundle").given, "p", NOW, KNOWLEDGE.proxies)) == [5, 7]


def test_two_values_of_one_instant() -> None:
    first, second = score("ice-score", 9, issued=ago(minutes=50)), {**score("ice-score", 5), "id": "b", "issued": ago(minutes=40)}
    later = reading(first, second)
    assert ice(later) == [5]
    assert "issued again later" in said(later)
    tie = reading(first, {**second, "issued": first["issued"]})
    assert sorted(ice(tie)) == [5, 9]  # type: ignore[type-var]
    assert "charted differently at one instant" in said(tie)
    updated = reading({**first, "issued": None, "meta": {"lastUpdated": ago(minutes=10)}}, second)
    assert ice(updated) == [9]
    seizures = [domain("seizure", "seizure-none", issued=ago(minutes=1)), {**domain("seizure", "seizure-prolonged", issued=ago(minutes=9)), "id": "b"}]
    assert len(reading(*seizures).snapshot.findings) == 2, "an event is never replaced"


def test_an_ice_panel_of_members() -> None:
    def item(code: str, points: int) -> dict[str, Any]:
        return {**score(code, points, ago(hours=1, seconds=len(code))), "id": code}

    items = [item("ice-orientation", 4), item("ice-naming", 2), item("ice-following-commands", 1), item("ice-writing", 1), item("ice-attention", 1)]
    panel = {**score("ice-score", 9), "id": "panel", "hasMember": [{"reference": f"Observation/{i['id']}"} for i in items]}
    del panel["valueInteger"]
    (found,) = [f for f in reading(panel, *items).snapshot.findings if f.domain is Domain.ICE]
    assert (found.value, found.other) == (9, None)
    (partial,) = [f for f in reading(panel, *items[1:]).snapshot.findings if f.domain is Domain.ICE]
    assert (partial.value, partial.other) == (5, 9)


def test_a_total_that_is_not_the_sum_of_its_items() -> None:
    parts = {"ice-orientation": 4, "ice-naming": 1, "ice-following-commands": 1, "ice-writing": 0, "ice-attention": 0}
    items = [{**score(code, points), "id": code} for code, points in parts.items()]
    read = reading(score("ice-score", 10), *items)
    assert sorted(ice(read)) == [6, 10]  # type: ignore[type-var]
    assert "not the sum of its items" in said(read)


def test_finding_of_an_answer_code() -> None:
    assert reading(domain("consciousness", "loc-alert")).snapshot.findings == (
        Finding(Domain.CONSCIOUSNESS, "loc-alert", NOW.replace(hour=11), "Observation/consciousness"),
    )
    wrong = reading(observation("c", concept(ITEM, "consciousness"), {"valueCodeableConcept": concept(ANSWER, "seizure-none")}))
    assert "not known under this question" in refused(wrong)
    assert SUBJECT == {"reference": "Patient/p"}


def test_an_order_that_only_words_name_withholds_the_same_drug() -> None:
    words = order("0", "active", "mystery")
    words["medicationCodeableConcept"] = {"text": "Dexamethasone 10 mg inj", "coding": [{"system": "urn:site", "code": "D10"}]}
    chart = [patient(50), infusion(ago(days=3)), score("ice-score", 5), domain("consciousness", "loc-alert")]
    plain = next(c for c in answered(hook(*chart)).cards if "dexamethasone" in c["summary"])
    assert plain["suggestions"]
    found = next(c for c in answered(hook(*chart, words)).cards if "dexamethasone" in c["summary"])
    assert "suggestions" not in found
    assert "Check for duplication" in found["detail"]
    assert "MedicationRequest/mystery" in found["detail"]


def test_a_product_named_in_words_is_no_exposure_and_not_silent() -> None:
    words = infusion(ago(days=3))
    words["medicationCodeableConcept"] = {"text": "blinatumomab 28 mcg/day"}
    (card,) = answered(hook(patient(50), words)).cards
    assert card["indicator"] == "info"
    assert "blinatumomab" in card["detail"]


@pytest.mark.parametrize(("code", "substance"), [("311290", "levetiracetam"), ("197901", "lorazepam")])
def test_the_drug_codes_of_the_sandbox(code: str, substance: str) -> None:
    assert [o.substance for o in reading(order(code)).snapshot.orders] == [substance]
