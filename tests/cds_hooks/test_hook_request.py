"""The envelope and the context are read strictly, everything else is left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_hooks.hook_request import HookRequest, parse
from cds_hooks.refusal import Refusal
from cds_hooks.strict_json import MAX_DEPTH, deeper_than


def call(**changes: Any) -> dict[str, Any]:
    context = {"userId": "Practitioner/p", "patientId": "p1", "draftOrders": {"resourceType": "Bundle"}}
    return {"hook": "order-sign", "hookInstance": "i", "context": context} | changes


def with_context(**changes: Any) -> dict[str, Any]:
    return call(context=call()["context"] | changes)


def read(body: Any, hook: str = "order-sign") -> HookRequest:
    return parse(body if isinstance(body, bytes) else json.dumps(body).encode(), hook)


def refused(body: Any, hook: str = "order-sign") -> Refusal:
    with pytest.raises(Refusal) as refusal:
        read(body, hook)
    assert refusal.value.status == 400
    return refusal.value


def test_a_complete_call() -> None:
    body = call(
        fhirServer="https://ehr.example.org/fhir",
        fhirAuthorization={"access_token": "secret"},
        prefetch={"patient": {"resourceType": "Patient"}, "conditions": None},
    )
    request = read(body)
    assert request.patient_id == "p1"
    assert request.encounter_id is None
    assert json.loads(request.draft_orders or b"") == {"resourceType": "Bundle"}
    assert request.prefetch == {"patient": b'{"resourceType": "Patient"}', "conditions": None}
    assert request.fhir_server == "https://ehr.example.org/fhir"
    assert request.notes == ()
    assert "secret" not in repr(request)


def test_a_byte_order_mark_is_tolerated() -> None:
    assert read(b"\xef\xbb\xbf" + json.dumps(call()).encode()).hook == "order-sign"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b'{"hook": "order-sign"} extra', "not valid JSON"),
        (b'{"hook": NaN}', "not valid JSON"),
        (b'{"prefetch": {"a": {"value": Infinity}}}', "not valid JSON"),
        (b'{"hook": "\xff"}', "not UTF-8"),
        ('{"hook": "é"}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": ' * 65 + b"1" + b"}" * 65, "deep"),
        (b"[" * 100_000, "deep"),
        (b'{"hook": 1, "hook": 1}', '"hook" twice'),
        (b'{"h\\u006fok": 1, "hook": 1}', '"hook" twice'),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, says: str) -> None:
    assert says in refused(body).text


def test_duplicate_keys_are_refused_where_they_matter_and_left_alone_elsewhere() -> None:
    context = b'{"userId":"u","patientId":"a","patientId":"b","draftOrders":{}}'
    refusal = refused(b'{"hook":"order-sign","hookInstance":"i","context":' + context + b"}")
    assert 'context has the key "patientId" twice' in refusal.text
    body = json.dumps(call(prefetch={"patient": {}})).encode()
    assert '"patient" twice' in refused(body.replace(b'"patient": {}', b'"patient": {}, "patient": {}')).text
    assert read(body.replace(b'"patient": {}', b'"patient": {"id": "1", "id": "2"}')).prefetch["patient"]


@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
@pytest.mark.parametrize("wrong", [..., None, 1, "", [], " "])
def test_the_envelope_needs_its_three_members(member: str, wrong: Any) -> None:
    body = call(**{member: wrong})
    if wrong is ...:
        del body[member]
    refusal = refused(body)
    assert member in refusal.text
    assert refusal.expression == member


@pytest.mark.parametrize("member", ["userId", "patientId", "draftOrders"])
@pytest.mark.parametrize("wrong", [..., None, 1, "", True])
def test_the_context_needs_its_three_members(member: str, wrong: Any) -> None:
    body = with_context(**{member: wrong})
    if wrong is ...:
        del body["context"][member]
    refusal = refused(body)
    assert refusal.expression == f"context.{member}"


def test_another_hook_is_refused() -> None:
    assert refused(call(hook="patient-view")).expression == "hook"


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("p1", "p1"),
        ("Patient/p1", "p1"),
        ("Patient/p1/_history/2", "p1"),
        ("https://ehr.example.org/fhir/Patient/p1", "p1"),
        ("e" * 194, "e" * 194),
    ],
)
def test_a_patient_id_may_come_as_a_reference(given: str, read_as: str) -> None:
    request = read(with_context(patientId=given))
    assert request.patient_id == read_as
    assert bool(request.notes) == (given != read_as)
    assert not any(read_as in note for note in request.notes)


@pytest.mark.parametrize("given", ["Practitioner/p1", "Patient/", "/p1", "a/b/c"])
def test_another_reference_is_no_patient_id(given: str) -> None:
    assert refused(with_context(patientId=given)).expression == "context.patientId"


@pytest.mark.parametrize(
    ("given", "read_as"), [(None, None), ("", None), ("e1", "e1"), ("Encounter/e1", "e1")]
)
def test_an_encounter_is_optional(given: str | None, read_as: str | None) -> None:
    assert read(with_context(encounterId=given)).encounter_id == read_as


def test_an_encounter_of_another_type_is_refused() -> None:
    assert refused(with_context(encounterId="Location/1")).expression == "context.encounterId"
    assert refused(with_context(encounterId=7)).expression == "context.encounterId"


@pytest.mark.parametrize(
    "drafts",
    [
        {"resourceType": "Bundle", "entry": []},
        {"entry": [{"resourceType": "MedicationRequest"}]},
        {"resourceType": "MedicationRequest", "category": {"not": "a list"}},
        [{"resourceType": "MedicationRequest"}],
        [],
    ],
)
def test_draft_orders_are_kept_raw_in_any_shape(drafts: Any) -> None:
    assert json.loads(read(with_context(draftOrders=drafts)).draft_orders or b"") == drafts


def test_order_select_needs_selections() -> None:
    body = with_context(selections=["MedicationRequest/1"]) | {"hook": "order-select"}
    assert read(body, "order-select").selections == ("MedicationRequest/1",)
    assert refused(call(hook="order-select"), "order-select").expression == "context.selections"
    assert refused(with_context(selections=[1]) | {"hook": "order-select"}, "order-select")


def test_patient_view_has_no_drafts() -> None:
    body = {"hook": "patient-view", "hookInstance": "i", "context": {"userId": "u", "patientId": "p"}}
    assert read(body, "patient-view").draft_orders is None


@pytest.mark.parametrize("prefetch", [[], "text", 1])
def test_prefetch_is_an_object(prefetch: Any) -> None:
    assert refused(call(prefetch=prefetch)).expression == "prefetch"


@pytest.mark.parametrize("prefetch", [None, {}])
def test_prefetch_may_be_empty(prefetch: Any) -> None:
    assert read(call(prefetch=prefetch)).prefetch == {}


def test_authorization_needs_a_server() -> None:
    assert refused(call(fhirAuthorization={"access_token": ""})).expression == "fhirServer"
    assert refused(call(fhirAuthorization={}, fhirServer="")).expression == "fhirServer"
    assert (
        refused(call(fhirAuthorization="Bearer x", fhirServer="https://s")).expression == "fhirAuthorization"
    )
    assert read(call(fhirServer="https://s")).fhir_server == "https://s"
    assert read(call(fhirAuthorization=None)).fhir_server is None


@pytest.mark.parametrize("extension", [{}, [], "text", None, 1, [{"deep": [1]}]])
def test_extensions_and_unknown_members_are_ignored(extension: Any) -> None:
    body = with_context(unknown=extension, extension=extension) | {"extension": extension, "else": extension}
    assert read(body).patient_id == "p1"


def test_the_outcome_of_a_refusal(valid: Any) -> None:
    outcome = refused(call(hook=None)).outcome()
    valid("operation-outcome", outcome)
    assert outcome["issue"][0]["expression"] == ["hook"]


@pytest.mark.parametrize("extra", [0, 1])
def test_the_bound_of_depth_is_exact(extra: int) -> None:
    inner = MAX_DEPTH - 2 + extra  # the envelope and prefetch are two
    body = json.dumps(call(prefetch={"x": "@"})).encode().replace(b'"@"', b"[" * inner + b"]" * inner)
    if extra:
        assert "deep" in refused(body).text
    else:
        assert read(body).prefetch


def depth(value: Any) -> int:
    if isinstance(value, list | dict):
        return 1 + max(
            (depth(part) for part in (value.values() if isinstance(value, dict) else value)), default=0
        )
    return 0


texts = st.text(alphabet='[]{}"\\,:aé\n', max_size=6)
documents = st.recursive(
    texts | st.integers(), lambda of: st.lists(of, max_size=3) | st.dictionaries(texts, of, max_size=3)
)


@given(documents, st.booleans())
def test_the_scanner_knows_strings(document: Any, ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    deep = depth(document)
    assert not deeper_than(body, deep)
    assert deep == 0 or deeper_than(body, deep - 1)
