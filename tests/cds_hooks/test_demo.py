"""The demo page in headless Chromium, against the real service: sign, accept, override. Keeps screenshots."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import uvicorn
from chromium import ARTIFACTS, launched, watched
from playwright.sync_api import Browser, Page

from cds_hooks.app import create_app
from cds_hooks.settings import Settings
from cds_hooks.store import Store

pytestmark = pytest.mark.browser


@dataclass
class Demo:
    url: str
    store: Store


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The real service on a free port, demo on, its store in a temporary folder."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/demo.db", demo=True)
    store = Store(settings.database_url)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings, store=store), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    for _ in range(100):
        if server.started and requests.get(f"{url}/healthz", timeout=5).ok:
            break
        time.sleep(0.05)
    yield Demo(url, store)
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


def opened(browser: Browser, demo: Demo, name: str, width: int, complaints: list[str]) -> Page:
    page = watched(browser.new_page(viewport={"width": width, "height": 900}), complaints, demo.url)
    page.goto(f"{demo.url}/demo#{name}")
    page.locator("#sign:not([disabled])").wait_for(timeout=10_000)
    return page


def test_sign_accept_override(demo: Demo, browser: Browser) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    complaints: list[str] = []
    page = opened(browser, demo, "case-2-day-4-printed", 1280, complaints)
    page.click("#sign")
    page.locator("article.card.critical").wait_for()
    page.screenshot(path=ARTIFACTS / "demo-signed.png", full_page=True)
    assert page.locator("article.card.critical").count() == 1
    assert "grade 4 not excluded" in page.locator("article.card.critical h3").inner_text()
    assert "does not stop the pump" in page.locator("article.card.critical .prose").inner_text()

    steroid = page.locator("article.card", has_text="dexamethasone 10 mg IV every 6 h").last
    steroid.locator("button.suggestion", has_text="every 6 h").click()
    page.locator("#drafts li", has_text="dexamethasone 10 mg IV every 6 h").wait_for()
    page.locator(".outcome", has_text="Feedback recorded").first.wait_for()

    critical = page.locator("article.card.critical")
    critical.locator("button.override-open").click()
    critical.locator("select").select_option(label="Deficit has another cause")
    critical.locator("textarea").fill("Known epilepsy")
    critical.locator("button[type=submit]").click()
    critical.locator(".outcome", has_text="Feedback recorded").wait_for()
    page.screenshot(path=ARTIFACTS / "demo-answered.png", full_page=True)

    told = demo.store.feedback()
    assert sorted(item["outcome"] for item in told) == ["accepted", "overridden"]
    assert all(item["matched"] for item in told)

    page.click("#sign")
    page.locator("#stale").wait_for(state="hidden")
    page.locator("article.card").first.wait_for()
    offered = page.locator("button.suggestion").all_inner_texts()
    assert not any("Dexamethasone" in text for text in offered), "a drafted drug is not offered again"
    assert complaints == []


def test_tremor_alone_is_not_shown_as_grade_0_on_a_phone(demo: Demo, browser: Browser) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    complaints: list[str] = []
    page = opened(browser, demo, "case-2-november-2023", 390, complaints)
    page.click("#sign")
    page.locator("article.card").wait_for()
    page.screenshot(path=ARTIFACTS / "demo-phone.png", full_page=True)
    text = page.locator("#cards").inner_text()
    assert "not gradable" in text
    assert "rade 0" not in text
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
    assert complaints == []


def test_every_example_can_be_signed(demo: Demo, browser: Browser) -> None:
    complaints: list[str] = []
    for entry in requests.get(f"{demo.url}/demo/examples", timeout=10).json():
        page = opened(browser, demo, entry["name"], 1280, complaints)
        page.click("#sign")
        page.locator("article.card").first.wait_for()
        page.close()
    assert complaints == []
