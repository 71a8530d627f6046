"""What was not sent is read from the FHIR server, in time and in bounds; a bad server is said, never believed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import fhir_servers as bad
import pytest
import responses
from charts import NOW, ago, domain, hook, infusion, observation, order, patient, score
from fhir_servers import Server, chart, serving
from starlette.testclient import TestClient

from cds_hooks import fhir_client
from cds_hooks.app import create_app
from cds_hooks.services import PREFETCH
from cds_hooks.settings import Settings

EHR = "https://ehr.example.org/fhir"
URL = "/cds-services/icans-order-sign"
BUDGET = 0.5  # seconds
CHART = [patient(50), infusion(ago(days=3)), score("ice-score", 5), domain("consciousness", "loc-alert"), order("1597258")]
ALL = tuple(PREFETCH)
WITHOUT_ENCOUNTER = len(PREFETCH) - 1
EMPTY = bad.bundle([])


def service(folder: Path, *servers: str, **more: Any) -> TestClient:
    settings = Settings(database_url=f"sqlite:///{folder / 'f.db'}", fhir_servers=servers, **more)
    return TestClient(create_app(settings, clock=lambda: NOW))


def call(base: str | None, token: str | None = "abc", leave_out: tuple[str, ...] = ALL, **more: Any) -> dict[str, Any]:
    body = hook(*CHART, leave_out=leave_out) | more
    if base is not None:
        body["fhirServer"] = base
    if token is not None:
        body["fhirAuthorization"] = {
            "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "x",
        }  # fmt: skip
    return body


def said(answer: Any) -> str:
    return answer.json()["issue"][0]["diagnostics"]


def detail(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["cards"][0]["detail"]


def guidance(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(card["summary"], card["indicator"]) for card in answer.json()["cards"]]


@pytest.fixture(scope="module")
def good() -> Iterator[Server]:
    with serving(chart(CHART)) as server:
        yield server


def test_nothing_sent_all_read(tmp_path: Path, good: Server) -> None:
    """The cards are those of the same data prefetched."""
    client = service(tmp_path, good.base, fetch_ms=3000)
    fetched = client.post(URL, json=call(good.base))
    given = client.post(URL, json=hook(*CHART))
    assert guidance(fetched) == guidance(given) != []
    assert {part["label"] for c in fetched.json()["cards"] for part in c.get("suggestions", [])} == {
        part["label"] for c in given.json()["cards"] for part in c.get("suggestions", [])
    }
    assert set(good.tokens) == {"Bearer abc"}


def test_only_what_is_missing_is_read_and_only_the_elements_needed(tmp_path: Path) -> None:
    with serving(chart(CHART)) as server:
        client = service(tmp_path, server.base, fetch_ms=3000)
        assert client.post(URL, json=call(server.base, leave_out=("observations", "medications"))).status_code == 200
        asked = sorted(server.requests)
        assert len(asked) == 2
        assert asked[0].startswith("/fhir/MedicationRequest?patient=p&_sort=-authoredon&_count=200")
        assert "_elements" not in asked[0], "an order goes back whole in an update"
        assert asked[1].startswith("/fhir/Observation?patient=p&_sort=-date&_count=300&_elements=")
        assert {"code", "status", "subject", "valueInteger", "effectiveDateTime"} < set(asked[1].split("=")[-1].split(","))
        assert client.post(URL, json=call(server.base, leave_out=())).status_code == 200
        assert len(server.requests) == 2


def test_null_is_not_asked_again_and_an_error_is(tmp_path: Path, good: Server) -> None:
    client = service(tmp_path, good.base, fetch_ms=3000)
    body = call(good.base, leave_out=())
    error = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    body["prefetch"] |= {"observations": error, "conditions": None}
    before = len(good.requests)
    assert guidance(client.post(URL, json=body)) == guidance(client.post(URL, json=hook(*CHART)))
    assert len(good.requests) == before + 1


@pytest.mark.parametrize(
    ("servers", "base", "token", "says"),
    [
        ((), True, "abc", "not one that this service may read from"),
        ((EHR,), True, "abc", "not one that this service may read from"),
        ((True,), True, None, "no fhirServer with fhirAuthorization"),
        ((True,), True, "", "no fhirServer with fhirAuthorization"),
        ((True,), None, None, "no fhirServer with fhirAuthorization"),
        ((True,), True, "abc\r\nX-Evil: 1", "access token"),
        ((True,), True, "gehéim", "access token"),
        ((), None, None, "was not sent"),
    ],
)
def test_without_permission_nothing_is_asked(tmp_path: Path, servers: Any, base: Any, token: Any, says: str) -> None:
    with serving(chart(CHART)) as server:
        client = service(tmp_path, *(server.base if one is True else one for one in servers))
        answer = client.post(URL, json=call(server.base if base else None, token))
        assert (answer.status_code, server.connections) == (412, 0)
        assert says in said(answer)
        assert "patient was not sent" in said(answer)


FAULTS = {
    "slow": (bad.slow, "did not answer within 500 ms"),
    "drips": (bad.drips, "did not answer within 500 ms"),
    "drips its headers": (bad.drips_headers, "did not answer within 500 ms"),
    "401": (bad.status(401), "answered 401: it refuses the access token"),
    "403": (bad.status(403), "answered 403: the access token does not allow it"),
    "404": (bad.status(404), "answered 404"),
    "500": (bad.status(500), "answered 500"),
    "503": (bad.status(503), "answered 503"),
    "429 for long": (bad.status(429, retry_after="3600"), "answered 429"),
    "redirects": (bad.status(302, location="http://127.0.0.1:9/fhir"), "redirect"),
    "redirects at home": (bad.status(307, location="/fhir/Patient/p"), "redirect"),
    "a gigabyte": (bad.huge, "more than 8000000 bytes"),
    "a gigabyte, announced": (bad.huge_announced, "more than 8000000 bytes"),
    "gzip": (bad.says(b"\x1f\x8b", content_encoding="gzip"), "encoding"),
    "HTML": (bad.says(b"<html>Sign in</html>", content_type="text/html"), "no FHIR resource"),
    "nothing": (bad.says(b""), "no FHIR resource"),
    "no UTF-8": (bad.says(b'{"a": "\xff"}'), "not strict JSON"),
    "too deep": (bad.says(b'{"a":' + b"[" * 100 + b"]" * 100 + b"}"), "not strict JSON"),
    "an error as a 200": (bad.says({"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}), "OperationOutcome"),
    "another type": (bad.says({"resourceType": "Basic", "id": "p"}), "something else than"),
    "another patient": (bad.says({"resourceType": "Patient", "id": "someone-else"}), "another Patient than the one asked for"),
    "hangs up": (bad.hangs_up, "could not be reached"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_server_is_answered_in_time_with_the_right_words(tmp_path: Path, valid: Any, fault: str) -> None:
    handle, words = FAULTS[fault]
    with serving(handle) as server:
        client = service(tmp_path, server.base)
        client.get("/healthz")
        began = time.perf_counter()
        answer = client.post(URL, json=call(server.base))
        spent = time.perf_counter() - began
    assert answer.status_code == 412
    assert words in said(answer)
    valid("operation-outcome", answer.json())
    assert spent < BUDGET + 0.4
    assert "abc" not in answer.text
    assert "127.0.0.1" not in answer.text


def test_a_server_that_is_down(tmp_path: Path) -> None:
    base = bad.dead()
    assert "could not be reached" in said(service(tmp_path, base).post(URL, json=call(base)))


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    base = "https://no-such-host.invalid/fhir"
    answer = service(tmp_path, base).post(URL, json=call(base))
    assert answer.status_code == 412
    assert "could not be reached" in said(answer) or "within 500 ms" in said(answer)


def test_after_slow_servers_the_pool_is_free_again(tmp_path: Path, good: Server) -> None:
    with serving(bad.drips_headers) as server:
        client = service(tmp_path, server.base, good.base)
        for _ in range(3):
            assert client.post(URL, json=call(server.base)).status_code == 412
        time.sleep(0.2)
        assert client.post(URL, json=call(good.base)).status_code == 200


def test_what_the_budget_did_not_reach_is_on_the_card(tmp_path: Path) -> None:
    def handle(handler: Any) -> None:
        if "Condition" in handler.path:
            time.sleep(3)
        chart(CHART)(handler)

    with serving(handle) as server:
        client = service(tmp_path, server.base)
        began = time.perf_counter()
        answer = client.post(URL, json=call(server.base))
        assert time.perf_counter() - began < BUDGET + 0.4
    assert "Not provided by the EHR: conditions, encounter." in detail(answer)
    assert "conditions: the FHIR server did not answer within 500 ms" in detail(answer)


def test_records_of_another_patient_are_never_used(tmp_path: Path) -> None:
    """All of another: the key is not had. One of another among ours: that one is said, the grade is the same."""
    foreign = score("ice-score", 0) | {"id": "foreign", "subject": {"reference": "Patient/other"}}

    def all_foreign(handler: Any) -> None:
        if "Observation" in handler.path:
            return bad.answer(handler, bad.bundle([foreign]))
        return chart(CHART)(handler)

    def one_foreign(handler: Any) -> None:
        if "Observation" in handler.path:
            mine = [r for r in CHART if r["resourceType"] == "Observation"]
            return bad.answer(handler, bad.bundle([*mine, foreign]))
        return chart(CHART)(handler)

    with serving(all_foreign) as server:
        answer = service(tmp_path, server.base, fetch_ms=3000).post(URL, json=call(server.base))
        assert answer.status_code == 412
        assert "observations was not sent, and the FHIR server answered with records of another patient" in said(answer)
    with serving(one_foreign) as server:
        client = service(tmp_path, server.base, fetch_ms=3000)
        answer = client.post(URL, json=call(server.base))
        assert guidance(answer) == guidance(client.post(URL, json=hook(*CHART)))
        assert "Observation/foreign: is not this patient" in detail(answer)


def paged(pages: int, following: Any = None) -> Any:
    """Observations one a page, then the good one; `following` makes the next link."""

    def handle(handler: Any) -> None:
        if "Observation" not in handler.path:
            return chart(CHART)(handler)
        number = int(handler.path.partition("page=")[2] or 1)
        found = [observation(f"o{number}", {"text": "other"}, {"valueInteger": number})]
        if number == pages:
            found = [r for r in CHART if r["resourceType"] == "Observation"]
        link = f"{handler.server.base}/Observation?patient=p&page={number + 1}"
        links = [{"relation": "next", "url": following(link) if following else link}] if number < pages else []
        return bad.answer(handler, bad.bundle(found, link=links))

    return handle


def test_pages_are_followed(tmp_path: Path) -> None:
    with serving(paged(3)) as server:
        client = service(tmp_path, server.base, fetch_ms=3000)
        assert guidance(client.post(URL, json=call(server.base))) == guidance(client.post(URL, json=hook(*CHART)))
        assert len([p for p in server.requests if "Observation" in p]) == 3
        assert set(server.tokens) == {"Bearer abc"}


def test_a_server_that_pages_for_ever_is_left_at_the_limit(tmp_path: Path) -> None:
    with serving(paged(10**9)) as server:
        answer = service(tmp_path, server.base, fetch_ms=3000).post(URL, json=call(server.base))
        assert len([p for p in server.requests if "Observation" in p]) == fhir_client.PAGES
    assert "only the first page was given" in detail(answer)
    assert "observations" in detail(answer).partition("Not provided by the EHR: ")[2]


@pytest.mark.parametrize(
    "following",
    [
        lambda url: url.replace("127.0.0.1", "127.0.0.2"),
        lambda url: url.replace("127.0.0.1:", "127.0.0.1:1"),
        lambda url: url.replace("/fhir/", "/fhir/../admin/"),
        lambda url: url.replace("/fhir/", "/fhir/%2e%2e/admin/"),
        lambda url: url.replace("/fhir/", "/other/"),
        lambda url: url.replace("http://", "http://evil@"),
        lambda url: url.replace("http://", "https://"),
        lambda _: "//evil.example.org/fhir/Observation",
        lambda _: "file:///etc/passwd",
        lambda url: url.partition("&page")[0] + "&_sort=-date&_count=300",
        lambda _: 7,
    ],
)
def test_a_next_page_elsewhere_is_not_followed(tmp_path: Path, following: Any) -> None:
    with serving(paged(9, following)) as server:
        answer = service(tmp_path, server.base, fetch_ms=3000).post(URL, json=call(server.base))
        assert len([p for p in server.requests if "Observation" in p]) <= 2
        assert not any("admin" in p or "other" in p for p in server.requests)
    assert answer.status_code in (200, 412)
    if answer.status_code == 200:
        assert "only the first page was given" in detail(answer)


def test_a_second_page_that_fails_leaves_the_first_and_says_so(tmp_path: Path) -> None:
    def handle(handler: Any) -> None:
        return bad.status(500)(handler) if "page=2" in handler.path else paged(9)(handler)

    with serving(handle) as server:
        answer = service(tmp_path, server.base, fetch_ms=3000).post(URL, json=call(server.base))
    assert "only the first page was given" in detail(answer)


@pytest.mark.parametrize("given", ["..", ".", "p?x=1", "p&_include=*", "p,q", "p|q", "p#x", "p q", "é", "p\n", "a" * 300])
def test_an_id_that_could_change_the_query_is_not_asked_for(tmp_path: Path, good: Server, given: str) -> None:
    body = call(good.base)
    body["context"]["patientId"] = given
    before = good.connections
    assert service(tmp_path, good.base).post(URL, json=body).status_code == 412
    assert good.connections == before


def mocked(mock: responses.RequestsMock, **by_kind: Any) -> None:
    """Every search answers empty, the patient is there, but for the kinds given."""
    import re

    for kind, body in {"Patient": patient(50), **dict.fromkeys(("MedicationAdministration", "Procedure", "Observation", "Condition", "MedicationRequest", "AllergyIntolerance"), EMPTY)}.items():
        for given in by_kind.get(kind, [{"json": body}]):
            mock.add(responses.GET, re.compile(f"{re.escape(EHR)}/{kind}[/?].*"), **given)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as started:
        yield started


def asked(mock: responses.RequestsMock, kind: str) -> list[Any]:
    return [c for c in mock.calls if f"/{kind}?" in c.request.url or f"/{kind}/" in c.request.url]


@pytest.mark.parametrize("status", [429, 502, 503])
@pytest.mark.parametrize("after", [None, "0", "-1", "soon", format_datetime(datetime.now(UTC) - timedelta(hours=1))])
def test_busy_servers_are_asked_again(
    tmp_path: Path, mock: responses.RequestsMock, status: int, after: str | None
) -> None:
    headers = {} if after is None else {"retry-after": after}
    mocked(mock, Observation=[{"status": status, "headers": headers}, {"json": EMPTY}])
    answer = service(tmp_path, EHR, fetch_ms=5000).post(URL, json=call(EHR))
    assert answer.json() == {"cards": []}
    assert len(asked(mock, "Observation")) == 2


def test_a_wait_that_the_budget_does_not_hold_is_not_begun(tmp_path: Path, mock: responses.RequestsMock) -> None:
    mocked(mock, Observation=[{"status": 503, "headers": {"retry-after": "6"}}])
    began = time.perf_counter()
    answer = service(tmp_path, EHR, fetch_ms=5000).post(URL, json=call(EHR))
    assert "answered 503" in said(answer)
    assert time.perf_counter() - began < 2


def test_a_wait_is_kept(tmp_path: Path, mock: responses.RequestsMock) -> None:
    mocked(mock, Observation=[{"status": 503, "headers": {"retry-after": "1"}}, {"json": EMPTY}])
    began = time.perf_counter()
    assert service(tmp_path, EHR, fetch_ms=5000).post(URL, json=call(EHR)).status_code == 200
    assert time.perf_counter() - began >= 1


def test_three_times_and_no_more(tmp_path: Path, mock: responses.RequestsMock) -> None:
    mocked(mock, Observation=[{"status": 503}] * 3)
    answer = service(tmp_path, EHR, fetch_ms=5000).post(URL, json=call(EHR))
    assert "answered 503" in said(answer)
    assert len(asked(mock, "Observation")) == 3


def test_a_server_that_knows_no_elements_is_asked_for_all_of_them(tmp_path: Path, mock: responses.RequestsMock) -> None:
    mocked(mock, Observation=[{"status": 400}, {"json": EMPTY}])
    assert service(tmp_path, EHR, fetch_ms=5000).post(URL, json=call(EHR)).status_code == 200
    first, second = asked(mock, "Observation")
    assert "_elements" in first.request.url
    assert "_elements" not in second.request.url


def test_no_cookie_no_netrc_no_redirect(
    tmp_path: Path, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine ehr.example.org login evil password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    mocked(mock, Patient=[{"json": patient(50), "headers": {"set-cookie": "id=1; Path=/"}}] * 2)
    client = service(tmp_path, EHR, fetch_ms=5000)
    for _ in range(2):
        assert client.post(URL, json=call(EHR)).status_code == 200
    assert {c.request.headers["authorization"] for c in mock.calls} == {"Bearer abc"}
    assert not any("cookie" in c.request.headers for c in mock.calls)
    assert {c.request.headers["accept"] for c in mock.calls} == {"application/fhir+json"}


def test_an_order_read_in_part_is_never_sent_back(tmp_path: Path) -> None:
    """An update replaces the whole resource."""
    whole = [patient(50), infusion(ago(days=3)), score("ice-score", 0), order("1597258")]
    part = [*whole[:3], whole[3] | {"meta": {"tag": [{"code": "SUBSETTED"}]}}]
    client = service(tmp_path)

    def updates(chart: list[dict[str, Any]]) -> int:
        cards = client.post(URL, json=hook(*chart)).json()["cards"]
        actions = [a for c in cards for s in c.get("suggestions", []) for a in s["actions"]]
        return sum(action["type"] == "update" for action in actions)

    assert (updates(whole), updates(part)) == (1, 0)


def test_the_token_is_in_no_log_no_record_and_no_repr(
    tmp_path: Path, good: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    from cds_hooks import hook_request

    marked = "canary-token-5f2c"
    body = call(good.base, marked)
    answer = service(tmp_path, good.base).post(URL, json=body)
    assert "401" in said(answer)
    shown = repr(hook_request.parse(json.dumps(body).encode(), "order-sign"))
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert marked not in answer.text + capsys.readouterr().err + shown
    assert marked.encode() not in stored


DISGUISES = [
    "http://127.0.0.1:{port}/fhir",
    "http://localhost:{port}/fhir",
    "http://LOCALHOST:{port}/fhir",
    "http://[::1]:{port}/fhir",
    "http://[::ffff:127.0.0.1]:{port}/fhir",
    "http://0.0.0.0:{port}/fhir",
    "http://0:{port}/fhir",
    "http://127.1:{port}/fhir",
    "http://2130706433:{port}/fhir",
    "http://0x7f000001:{port}/fhir",
    "http://0177.0.0.1:{port}/fhir",
    "http://127.0.0.1.:{port}/fhir",
    "http://127.0.0.1:{port}/fhir#https://ehr.example.org/fhir",
    "http://ehr.example.org@127.0.0.1:{port}/fhir",
    "https://ehr.example.org/fhir@127.0.0.1:{port}/",
    "https://ehr.example.org/fhir/../../../127.0.0.1:{port}",
    "https://127.0.0.1:{port}/fhir",
    "//127.0.0.1:{port}/fhir",
    "http:\\\\127.0.0.1:{port}\\fhir",
    "HTTP://127.0.0.1:{port}/fhir ",
    "http://127。0。0。1:{port}/fhir",
    "http://127.0.0.1:{port}/fhir?https://ehr.example.org/fhir",
    "gopher://127.0.0.1:{port}/fhir",
    "ftp://127.0.0.1:{port}/fhir",
    "https://ehr.example.org/fhir\r\nHost: 127.0.0.1:{port}",
    "https://ehr.example.org/fhirx",
    "https://ehr.example.org./fhir",
    "https://EHR.example.org/fhir",
]


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("servers", [(), (EHR,)])
def test_a_canary_in_disguise_gets_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disguise: str, servers: tuple[str, ...]
) -> None:
    import socket

    opened: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda *given, **_: opened.append(given))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: opened.append(given))
    monkeypatch.setattr(socket.socket, "connect", lambda *given: opened.append(given))
    body = call(disguise.format(port=9))
    assert service(tmp_path, *servers).post(URL, json=body).status_code == 412
    assert opened == []
