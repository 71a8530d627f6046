"""Threats of docs/threat-model.md that no other test holds off."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cds import ILL, ROOT, SIGN, cards, guidance, post, service, sign, templates
from charts import (
    ICD10,
    ITEM,
    ago,
    bundle,
    concept,
    diagnosis,
    dose,
    infusion,
    observation,
    order,
    patient,
    score,
)
from starlette.routing import Route

from cds_hooks import strict_json
from cds_hooks.app import create_app
from cds_hooks.prefetch import MAX_DRAFTS, MAX_RECORDS
from cds_hooks.settings import Settings
from cds_hooks.trust.guard import PUBLIC

RUNNING = (patient(50), infusion(ago(days=3)))


@pytest.mark.parametrize("value", [True, "7", "0", 7.5, [0], {"value": 0}, 10**30])
def test_nothing_is_coerced_into_a_score(value: Any) -> None:
    """T8: true is no 1 and "0" no 0: the record is not used, and said."""
    wrong = observation("ice", concept(ITEM, "ice-score"), {"valueInteger": value})
    card = cards(sign(*RUNNING, wrong))[0]
    assert "Observation/ice" in card["detail"]
    assert "ICE 0" not in card["summary"] + card["detail"]
    assert "ICE 7" not in card["summary"]


@pytest.mark.parametrize("at", [1_795_000_000, True, "1795000000", "yesterday", ["2026-11-22T11:00:00Z"], None])
def test_nothing_is_coerced_into_a_time(at: Any) -> None:
    """T8: an epoch is no dateTime."""
    wrong = score("ice-score", 0) | {"effectiveDateTime": at}
    assert "grade 3" not in json.dumps([c[:1] for c in guidance(sign(*RUNNING, wrong))])


@pytest.mark.parametrize("status", ["Final", "FINAL", "finished", "cancelled", "entered-in-error", "", None])
def test_a_status_is_one_of_the_code_set(status: Any) -> None:
    """T8: case is not forgiven: a record that is not final does not count."""
    assert "grade 3" not in json.dumps([c[:1] for c in guidance(sign(*RUNNING, score("ice-score", 0) | {"status": status}))])


ENVELOPE = json.dumps(sign())


@pytest.mark.parametrize("name", ["hook", "hookInstance", "context", "prefetch", "patientId", "userId", "draftOrders", "observations", "patient"])
@pytest.mark.parametrize("spelled", ["{0}", "\\u{1:04x}{2}"])
def test_a_key_twice_where_it_matters_is_refused(name: str, spelled: str) -> None:
    """T9: two parsers would see two patients. Written with an escape, too, it is the same key."""
    written = spelled.format(name, ord(name[0]), name[1:])
    doubled = ENVELOPE.replace(f'"{name}": ', f'"{written}": null, "{name}": ', 1)
    assert doubled != ENVELOPE
    answer = post(doubled.encode())
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "duplicate")


@pytest.mark.parametrize("member", ["status", "valueInteger", "subject", "code", "effectiveDateTime"])
def test_a_key_twice_in_a_record_that_counts_costs_the_record(member: str) -> None:
    """T9: the record is not used, and said."""
    record = score("ice-score", 0)
    written = json.dumps(record)
    doubled = f'{{"{member}": {json.dumps(record[member])}, {written[1:]}'
    body = json.dumps(sign(*RUNNING, record))
    assert written in body
    card = cards(body.replace(written, doubled).encode())[0]
    assert f"Observation/ice-score: has the key '{member}' twice: not used" in card["detail"]


@pytest.mark.parametrize("depth", [65, 66, 500, 1000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_refused_at_once(depth: int, pair: tuple[str, str], closed: bool) -> None:
    """T10: by depth on the bytes, before any parser, wherever it stands."""
    nested = pair[0] * depth + "1" + pair[1] * depth * closed
    began = time.perf_counter()
    for where in ("%s", '{"prefetch": {"patient": %s}}'):
        assert post((where % nested).encode()).status_code == 400
    assert time.perf_counter() - began < 2


def test_hostile_structure_costs_milliseconds() -> None:
    """T10, T11: 8 MB of anything is judged in a fraction of a second; the best of three, as the machine is shared."""
    from cds_hooks.refusal import Refusal

    for part in (b"[", b"[]", b"{},", b'[""],', b'"",', b'\\"', b'{"a":"b"},', b"]", b'{"a":{"b":[1]}},'):
        body = b'["",' + part * (7_990_000 // len(part))
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            with contextlib.suppress(Refusal):
                strict_json.checked(body)
            spent.append(time.perf_counter() - began)
        assert min(spent) < 0.15, part


def test_bounds_of_a_body() -> None:
    """T10, T11: containers and strings, each at its bound and one beyond."""
    many = b"[" + b"{}," * (strict_json.MAX_CONTAINERS - 2) + b"{}]"
    spread = re.sub(rb"((?:\{\},){1000})", rb'\1"",', many)
    assert strict_json.checked(spread) == spread
    for wrong, code in (
        (spread.replace(b"[", b"[{},", 1), "too-costly"),
        (b'["' + b"x" * strict_json.MAX_STRING + b'"]', "too-long"),
    ):
        answer = post(wrong)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, code)
    longest = b'["' + b"x" * (strict_json.MAX_STRING - 1) + b'"]'
    assert strict_json.checked(longest) == longest


def test_the_number_of_records_is_bounded() -> None:
    """T11: each at its bound and one beyond; what is many and within the bounds is answered in time."""
    drafts = [order("6470", "draft", f"d{n}") for n in range(MAX_DRAFTS + 1)]
    small = [{"resourceType": "Observation"}] * (MAX_RECORDS + 1)
    for body in (sign(*ILL, drafts=drafts), sign(*ILL, *small)):
        answer = post(body)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (413, "too-costly")
    assert post(bundle(patient(50), *small), "/fhir/$evaluate-icans").status_code == 413
    assert post(sign(*ILL, drafts=drafts[1:])).status_code == 200
    assert post(sign(*ILL, *small[len(ILL) + 1 :])).status_code == 200


def test_thousands_of_records_to_compare_are_answered_before_it_is_a_hang() -> None:
    """T11: records of which each has to be compared with many others."""
    scores = [score("ice-score", 1, ago(minutes=n % 600)) | {"id": f"i{n}"} for n in range(3000)]
    sedatives = [dose("6470", ago(minutes=n % 600), f"d{n}", mg=1) for n in range(3000)]
    seizures = [diagnosis(ICD10, "G40.901", f"c{n}", onsetDateTime=ago(minutes=n)) for n in range(6000)]
    for records in (scores + sedatives, seizures):
        began = time.perf_counter()
        assert post(sign(*RUNNING, *records)).status_code == 200
        assert time.perf_counter() - began < 5


@pytest.mark.parametrize("encoded", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_body_is_read_within_the_limit(encoded: str) -> None:
    """T11: the limit holds before and after; a bomb is never unpacked beyond it."""
    import gzip

    body = json.dumps(sign()).encode()
    headers = {"content-encoding": encoded}
    assert post(gzip.compress(body), **headers).json()["cards"]
    assert post(gzip.compress(b" " * 8_000_001), **headers).status_code == 413
    assert post(gzip.compress(b" " * 200_000_000), **headers).status_code == 413
    for broken in (body, gzip.compress(body)[:-8], gzip.compress(body) + b"x", gzip.compress(body) * 2, b""):
        assert post(broken, **headers).status_code == 415


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "compress", "identity, gzip"])
def test_other_codings_are_not_taken(coding: str) -> None:
    """T11."""
    assert post(json.dumps(sign()).encode(), **{"content-encoding": coding}).status_code == 415


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000, "0" * 5000, "1e-400", "0x10", "01", "1.", ".5", "+1", "1_0", "1e", "-"]
)
def test_numbers_that_are_none(number: str) -> None:
    """T12: refused as JSON, or the record is not used; never a 5xx, never a grade."""
    body = json.dumps(sign(*RUNNING, score("ice-score", 4))).replace('"valueInteger": 4', f'"valueInteger": {number}')
    assert number in body
    answer = post(body.encode())
    if answer.status_code == 200:
        assert "grade 3" not in json.dumps([c["summary"] for c in answer.json()["cards"]])
    else:
        assert answer.status_code == 400


PATTERNS = ["0" * 100_000 + "!", "a/" * 50_000, "2026-" * 20_000 + "x", " " * 100_000 + "x", "https://" + "a." * 50_000 + "/", "-" * 100_000]


@pytest.mark.parametrize("text", PATTERNS, ids=lambda text: text[:8])
def test_no_pattern_backtracks(text: str) -> None:
    """T14: dates, ids and references of 100,000 characters cost no more than reading them."""
    hostile = observation(text, concept(text, text), {"valueString": text}, text, subject={"reference": text})
    mine = score("ice-score", text) | {"effectiveDateTime": text, "id": "x"}
    who = patient(50) | {"birthDate": text, "deceasedDateTime": text}
    began = time.perf_counter()
    assert post(sign(who, RUNNING[1], hostile, mine, diagnosis(ICD10, text, onsetDateTime=text))).status_code == 200
    assert post(sign(context_patientId=text)).status_code == 400
    assert post({"feedback": [{"card": "a", "outcome": "overridden", "outcomeTimestamp": text}]}, f"{SIGN}/feedback").status_code == 400
    assert time.perf_counter() - began < 1


HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "![x](http://127.0.0.1/x.png)",
    "<a href='x'>y</a>", "`code`", "**bold**", "\n# Title", "| a | b |", "&lt;b&gt;", "http://evil.example.org", "<!-- x -->",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_chart_text_on_a_card_is_text(text: str) -> None:
    """T15: whatever stands in the chart, no HTML, link, picture or formatting of it reaches the page."""
    records = [
        observation(text, concept(ITEM, "ice-score"), {"valueString": text}),
        score("ice-score", 5, id="i", subject={"reference": f"Patient/{text}"}),
        diagnosis(ICD10, "I61.9", identity=text, onsetDateTime=ago(hours=3)),
        observation("other", {"text": text, "coding": [{"system": text, "code": text, "display": text}]}, {"valueString": text}),
    ]
    for card in cards(sign(*ILL, *records)):
        said = card["summary"] + card["detail"]
        assert not re.search(r"(?<!\\)<[a-z/!]", said)
        assert not re.search(r"(?<!\\)\]\((javascript|http)", said)
        assert not re.search(r"(?<!\\)`code", said)
        assert "\n# Title" not in said
        assert all(text not in link["url"] + link["label"] for link in card.get("links", []))


@pytest.mark.parametrize("text", ["a\u202eb", "a\u2066b", "a\x00b", "a\x1bb", "a\u200bb", "\ufeffa", "\ud800"])
def test_control_and_bidirectional_characters_do_not_reach_a_card(text: str) -> None:
    """T23."""
    wrong = observation(f"x{text}", concept(ITEM, "ice-score"), {"valueString": text})
    answer = post(sign(*ILL, wrong))
    if answer.status_code == 200:
        said = "".join(c["summary"] + c["detail"] for c in answer.json()["cards"])
        assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", said)
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_only_utf_8(encoding: str) -> None:
    """T23."""
    body = json.dumps(sign(hookInstance="é"), ensure_ascii=False).encode(encoding)
    assert post(body).status_code == 400


@pytest.mark.parametrize("kind", ["application/xml", "application/fhir+xml", "text/xml", "text/plain", "multipart/form-data", ""])
def test_xml_and_forms_are_not_read(kind: str) -> None:
    """T25: what a browser can send without a preflight, and what has entities."""
    bomb = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    assert service().post(SIGN, content=bomb, headers={"content-type": kind}).status_code == 415


ROUTES = {
    "GET /cds-services", "GET /healthz", "GET /readyz", "GET /metrics", "GET /fhir/metadata", "GET /fhir/{kind}", "GET /fhir/{kind}/{identity}",
    "POST /fhir/$evaluate-icans",
    *(f"POST /cds-services/icans-{hook}{end}" for hook in ("order-sign", "order-select", "patient-view") for end in ("", "/feedback")),
}  # fmt: skip


def test_the_routes_are_these_and_no_others(tmp_path: Path) -> None:
    """T26: a new route is a new line here, and public only if the door says so."""
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'r.db'}"))
    found = {
        f"{method} {route.path.rstrip('/')}"
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert len(app.routes) == sum(isinstance(route, Route) for route in app.routes)
    assert found == ROUTES
    for path in ("/docs", "/openapi.json", "/redoc", "/demo", "/admin", "/.env", "/cds-services/icans-order-sign/analytics/x"):
        assert service().get(path).status_code == 404
    assert set(PUBLIC) == {
        "/cds-services", "/healthz", "/readyz", "/metrics", "/fhir/metadata", "/fhir/CodeSystem", "/fhir/ValueSet", "/fhir/Questionnaire",
        "/demo",
    }  # fmt: skip


def test_templates_ask_for_what_was_reviewed() -> None:
    """T18: a change of what is asked for is a change of this list."""
    assert dict(templates()) == {
        "patient": "Patient/{{context.patientId}}",
        "administrations": "MedicationAdministration?patient={{context.patientId}}&_sort=-effective-time&_count=300",
        "procedures": "Procedure?patient={{context.patientId}}&_sort=-date&_count=200",
        "observations": "Observation?patient={{context.patientId}}&_sort=-date&_count=300",
        "conditions": "Condition?patient={{context.patientId}}&_sort=-recorded-date&_count=200",
        "medications": "MedicationRequest?patient={{context.patientId}}&_sort=-authoredon&_count=200",
        "allergies": "AllergyIntolerance?patient={{context.patientId}}&_count=100",
        "encounter": "Encounter/{{context.encounterId}}",
    }


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock", "tests/tools/sekmet.lock"])
def test_installs_are_pinned_with_hashes(lock: str) -> None:
    """T27."""
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    pinned = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert pinned
    assert all("==" in line and "--hash=sha256:" in line for line in pinned)
    assert "--require-hashes" in (ROOT / "Makefile").read_text("utf-8")


def test_no_secret_is_in_the_project() -> None:
    """T2, T27: no private key and no token in what is kept in git; the settings hold paths and URLs, never keys."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        content = (ROOT / name).read_bytes()
        assert not re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{40}", content), name
        assert not re.search(rb"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}", content), name
