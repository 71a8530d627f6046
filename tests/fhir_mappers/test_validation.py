"""One test a family of rules: the raw JSON, the walk, the invariants, references, narratives, versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_mappers.validation import Issue, validate_resource

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "ICE score"},
}
EXTENSION = {"url": "http://example.org/x"}


def observation(**more: Any) -> dict[str, Any]:
    return OBSERVATION | more


def extended(**value: Any) -> dict[str, Any]:
    return observation(extension=[EXTENSION | value])


def problems(resource: dict[str, Any] | bytes | str) -> list[tuple[str, str]]:
    """(location, code) of what makes it invalid; a dict goes through JSON text first."""
    data = resource if isinstance(resource, bytes) else (
        resource.encode() if isinstance(resource, str) else json.dumps(resource).encode()
    )  # fmt: skip
    return [(issue.location, issue.code) for issue in validate_resource(data).issues if issue.fails]


def test_a_valid_observation_has_no_issue() -> None:
    assert validate_resource(observation(valueInteger=7)).issues == ()


class TestSyntax:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b" \n",
            b"{",
            b"{'a': 1}",
            b'{"a": 1,}',
            b'{"a": 1} x',
            b'{"a": "\xff"}',
            b"\xff\xfe{\x00}\x00",
            b"tru",
        ],
    )
    def test_what_is_no_json_is_one_fatal_issue(self, data: bytes) -> None:
        (issue,) = validate_resource(data).issues
        assert (issue.severity, issue.location) == ("fatal", "")

    def test_the_line_and_column_are_named(self) -> None:
        (issue,) = validate_resource(b'\n\n{"resourceType":\n  oops}').issues
        assert "line 4 of the document, column 3" in issue.text

    def test_a_byte_order_mark_and_any_layout_are_accepted(self) -> None:
        text = json.dumps(observation(), indent=3).replace("\n", "\r\n")
        assert problems(b"\xef\xbb\xbf" + text.encode()) == []

    def test_a_repeated_key_is_found_with_its_place(self) -> None:
        text = '{"resourceType":"Observation","status":"final","code":{"text":"a","text":"b"},"status":"amended"}'
        assert problems(text) == [("Observation.status", "duplicate"), ("Observation.code.text", "duplicate")]

    @pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
    def test_tokens_that_json_does_not_have(self, token: str) -> None:
        text = json.dumps(observation(valueQuantity={"value": 0})).replace("0}", f"{token}}}")
        assert problems(text) == [("Observation.valueQuantity.value", "value")]

    def test_nesting_is_limited(self) -> None:
        inner: dict[str, Any] = EXTENSION | {"valueString": "x"}
        for _ in range(40):
            inner = EXTENSION | {"extension": [inner]}
        ((place, code),) = problems(observation(extension=[inner]))
        assert code == "too-long"
        assert place.startswith("Observation.extension[0].extension[0]")
        assert problems("[" * 100_000) == [("", "structure")]

    @pytest.mark.parametrize("value", ["[]", '"x"', "1", "null", "true"])
    def test_a_resource_is_an_object(self, value: str) -> None:
        assert problems(value) == [("", "structure")]


class TestElements:
    def test_unknown_missing_and_misplaced(self) -> None:
        found = problems({"resourceType": "Observation", "code": [{}], "foo": 1, "component": {"code": {}}})
        assert set(found) >= {
            ("Observation.status", "required"),
            ("Observation.code", "structure"),
            ("Observation.foo", "structure"),
            ("Observation.component", "structure"),
        }

    def test_names_that_are_no_identifiers_are_delimited(self) -> None:
        assert problems(observation(**{"a b\n": 1})) == [("Observation.`a b\\u000a`", "structure")]

    @pytest.mark.parametrize("empty", [None, "", [], {}])
    def test_empties_are_refused(self, empty: object) -> None:
        assert [place for place, _ in problems(observation(issued=empty))] == ["Observation.issued"]
        assert problems(observation(category=[empty])) != []

    def test_null_in_an_array_needs_an_extension_at_its_place(self) -> None:
        given = {"resourceType": "Patient", "name": [{"given": ["A", None]}]}
        assert problems(given) == [("Patient.name[0].given[1]", "structure")]
        given["name"][0]["_given"] = [None, {"extension": [EXTENSION | {"valueCode": "unknown"}]}]
        assert problems(given) == []

    def test_a_required_primitive_may_be_only_an_extension(self) -> None:
        resource = {"resourceType": "Observation", "code": {"text": "x"}}
        why = {"extension": [EXTENSION | {"valueCode": "unknown"}]}
        assert problems(resource | {"_status": why}) == []
        assert problems(resource | {"_status": {}}) == [("Observation._status", "invariant")]
        assert problems(OBSERVATION | {"_code": why}) == [("Observation._code", "structure")]

    def test_one_value_only(self) -> None:
        two = observation(valueInteger=1, valueString="x")
        assert problems(two) == [("Observation.valueString", "structure")]
        assert problems(observation(valueInteger=1, _valueInteger={"id": "a"})) != []

    @pytest.mark.parametrize("kind", [None, 5, "Banana", "patient", "Resource", "DomainResource"])
    def test_resource_type_is_known_at_every_level(self, kind: object) -> None:
        bad = {"resourceType": kind}
        assert problems(bad) == [("", "structure")]
        assert ("Observation.contained[0]", "structure") in problems(observation(contained=[bad]))
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": bad}]}
        assert problems(bundle) == [("Bundle.entry[0].resource", "structure")]

    def test_a_place_deep_in_a_bundle(self) -> None:
        entries = [{"resource": observation()}, {"resource": observation(valueQuantity={"value": "7"})}]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        assert problems(bundle) == [("Bundle.entry[1].resource.valueQuantity.value", "value")]

    @pytest.mark.parametrize("status", ["banana", "FINAL", "final ", " final", "entered in error"])
    def test_required_codes_exactly(self, status: str) -> None:
        assert [place for place, _ in problems(observation(status=status))] == ["Observation.status"]

    def test_required_concepts(self) -> None:
        condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
        system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
        for codings, found in (
            ([{"system": system, "code": "active"}], []),
            ([{"code": "active"}], ["code-invalid"]),
        ):
            status = {"coding": codings}
            assert [code for _, code in problems(condition | {"clinicalStatus": status})] == found


PRIMITIVES: list[tuple[str, list[object], list[object]]] = [
    ("Boolean", [True, False], ["true", 1, 0]),
    ("Integer", [0, -5, 2**31 - 1], [True, "7", 7.0, 2**31, -(2**31) - 1]),
    ("PositiveInt", [1], [0, -1, "1"]),
    ("UnsignedInt", [0, 1], [-1, 1.5]),
    ("Decimal", [0, 1.5, -3], ["1.5", True]),
    ("String", ["x", " x ", "é🙂"], [5, True, "", "\ud800"]),
    ("Code", ["a", "a b"], [" a", "a ", "a  b", "a\n"]),
    ("Id", ["a-B.9", "x" * 64], ["a_b", "x" * 65, 1, "a b", "a\n"]),
    ("Uri", ["http://x/y", "urn:oid:1.2", "#a"], ["http://x y", "urn:uuid:123", 5]),
    ("Oid", ["urn:oid:1.2.3"], ["1.2.3", "urn:oid:3.1", "urn:oid:1.02"]),
    ("Uuid", ["urn:uuid:87e11d66-c137-458a-9754-fe6c4e445a6d"], ["87e11d66-c137-458a-9754-fe6c4e445a6d"]),
    ("Base64Binary", ["YWJj", "YW Jj", "YQ=="], ["YWJ", "a&b=", "Y==="]),
    ("Date", ["2026", "2026-02", "2024-02-29"], ["2026-02-29", "2026-13", "26-01-01", "2026/01/01", "0000", 2026]),
    (
        "DateTime",
        ["2026", "2026-03", "2026-01-01T00:00:00Z", "2016-12-31T23:59:60Z", "2026-01-01T00:00:00.123456789-00:00"],
        [
            "2026-01-01T10:00:00", "2026-01-01T10:00Z", "2026-01-01T24:00:00Z", "2026-01-01 10:00:00Z",
            "2026-01-01T10:00:00+0100", "2026-01-01T10:00:00+15:00", "2026-01-01T10Z", 1767225600000,
            "2026-01-01T00:00:00Z\n", "٢٠٢٦",
        ],
    ),
    ("Instant", ["2026-01-01T00:00:00Z"], ["2026-01-01", "2026-01-01T00:00:00"]),
    ("Time", ["10:00:00", "10:00:00.5"], ["10:00", "24:00:00", "10:00:00Z"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "good", "bad"), PRIMITIVES, ids=[p[0] for p in PRIMITIVES])
def test_primitives(kind: str, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert problems(extended(**{f"value{kind}": value})) == [], value
    for value in bad:
        place = [p for p, _ in problems(extended(**{f"value{kind}": value}))]
        assert place == [f"Observation.extension[0].value{kind}"], value


@pytest.mark.parametrize("lexeme", ["1.0", "1e2", "-0", "1" + "0" * 5000, "1e999999999999999999999"])
def test_numbers_that_are_no_integers(lexeme: str) -> None:
    text = json.dumps(observation(valueInteger=0)).replace("0}", f"{lexeme}}}")
    assert problems(text) == [("Observation.valueInteger", "value")]


def test_decimals_may_have_any_precision() -> None:
    text = json.dumps(observation(valueQuantity={"value": 0})).replace(
        "0}", "1.00000000000000000000000000e-7}"
    )
    assert problems(text) == []


CONDITION = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def bundle(kind: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


INVARIANTS = [
    ("obs-3", observation(referenceRange=[{"type": {"text": "x"}}])),
    ("obs-6", observation(valueInteger=1, dataAbsentReason={"text": "x"})),
    (
        "obs-7",
        observation(
            code=concept("http://loinc.org", "1"),
            valueInteger=1,
            component=[{"code": concept("http://loinc.org", "1")}],
        ),
    ),
    ("per-1", observation(effectivePeriod={"start": "2026-02-01", "end": "2026-01-01"})),
    (
        "per-1",
        observation(effectivePeriod={"start": "2026-01-01T10:00:00+01:00", "end": "2026-01-01T08:59:59Z"}),
    ),
    ("per-1", observation(effectivePeriod={"start": "2026-03", "end": "2026-01-01T08:59:59Z"})),
    ("ext-1", extended()),
    ("ext-1", extended(valueString="x", extension=[EXTENSION | {"valueString": "x"}])),
    ("ele-1", observation(category=[{"id": "a"}])),
    ("qty-3", observation(valueQuantity={"value": 1, "code": "mg"})),
    ("sqty-1", observation(referenceRange=[{"low": {"value": 1, "comparator": "<"}}])),
    ("rng-2", observation(valueRange={"low": {"value": 2}, "high": {"value": 1}})),
    ("rat-1", observation(valueRatio={"numerator": {"value": 2}})),
    ("con-2", CONDITION | {"evidence": [{"extension": [EXTENSION | {"valueString": "x"}]}]}),
    ("con-4", CONDITION | {"abatementString": "gone", "clinicalStatus": concept(CLINICAL, "active")}),
    (
        "con-5",
        CONDITION
        | {
            "clinicalStatus": concept(CLINICAL, "active"),
            "verificationStatus": concept(VERIFICATION, "entered-in-error"),
        },
    ),
    ("ref-1", observation(subject={"reference": "#p"})),
    ("dom-3", observation(contained=[{"resourceType": "Patient", "id": "p"}])),
    (
        "dom-4",
        observation(
            subject={"reference": "#p"},
            contained=[{"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}],
        ),
    ),
    ("bdl-1", bundle("collection", total=1)),
    ("bdl-2", bundle("collection", {"resource": observation(), "search": {"mode": "match"}})),
    ("bdl-3", bundle("transaction", {"resource": observation()})),
    ("bdl-3", bundle("collection", {"resource": observation(), "request": {"method": "PUT", "url": "x"}})),
    ("bdl-4", bundle("batch-response", {"resource": observation()})),
    ("bdl-5", bundle("collection", {"fullUrl": "urn:uuid:87e11d66-c137-458a-9754-fe6c4e445a6d"})),
    (
        "bdl-7",
        bundle("collection", *[{"fullUrl": "http://x/Observation/1", "resource": observation(id="1")}] * 2),
    ),
    (
        "bdl-8",
        bundle("collection", {"fullUrl": "http://x/Observation/1/_history/2", "resource": observation()}),
    ),
    ("bdl-9", bundle("document", {"resource": observation()}, timestamp="2026-01-01T00:00:00Z")),
    (
        "bdl-10",
        bundle("document", {"resource": observation()}, identifier={"system": "http://x", "value": "1"}),
    ),
    ("bdl-11", bundle("document", {"resource": observation()}, timestamp="2026-01-01T00:00:00Z")),
    ("bdl-12", bundle("message", {"resource": observation()})),
]


@pytest.mark.parametrize(
    ("key", "resource"), INVARIANTS, ids=[f"{k}-{i}" for i, (k, _) in enumerate(INVARIANTS)]
)
def test_invariants(key: str, resource: dict[str, Any]) -> None:
    texts = [issue.text for issue in validate_resource(json.dumps(resource).encode()).issues if issue.fails]
    assert any(text.startswith(f"{key}:") for text in texts), texts


@pytest.mark.parametrize(
    "period",
    [
        {"start": "2026-01-01", "end": "2026-01-01"},
        {"start": "2026-01", "end": "2026-01-01"},
        {"start": "2026-01-02", "end": "2026-01-01T23:00:00-11:00"},
        {"start": "2026-01-01T00:30:00+01:00", "end": "2025-12-31T23:40:00Z"},
    ],
)
def test_a_period_that_may_be_right_is_not_called_reversed(period: dict[str, str]) -> None:
    assert problems(observation(effectivePeriod=period)) == []


class TestReferences:
    def test_contained_resources_that_are_used(self) -> None:
        patient = {"resourceType": "Patient", "id": "p"}
        assert problems(observation(subject={"reference": "#p"}, contained=[patient])) == []
        back = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "#"}]}
        back |= {"recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}
        assert problems(observation(contained=[back])) == []

    def test_blanks_are_refused_and_a_strange_target_is_a_warning(self) -> None:
        assert problems(observation(subject={"reference": "Patient/a b"})) == [
            ("Observation.subject.reference", "value")
        ]
        (issue,) = validate_resource(observation(subject={"reference": "Practitioner/1"})).issues
        assert (issue.severity, issue.location) == ("warning", "Observation.subject.reference")

    def test_a_urn_that_no_entry_has_is_a_warning(self) -> None:
        lost = "urn:uuid:87e11d66-c137-458a-9754-fe6c4e445a6d"
        (issue,) = validate_resource(
            bundle("collection", {"resource": observation(subject={"reference": lost})})
        ).issues
        assert (issue.severity, issue.location) == ("warning", "Bundle.entry[0].resource.subject.reference")


@pytest.mark.parametrize(
    ("div", "good"),
    [
        (
            '<div xmlns="http://www.w3.org/1999/xhtml"><p style="color:red">ICE 7 &lt; 10&#160;</p></div>',
            True,
        ),
        ("<div><img src='a.png' alt='a'/></div>", True),
        ("<div><script>alert(1)</script></div>", False),
        ("<div><p onclick='x()'>a</p></div>", False),
        ("<div><a href=' java\nscript:x()'>a</a></div>", False),
        ("<div><iframe src='http://x'>a</iframe></div>", False),
        ("<div>&reg;</div>", False),
        ("<div>open", False),
        ("<p>no div</p>", False),
        ("<div> \n </div>", False),
        ("plain text", False),
        ('<!DOCTYPE a [<!ENTITY b "c">]><div>&b;</div>', False),
    ],
)
def test_narratives(div: str, good: bool) -> None:
    found = problems(observation(text={"status": "generated", "div": div}))
    assert (found == []) is good
    assert {place for place, _ in found} <= {"Observation.text.div"}


@pytest.mark.parametrize(
    ("resource", "version"),
    [
        ({"resourceType": "MedicationAdministration", "medication": {"concept": {"text": "x"}}}, "R5"),
        ({"resourceType": "MedicationAdministration", "occurenceDateTime": "2026"}, "R5"),
        ({"resourceType": "Encounter", "actualPeriod": {"start": "2026"}}, "R5"),
        ({"resourceType": "Condition", "context": {"reference": "Encounter/1"}}, "STU3"),
        ({"resourceType": "Condition", "clinicalStatus": "active"}, "STU3"),
        ({"resourceType": "ActorDefinition"}, "R5"),
        ({"resourceType": "SubscriptionTopic"}, "R4B"),
        ({"resourceType": "ProcedureRequest"}, "STU3"),
        ({"resourceType": "MedicationOrder"}, "DSTU2"),
    ],
)
def test_other_versions_are_named(resource: dict[str, Any], version: str) -> None:
    assert any(version in issue.text for issue in validate_resource(resource).issues)


def test_messages_do_not_repeat_values_of_the_patient() -> None:
    resource = {
        "resourceType": "Patient",
        "birthDate": "Canary",
        "name": "Canary",
        "active": "Canary",
        "id": 'Cana"ry',
    }
    assert "Canary" not in " ".join(issue.text for issue in validate_resource(resource).issues)


def test_fitness_is_information_whatever_it_claims() -> None:
    said = Issue("error", "informational", "Observation", "ICE can be graded")
    outcome = validate_resource(OBSERVATION, fitness=lambda _: [said])
    assert outcome.valid
    assert [(i.severity, i.text) for i in outcome.issues] == [("information", said.text)]


def test_the_input_is_not_changed() -> None:
    resource = observation(subject={"reference": "Patient/1"}, category=[{"text": "x"}])
    before = json.dumps(resource)
    validate_resource(resource)
    assert json.dumps(resource) == before
