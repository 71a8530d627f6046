"""Real CDS clients against the real service: @medplum/core, HealthChain's sandbox client, browsers with preflights."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from charts import NOW, ago, domain, hook, infusion, order, patient, score
from chromium import NODE, ROOT, launched, npm_packages
from smart_server import Ehr, running
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cds_hooks.app import create_app
from cds_hooks.services import PREFETCH
from cds_hooks.settings import Settings

CHART = [patient(50), infusion(ago(days=3)), score("ice-score", 2), domain("consciousness", "loc-alert")]
HEALTHCHAIN = ROOT / ".venvs" / "healthchain" / "bin" / "python"
CAPTURES = json.loads((ROOT / "tests" / "data" / "captures.json").read_text(encoding="utf-8"))


@dataclass
class Recorded:
    """The service, and every request line that reached it: a preflight cannot be seen from the page."""

    app: Starlette
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = dict(scope["headers"]).get(b"access-control-request-headers", b"").decode()
            self.calls.append((scope["method"], scope["path"], asked))
        await self.app(scope, receive, send)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Recorded]:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/c.db"), clock=lambda: NOW)
    one = Recorded(app)
    with running(one) as url:
        one.url = url
        yield one
    app.state.store.close()


def test_medplum_discovers_fills_the_prefetch_itself_and_signs(service: Recorded, valid: Any) -> None:
    npm_packages()
    ehr = Ehr([*CHART, {"resourceType": "Encounter", "id": "enc", "subject": {"reference": "Patient/p"}}])
    with running(ehr.app()) as base:
        ehr.base = base
        drafts = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order("114477", "draft")}]}
        context = {"userId": "Practitioner/u", "patientId": "p", "encounterId": "enc", "draftOrders": drafts}
        given = {
            "fhir": ehr.iss, "services": f"{service.url}/cds-services", "token": ehr.token(),
            "service": "icans-order-sign", "context": context,
        }  # fmt: skip
        ran = subprocess.run(["node", "medplum_client.cjs", json.dumps(given)], cwd=NODE, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert {one["hook"] for one in said["services"]} == {"order-sign", "order-select", "patient-view"}
    assert set(said["request"]["prefetch"]) == set(PREFETCH)
    assert said["request"]["prefetch"]["patient"]["id"] == "p"
    assert said["request"]["prefetch"]["observations"]["total"] == 2
    valid("response.strict", said["response"])
    assert any("at least grade 3" in card["summary"] for card in said["response"]["cards"])
    assert [path for _, path, _ in service.calls] == ["/cds-services", "/cds-services/icans-order-sign"]


def healthchain() -> Path:
    """Its interpreter, installed the first time."""
    if not HEALTHCHAIN.exists():
        subprocess.run(["make", "healthchain"], cwd=ROOT, check=True)
    return HEALTHCHAIN


def test_healthchain_sends_drafts_and_without_them_is_told_so(service: Recorded) -> None:
    asked = hook(*CHART)
    given = {
        "url": f"{service.url}/cds-services/icans-order-sign",
        "prefetch": asked["prefetch"],
        "context": asked["context"] | {"encounterId": "enc"},
    }
    ran = subprocess.run([healthchain(), ROOT / "tests/tools/healthchain_client.py"], input=json.dumps(given), capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stderr[-3000:]
    answers = {one["as"]: one["answers"] for one in (json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{"))}
    assert answers["as released"] == [{}], "refused with 400, which this client shows as an empty answer"
    cards = answers["with drafts"][0]["cards"]
    assert any("at least grade 3" in card["summary"] for card in cards)


def from_browsers() -> list[dict[str, Any]]:
    """The captured order-sign calls of the CDS Hooks sandbox, the prefetch ours."""
    found = []
    for capture in CAPTURES:
        if capture["name"].startswith(("sandbox", "final")):
            body = deepcopy(capture["body"])
            own = hook(patient(50, id=body["context"]["patientId"]))["prefetch"]
            found.append(body | {"prefetch": {**(body.get("prefetch") or {}), **own}})
    return found


@pytest.mark.browser
def test_a_browser_of_another_origin_passes_real_preflights(service: Recorded, valid: Any) -> None:
    bodies = from_browsers()
    assert len(bodies) >= 5
    blank = Starlette(routes=[Route("/", lambda _: HTMLResponse("<!doctype html><title>EHR</title>"))])
    with running(blank) as ehr, launched() as browser:
        page = browser.new_page()
        page.goto(ehr)
        ask = """async ([url, body]) => {
            const answer = await fetch(url, {
                method: body ? "POST" : "GET", body: body && JSON.stringify(body),
                headers: { Authorization: "Bearer x", ...(body && { "Content-Type": "application/json" }) },
            });
            return [answer.status, await answer.text(), answer.headers.get("x-request-id")];
        }"""
        status, text, _ = page.evaluate(ask, [f"{service.url}/cds-services", None])
        assert status == 200
        assert len(json.loads(text)["services"]) == 3
        for body in bodies:
            status, text, request_id = page.evaluate(ask, [f"{service.url}/cds-services/icans-order-sign", body])
            assert status == 200, text
            assert request_id, "readable across origins"
            valid("response.strict", json.loads(text))
        told = {"feedback": [{"card": "9b5b6f0c-6c3e-4a7d-9c39-7d1d9f0b7f11", "outcome": "overridden", "outcomeTimestamp": NOW.isoformat()}]}
        assert page.evaluate(ask, [f"{service.url}/cds-services/icans-order-sign/feedback", told])[0] == 200
    preflights = {path: asked for method, path, asked in service.calls if method == "OPTIONS"}
    assert preflights == {
        "/cds-services": "authorization",
        "/cds-services/icans-order-sign": "authorization,content-type",
        "/cds-services/icans-order-sign/feedback": "authorization,content-type",
    }


@pytest.mark.browser
def test_an_origin_that_is_not_listed_gets_nothing(tmp_path: Path) -> None:
    """The same call, refused by the browser at the preflight: the service is never asked for advice."""
    chosen = Settings(database_url=f"sqlite:///{tmp_path}/o.db", cors_origins=("https://ehr.example.org",))
    one = Recorded(create_app(chosen, clock=lambda: NOW))
    blank = Starlette(routes=[Route("/", lambda _: HTMLResponse("<!doctype html><title>EHR</title>"))])
    with running(one) as url, running(blank) as ehr, launched() as browser:
        page = browser.new_page()
        page.goto(ehr)
        ask = """(url) => fetch(url, { method: "POST", body: "{}", headers: { "Content-Type": "application/json" } })
            .then((answer) => answer.status, (error) => error.name)"""
        assert page.evaluate(ask, f"{url}/cds-services/icans-order-sign") == "TypeError"
    assert [method for method, _, _ in one.calls] == ["OPTIONS"]
    one.app.state.store.close()
