"""Statuses, headers and bodies: what a client of the service sees, whatever the decision is."""

from __future__ import annotations

import json
from concurrent.futures import Future
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from cds_hooks import app as app_module
from cds_hooks import recording
from cds_hooks.app import create_app
from cds_hooks.refusal import Refusal
from cds_hooks.services import PREFETCH, REQUIRED, SERVICES
from cds_hooks.settings import Settings
from cds_hooks.store import StoreUnavailable

URL = "/cds-services/icans-order-sign"
ORIGIN = {"origin": "https://ehr.example.org"}
FEEDBACK = {"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:25:04Z"}


def raising(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def failed(error: Exception) -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(error)
    return future


def test_a_call_is_answered_recorded_and_joined_with_feedback(service: Any, valid: Any) -> None:
    answer = service.post(service.order_sign(), **ORIGIN)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    valid("response.strict", answer.json())
    card = answer.json()["cards"][0]["uuid"]
    heard = service.post({"feedback": [FEEDBACK | {"card": card}, FEEDBACK]}, f"{URL}/feedback")
    assert (heard.status_code, heard.content) == (200, b"")
    rows = {row["card"]: row for row in service.store.feedback()}
    assert rows["x"]["matched"] is False
    kept = service.store.decision(rows[card]["decision_id"])
    assert kept["hook_instance"] == service.order_sign()["hookInstance"]
    assert kept["cards"][0]["row"] == "steroid-grade-2"


def test_the_same_call_twice_has_two_decisions(service: Any) -> None:
    first, second = (service.post(service.order_sign()).json()["cards"][0] for _ in range(2))
    assert first["uuid"] != second["uuid"]
    assert first["summary"] == second["summary"]


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/"])
def test_discovery(service: Any, valid: Any, path: str) -> None:
    answer = service.client.get(path, headers=ORIGIN)
    assert answer.status_code == 200
    valid("discovery.strict", answer.json())
    assert answer.json()["services"][0]["id"] == "icans-order-sign"
    assert answer.json()["services"][0]["version"] == "2.0.1"
    again = service.client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert service.client.head(path).status_code == 200


@pytest.mark.parametrize("template", PREFETCH.values(), ids=PREFETCH.keys())
def test_templates_are_portable(template: str) -> None:
    tokens = [part.partition("}}")[0] for part in template.split("{{")[1:]]
    assert set(tokens) <= {"context.patientId", "context.encounterId"}
    _, _, query = template.partition("?")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    assert len(names) == len(set(names))
    assert not query or "_count" in names
    assert "(" not in template


def test_required_data_is_asked_for() -> None:
    assert set(REQUIRED) <= set(PREFETCH)
    assert len({service.id for service in SERVICES}) == len(SERVICES)


def test_health(service: Any) -> None:
    assert service.client.get("/healthz").json() == {"status": "ok"}


def test_ready_is_warm_and_can_write(service: Any, valid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = service.client.get("/readyz")
    assert cold.status_code == 503
    valid("operation-outcome", cold.json())
    with service.client:  # the start of a server
        assert service.client.get("/readyz").json() == {"status": "ready"}
        monkeypatch.setattr(service.store, "probe", lambda: failed(StoreUnavailable("the disk is full")))
        assert service.client.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("POST", URL, {}, b"{", 400),
        ("POST", URL, {}, b'{"hook": "patient-view"}', 400),
        ("POST", f"{URL}/feedback", {}, b'{"feedback": []}', 400),
        ("POST", "/cds-services/unknown", {}, b"{}", 404),
        ("POST", "/cds-services/unknown/feedback", {}, b"{}", 404),
        ("GET", "/", {}, None, 404),
        ("GET", URL, {}, None, 405),
        ("PUT", URL, {}, b"{}", 405),
        ("GET", f"{URL}/feedback", {}, None, 405),
        ("POST", "/cds-services", {}, b"{}", 405),
        ("POST", URL, {}, b" " * 20_001, 413),
        ("POST", f"{URL}/feedback", {}, b" " * 20_001, 413),
        ("POST", URL, {"content-type": "text/plain"}, b"{}", 415),
        ("POST", URL, {"content-type": "application/x-www-form-urlencoded"}, b"{}", 415),
        ("POST", URL, {"content-type": ""}, b"{}", 415),
        ("POST", URL, {"content-encoding": "gzip"}, b"{}", 415),
        ("POST", f"{URL}/feedback", {"content-type": "text/xml"}, b"{}", 415),
    ],
)
def test_what_is_no_success_is_an_operation_outcome(
    service: Any, valid: Any, method: str, path: str, headers: dict[str, str], body: bytes | None, status: int
) -> None:
    sent = {"content-type": "application/json"} | ORIGIN | headers
    answer = service.client.request(method, path, headers=sent, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert UUID(answer.headers["x-request-id"])
    valid("operation-outcome", answer.json())
    if status == 405:
        assert "OPTIONS" in answer.headers["allow"]
    assert service.store.feedback() == []


def test_missing_data_is_412(service: Any, valid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        app_module, "gather", raising(Refusal(412, "incomplete", "patient is missing", "prefetch"))
    )
    answer = service.post(service.order_sign(), **ORIGIN)
    assert answer.status_code == 412
    assert answer.headers["access-control-allow-origin"] == "*"
    valid("operation-outcome", answer.json())


@pytest.mark.parametrize("part", ["gather", "decide"])
def test_a_bug_is_a_500_without_detail(
    service: Any, valid: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    monkeypatch.setattr(app_module, part, raising(ValueError("Ada Testcase")))
    answer = service.post(service.order_sign(), **ORIGIN)
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == "*"
    valid("operation-outcome", answer.json())
    logged = capsys.readouterr().err
    assert "Ada" not in answer.text + logged
    assert answer.headers["x-request-id"] in answer.text
    crash, request = (json.loads(line) for line in logged.splitlines())
    assert crash["error"] == "ValueError"
    assert crash["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert request["status"] == 500


def test_what_is_not_recorded_is_not_sent(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.store, "append", lambda *_, **__: failed(OSError("disk full")))
    assert service.post(service.order_sign()).status_code == 500


def test_a_store_that_does_not_take_it_is_said(service: Any, valid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.store, "append", lambda *_, **__: failed(StoreUnavailable("the disk is full")))
    monkeypatch.setattr(service.store, "add_feedback", lambda *_: failed(StoreUnavailable("the disk is full")))
    for answer in (service.post(service.order_sign()), service.post({"feedback": [FEEDBACK]}, f"{URL}/feedback")):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        valid("operation-outcome", answer.json())
        assert "Nothing was recorded and no advice is given: the disk is full." in answer.text


def test_a_store_that_does_not_answer_is_not_waited_for(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    never: Future[None] = Future()
    monkeypatch.setattr(recording, "WAIT", 0.05)
    monkeypatch.setattr(service.store, "append", lambda *_, **__: never)
    assert "does not answer in time" in service.post(service.order_sign()).text
    assert never.cancelled()


def test_a_card_that_cannot_be_written_is_not_recorded(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[Any] = []
    monkeypatch.setattr(service.store, "append", lambda *given, **_: recorded.append(given))
    good = app_module.decide

    def bad(*given: Any, **named: Any) -> Any:
        decision = good(*given, **named)
        decision.cards[0]["detail"] = object()
        return decision

    monkeypatch.setattr(app_module, "decide", bad)
    assert service.post(service.order_sign()).status_code == 500
    assert recorded == []


def test_a_streamed_body_is_cut_off(service: Any) -> None:
    pulled = 0

    def endless() -> Any:
        nonlocal pulled
        while pulled < 10_000:
            pulled += 1
            yield b" " * 1000

    answer = service.client.post(URL, content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/fhir+json", "Application/JSON"]
)
def test_json_by_any_name_is_taken(service: Any, content_type: str) -> None:
    headers = {
        "content-type": content_type,
        "accept": "application/fhir+json, */*; q=0.1",
        "content-encoding": "identity",
    }
    answer = service.client.post(URL, content=json.dumps(service.order_sign()), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "method"), [("/cds-services", "GET"), (URL, "POST"), (f"{URL}/feedback", "POST")]
)
def test_preflights_name_the_headers(service: Any, path: str, method: str) -> None:
    asked = {
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type",
    }
    answer = service.client.options(path, headers=ORIGIN | asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "accept"} <= allowed
    assert {"GET", "POST", "OPTIONS"} == set(answer.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers


def test_a_refused_preflight_says_why(service: Any, valid: Any) -> None:
    asked = {"access-control-request-method": "DELETE"}
    answer = service.client.options(URL, headers=ORIGIN | asked)
    assert answer.status_code == 400
    valid("operation-outcome", answer.json())


def test_options_without_cors(service: Any) -> None:
    answer = service.client.options(URL)
    assert (answer.status_code, answer.headers["allow"]) == (204, "OPTIONS, POST")


def test_the_log_line_holds_ids_and_no_content(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    answer = service.post(service.order_sign())
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["request_id"] == answer.headers["x-request-id"]
    assert (told["service"], told["status"], told["cards"]) == ("icans-order-sign", 200, 1)
    assert (told["at_least"], told["at_most"]) == (2, 4)
    assert service.store.decision(told["decision"])
    assert told["ms"] >= 0
    assert "icans-1" not in line


def test_a_refusal_is_logged_by_place(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    service.post('{"Ada Testcase": 1, "Ada Testcase": 2}')
    service.post(service.order_sign(hook=None))
    first, second = capsys.readouterr().err.splitlines()
    assert "Ada" not in first
    assert json.loads(second)["refused"] == "hook"


def test_the_demo_is_off_unless_asked_for(service: Any) -> None:
    assert service.client.get("/demo").status_code == 404


def test_a_real_start_reads_the_knowledge(tmp_path: Any) -> None:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'real.db'}"))
    client = TestClient(app)
    assert client.get("/healthz").status_code == 200
    assert client.post(URL, json={"hook": "order-sign", "hookInstance": str(uuid4())}).status_code == 400
