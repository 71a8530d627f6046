"""The demo on a real FHIR server, as `make demo` starts it: everything is fetched, what is accepted is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from chromium import ARTIFACTS, launched, violations, watched
from playwright.sync_api import Page
from served import free_port

from cds_hooks.demo import ward

ROOT = Path(__file__).parents[2]
CASE = "case-2-day-4-printed"
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`make demo` on a port of its own."""
    log = tmp_path_factory.mktemp("demo") / "log"
    port = free_port()
    with log.open("wb") as said:
        running = subprocess.Popen(
            ["make", "demo", f"PYTHON={sys.executable}"],
            cwd=ROOT, env=os.environ | {"PORT": str(port)}, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while f"demo page http://127.0.0.1:{port}/demo" not in log.read_text():
            assert running.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.2)
        requests.get(f"http://127.0.0.1:{port}/readyz", timeout=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(60)


def server(url: str) -> tuple[str, dict[str, str], str]:
    """Base, headers and patient of the example on the FHIR server."""
    asked = requests.get(f"{url}/demo/examples/{CASE}", timeout=20).json()
    assert "prefetch" not in asked
    token = asked["fhirAuthorization"]["access_token"]
    return asked["fhirServer"], {"authorization": f"Bearer {token}"}, asked["context"]["patientId"]


def orders(url: str) -> list[dict[str, Any]]:
    base, headers, patient = server(url)
    found = requests.get(f"{base}/MedicationRequest?patient={patient}&_count=100", headers=headers, timeout=20).json()
    return [entry["resource"] for entry in found.get("entry", [])]


def press(page: Page, button: str) -> None:
    page.click(button)
    page.locator("#sign:not([disabled])").wait_for()


def test_sign_accept_and_the_server_is_changed_and_the_next_sign_sees_it(url: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    complaints: list[str] = []
    base, _, _ = server(url)
    before = orders(url)
    with launched() as browser:
        page = watched(browser.new_page(viewport={"width": 1280, "height": 900}), complaints, url, base)
        page.goto(f"{url}/demo#{CASE}")
        page.locator("#sign:not([disabled])").wait_for(timeout=20_000)
        assert base in page.locator("#server").inner_text()
        press(page, "#sign")
        page.locator("article.card.critical").wait_for()
        assert "grade 4 not excluded" in page.locator("article.card.critical h3").inner_text()
        steroid = page.locator("article.card", has_text="dexamethasone 10 mg IV every 6 h").last
        steroid.locator("button.suggestion", has_text="every 6 h").click()
        page.locator(".outcome", has_text="It is on the FHIR server. Feedback recorded").wait_for()
        page.screenshot(path=ARTIFACTS / "demo-live-accepted.png", full_page=True)
        after = orders(url)
        assert len(after) == len(before) + 1
        placed = next(one for one in after if one["id"] not in {old["id"] for old in before})
        assert "examethasone" in str(placed["medicationCodeableConcept"])
        press(page, "#sign")
        page.locator("article.card").first.wait_for()
        offered = page.locator("button.suggestion").all_inner_texts()
        assert not any("Dexamethasone" in text for text in offered), offered
        press(page, "#select")
        page.locator("article.card").first.wait_for()
        press(page, "#view")
        page.locator("article.card", has_text="ICANS").first.wait_for()
        assert violations(page) == []
        called = page.locator("#exchanges code").all_inner_texts()
        assert {f"POST /cds-services/icans-{hook}" for hook in ("order-sign", "order-select", "patient-view")} <= set(called)
        assert any(line.startswith(f"POST {base}/MedicationRequest") for line in called)
    assert complaints == []


def test_the_next_sign_sees_the_order_from_the_server_alone(url: str) -> None:
    """Without the draft in the call: it was fetched."""
    base, headers, _ = server(url)
    asked = requests.get(f"{url}/demo/examples/{CASE}", timeout=20).json()

    def offered() -> list[str]:
        answer = requests.post(f"{url}/cds-services/icans-order-sign", json=asked, timeout=20)
        assert answer.status_code == 200, answer.text
        return [s["label"] for card in answer.json()["cards"] for s in card.get("suggestions", [])]

    for one in orders(url):  # what another test placed
        if one["status"] == "draft":
            requests.delete(f"{base}/MedicationRequest/{one['id']}", headers=headers, timeout=20)
    assert any("Levetiracetam" in label for label in offered())
    patient = {"reference": f"Patient/{asked['context']['patientId']}"}
    coding = [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "114477"}]
    order = {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": patient,
        "medicationCodeableConcept": {"coding": coding, "text": "levetiracetam"},
    }  # fmt: skip
    placed = requests.post(f"{base}/MedicationRequest", json=order, headers=headers, timeout=20)
    assert placed.status_code == 201, placed.text
    assert not any("Levetiracetam" in label for label in offered())


def test_the_ward_names_each_record_apart() -> None:
    charts = {name: ward.chart(name) for name in (CASE, "case-2-day-4-authors")}
    places = {name: {e["request"]["url"] for e in chart["entry"]} for name, chart in charts.items()}
    assert not places[CASE] & places["case-2-day-4-authors"]
    for chart in charts.values():
        patients = [e["resource"]["id"] for e in chart["entry"] if e["resource"]["resourceType"] == "Patient"]
        subjects = {
            e["resource"][key]["reference"] for e in chart["entry"] for key in ("subject", "patient") if key in e["resource"]
        }
        assert subjects == {f"Patient/{patients[0]}"}
