"""Form and episode in headless Chromium: launched, filled by keyboard alone, saved, seen. Keeps screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest
from chromium import ARTIFACTS, launched, violations, watched
from playwright.sync_api import Browser, Page, Response, expect
from smart_server import LAUNCH

pytestmark = pytest.mark.browser
PAINT = """new Promise((told) => new PerformanceObserver((list) => {
    for (const one of list.getEntriesByName("first-contentful-paint")) told(one.startTime);
}).observe({ type: "paint", buffered: true }))"""
PHONE, WARD = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


def opened(browser: Browser, one: Any, complaints: list[str], viewport: Any = WARD) -> Page:
    """The form, after a whole launch in the browser."""
    page = watched(browser.new_context(viewport=viewport).new_page(), complaints, one.url, one.ehr.base)
    page.goto(f"{one.url}/smart/launch?iss={one.ehr.iss}&launch={LAUNCH}")
    page.locator("#bedside").wait_for()
    return page


def seen(page: Page, name: str) -> None:
    """A screenshot; no sideways scrolling; nothing for axe-core to say."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"smart-{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
    assert violations(page) == []


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_by_keyboard_alone_from_the_first_item_to_the_episode(start: Any, browser: Browser) -> None:
    one, complaints = start(), list[str]()
    page = opened(browser, one, complaints)
    seen(page, "form")
    expect(page.locator("#score")).to_have_text("ICE: not assessed")
    page.locator("#bedside input[type=radio]:checked").first.focus()
    for _ in range(2):  # year and month: right
        press(page, "ArrowRight", "Tab")
    for _ in range(8):  # the others: not right
        press(page, "ArrowLeft", "Tab")
    expect(page.locator("#score")).to_have_text("ICE: 2 of 10")
    press(page, "Tab", "ArrowDown")  # past "unable", consciousness: alert
    assert page.locator("input[name=consciousness]:checked").get_attribute("value") == "loc-alert"
    for _ in range(30):
        press(page, "Tab")
        if page.evaluate("document.activeElement.type") == "submit":
            break
    press(page, "Enter")
    page.locator(".notice.good").wait_for()
    assert "at least grade 3" in page.locator("h1").inner_text()
    seen(page, "episode")
    assert [r["resourceType"] for r in one.ehr.created] == ["Observation", "Observation", "QuestionnaireResponse"]
    assert complaints == []


def test_on_a_phone_the_score_is_live_and_what_is_missing_is_a_range(start: Any, browser: Browser) -> None:
    one, complaints = start(), list[str]()
    page = opened(browser, one, complaints, PHONE)
    page.get_by_role("group", name="Year").get_by_text("Not right", exact=True).click()
    expect(page.locator("#score")).to_have_text("ICE: 0 to 9, 9 not assessed")
    page.get_by_role("group", name="Month").get_by_text("Right", exact=True).click()
    expect(page.locator("#score")).to_have_text("ICE: 1 to 9, 8 not assessed")
    small = page.evaluate(
        "[...document.querySelectorAll('.options label, #bedside button, select, #because-words')]"
        ".map((one) => one.getBoundingClientRect()).filter((box) => box.height < 44 || box.width < 44).length"
    )
    assert small == 0, "thumb-sized"
    seen(page, "form-phone")
    page.get_by_role("button", name="Save").click()
    page.locator(".notice.good").wait_for()
    seen(page, "episode-phone")
    assert complaints == []


def test_a_wrong_form_says_so_and_keeps_the_answers(start: Any, browser: Browser) -> None:
    one, complaints = start(), list[str]()
    page = opened(browser, one, complaints)
    page.get_by_role("group", name="Writes a standard sentence").get_by_text("Right", exact=True).click()
    page.get_by_text("Unarousable and unable to perform ICE").click()
    page.get_by_role("button", name="Save").click()
    page.locator("#wrong").wait_for()
    expect(page.locator("#wrong")).to_be_focused()  # by the script, which comes after the page
    assert page.locator("input[name=writing]:checked").get_attribute("value") == "yes"
    seen(page, "form-wrong")
    assert [c for c in complaints if "422" not in c] == []


@pytest.mark.parametrize("place", ["child", "file", "choose", "problem"])
def test_the_other_pages_pass_the_accessibility_check(start: Any, browser: Browser, place: str) -> None:
    changes: dict[str, Any] = {"grant": "launch patient/*.rs"} if place == "file" else {}
    if place == "child":
        changes = {"records": [{"resourceType": "Patient", "id": "p", "birthDate": "2018-01-01"}]}
    one, complaints = start(changes), list[str]()
    if place in ("child", "file"):
        page = opened(browser, one, complaints, PHONE)
        if place == "file":
            page.get_by_role("group", name="Month").get_by_text("Right", exact=True).click()
            page.get_by_role("button", name="Save").click()
            page.locator(".notice.wrong").wait_for()
    else:
        page = watched(browser.new_context(viewport=PHONE).new_page(), complaints, one.url)
        page.goto(f"{one.url}/smart" if place == "choose" else f"{one.url}/smart/launch?iss=https://no.example.org")
        page.locator("h1").wait_for()
    seen(page, place)
    assert [c for c in complaints if "403" not in c] == []


def test_first_paint_under_a_second_and_the_page_under_150_kb(start: Any, browser: Browser) -> None:
    one, complaints = start(), list[str]()
    page = opened(browser, one, complaints)  # warm
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.reload(wait_until="networkidle")
    weight = [len(answer.body()) for answer in answers]
    assert len(weight) >= 3, "page, style, script"
    assert sum(weight) < 150_000, f"{sum(weight)} bytes"
    paints: list[float] = []
    for _ in range(5):
        page.reload()
        paints.append(page.evaluate(PAINT))  # waits: the paint may come after the load event
    assert 0 < median(paints) < 1000, f"{paints} ms"
    print(f"first contentful paint {median(paints):.0f} ms, median of {len(paints)}; {sum(weight)} bytes")
    assert complaints == []
