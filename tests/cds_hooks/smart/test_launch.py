"""The launch with PKCE against an authorization server; the form saved, and what order-sign then says."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from charts import NOW
from clients import clients_file
from fhir.resources.R4B.bundle import Bundle
from smart_server import SECRET

ALL_RIGHT = dict.fromkeys(("orientation-year", "orientation-month", "orientation-city", "orientation-hospital", "naming-1", "naming-2", "naming-3", "following-commands", "writing", "attention"), "yes")  # fmt: skip
ICE_2 = ALL_RIGHT | dict.fromkeys(list(ALL_RIGHT)[2:], "no")


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form."""
    form = page[page.index('id="bedside"') :]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))


def save(browser: requests.Session, form: requests.Response, answers: dict[str, str], **more: Any) -> requests.Response:
    return browser.post(form.url, data=hidden(form.text) | answers, timeout=20, **more)


def test_ehr_launch_form_saved_and_the_next_sign_grades_it(start: Any) -> None:
    one = start()
    before = one.order_sign()
    browser = one.browser()
    form = one.launch(browser)
    assert form.status_code == 200, form.text
    assert re.fullmatch(rf"{one.url}/smart/v/[\w-]+/form", form.url)
    assert "Ada Ward" in form.text
    asked = one.ehr.authorized[0]
    assert {"launch", "patient/Observation.crs", "patient/Patient.rs"} <= set(asked["scope"].split())
    assert not {"openid", "fhirUser", "offline_access"} & set(asked["scope"].split())

    after = save(browser, form, ICE_2 | {"consciousness": "loc-alert"})
    assert "/episode?saved=" in after.url
    assert "3 records were written" in after.text
    assert "at least grade 3" in after.text
    kinds = [r["resourceType"] for r in one.ehr.created]
    assert kinds == ["Observation", "Observation", "QuestionnaireResponse"]
    assert one.ehr.created[0]["valueInteger"] == 2
    signed = one.order_sign()
    assert not any("grade 3" in card["summary"] for card in before)
    assert any("at least grade 3" in card["summary"] for card in signed)


def test_standalone_launch_from_the_list(start: Any) -> None:
    one = start()
    browser = one.browser()
    listed = browser.get(f"{one.url}/smart", timeout=20)
    link = re.search(r'href="(/smart/launch\?iss=[^"]+)"', listed.text)
    assert link is not None
    form = browser.get(f"{one.url}{link[1]}", timeout=20)
    assert form.url.endswith("/form")
    assert "launch/patient" in one.ehr.authorized[0]["scope"].split()


def test_a_confidential_client_shows_its_secret_to_the_token_endpoint_alone(start: Any) -> None:
    one = start({"confidential": True})
    browser = one.browser()
    form = one.launch(browser)
    assert form.status_code == 200
    assert SECRET not in form.text
    assert "client_secret" not in one.ehr.authorized[0]


def test_no_token_reaches_url_page_cookie_or_log(start: Any, capfd: pytest.CaptureFixture[str]) -> None:
    one = start()
    browser = one.browser()
    form = one.launch(browser)
    after = save(browser, form, ICE_2)
    pages = [r for answer in (form, after) for r in (*answer.history, answer)]
    shown = " ".join(f"{r.url} {r.text} {dict(r.headers)}" for r in pages if r.url.startswith(one.url))
    said = capfd.readouterr()
    for secret in (*one.ehr.tokens, *one.ehr.refresh):
        assert secret not in shown + said.out + said.err
    assert "code=" not in form.url
    cookie = next(r.headers["set-cookie"] for r in form.history if "set-cookie" in r.headers)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_a_token_near_its_end_is_renewed(start: Any) -> None:
    one = start({"expires_in": 30})
    browser = one.browser()
    form = one.launch(browser)
    assert form.status_code == 200
    assert one.ehr.refreshed == 1
    assert save(browser, form, ICE_2).status_code == 200
    assert one.ehr.refreshed > 1
    one.ehr.refresh.clear()
    ended = browser.get(form.url, timeout=20)
    assert ended.status_code == 401
    assert "login has ended" in ended.text


@pytest.mark.parametrize("iss", ["https://evil.example.org/fhir", "", "http://127.0.0.1:1/fhir"])
def test_a_server_that_is_not_listed_is_asked_nothing(start: Any, iss: str) -> None:
    one = start()
    answer = requests.get(f"{one.url}/smart/launch", params={"iss": iss, "launch": "x"}, timeout=20, allow_redirects=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_server_without_s256_is_refused(start: Any) -> None:
    answer = (one := start({"methods": ["plain"]})).launch(one.browser())
    assert answer.status_code == 502
    assert "S256" in answer.text


def test_a_code_is_taken_once_by_the_browser_that_began(start: Any) -> None:
    one = start()
    browser = one.browser()
    first = browser.get(f"{one.url}/smart/launch", params={"iss": one.ehr.iss, "launch": "launch-handle-1"}, allow_redirects=False, timeout=20)
    back = browser.get(first.headers["location"], allow_redirects=False, timeout=20).headers["location"]
    assert requests.get(back, timeout=20).status_code == 400, "another browser"
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert browser.get(back.replace(state, state[::-1]), timeout=20).status_code == 400, "another state"
    form = browser.get(back, timeout=20)
    assert form.status_code == 200
    assert browser.get(back, timeout=20).status_code == 400, "a second time"
    assert requests.get(form.url, timeout=20).status_code == 401, "the page in another browser"


def test_two_patients_in_two_tabs_stay_apart(start: Any) -> None:
    one = start()
    browser = one.browser()
    first = one.launch(browser)
    one.ehr.records.append({"resourceType": "Patient", "id": "q", "birthDate": "1970-01-01"})
    one.ehr.patient = "q"
    second = one.launch(browser)
    assert first.url != second.url
    save(browser, first, ICE_2)
    assert {r["subject"]["reference"] for r in one.ehr.created} == {"Patient/p"}


def test_a_form_not_from_our_page_is_refused(start: Any) -> None:
    one = start()
    browser = one.browser()
    form = one.launch(browser)
    assert browser.post(form.url, data=hidden(form.text) | ICE_2 | {"csrf": "guessed"}, timeout=20).status_code == 403
    foreign = browser.post(form.url, data=hidden(form.text) | ICE_2, headers={"origin": "https://evil.example.org"}, timeout=20)
    assert foreign.status_code == 403
    assert one.ehr.created == []


def test_sent_twice_written_once(start: Any) -> None:
    one = start()
    browser = one.browser()
    form = one.launch(browser)
    save(browser, form, ICE_2)
    again = save(browser, form, ICE_2)
    assert "2 records were written" in again.text
    assert len(one.ehr.created) == 2


def test_without_write_the_form_is_a_file_and_the_chart_is_as_it_was(start: Any) -> None:
    one = start({"grant": "launch patient/*.rs"})
    browser = one.browser()
    form = one.launch(browser)
    assert "handed back as a file" in form.text
    after = save(browser, form, ICE_2)
    assert "Not in the chart" in after.text
    assert one.ehr.created == []
    link = re.search(r'href="(/smart/v/[^"]+/file/[^"]+)"', after.text)
    assert link is not None
    given = browser.get(f"{one.url}{link[1]}", timeout=20)
    assert "attachment" in given.headers["content-disposition"]
    bundle = Bundle.model_validate_json(given.content)
    assert [e.resource.get_resource_type() for e in bundle.entry] == ["Observation", "QuestionnaireResponse"]


def test_what_the_server_did_not_take_is_named(start: Any) -> None:
    one = start({"refuses": ("seizure",)})
    browser = one.browser()
    after = save(browser, one.launch(browser), ICE_2 | {"seizure": "seizure-prolonged"})
    assert "Not all was written" in after.text
    assert "Seizure, ASTCT: the server answered 422 (seizure is not taken here)" in after.text
    assert len(one.ehr.created) == 2


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "Nothing was answered"),
        (ALL_RIGHT | {"ice-unable": "ice-unable-unarousable"}, "only one of the two"),
        ({"ice-unable": "ice-unable-unarousable", "consciousness": "loc-alert"}, "only one can be"),
        ({"seizure": "no-such-code"}, "not one the form offers"),
        (ALL_RIGHT | {"ago": "7"}, "time of the examination"),
        ({"because": "made up"}, "reason is not one"),
    ],
)
def test_a_form_that_cannot_be_meant_is_asked_again_with_its_answers(start: Any, answers: dict[str, str], said: str) -> None:
    one = start()
    browser = one.browser()
    after = save(browser, one.launch(browser), answers)
    assert after.status_code == 422
    assert said in after.text
    assert one.ehr.created == []
    if "writing" in answers:
        assert re.search(r'name="writing" value="yes" checked', after.text)


def test_a_child_is_asked_capd(start: Any) -> None:
    child = {"resourceType": "Patient", "id": "p", "birthDate": "2018-01-01"}
    one = start({"records": [child]})
    browser = one.browser()
    form = one.launch(browser)
    assert "<h1>CAPD" in form.text
    assert "Patient p, born 2018-01-01" in form.text
    save(browser, form, {f"capd-{n}": "4" for n in range(1, 9)})
    assert one.ehr.created[0]["code"]["coding"][0]["code"] == "capd-score"
    assert one.ehr.created[0]["valueInteger"] == 32


def test_partial_ice_is_a_range_that_the_next_sign_reads(start: Any) -> None:
    one = start()
    browser = one.browser()
    some = dict.fromkeys(["orientation-year", "orientation-month", "orientation-city", "orientation-hospital"], "no")
    after = save(browser, one.launch(browser), some | {"because": "Refused"})
    written = one.ehr.created[0]
    assert "valueInteger" not in written
    assert written["dataAbsentReason"]["text"] == "Refused"
    assert [c["valueInteger"] for c in written["component"]] == [0]
    assert "ICE 0 to 6" in after.text


def test_previous_answers_stand_beside(start: Any) -> None:
    one = start()
    browser = one.browser()
    form = one.launch(browser)
    save(browser, form, ICE_2)
    again = browser.get(form.url, timeout=20)
    assert again.text.count("Before: Right") == 2
    assert again.text.count("Before: Not right") == 8


def test_the_site_codes_are_written_beside_ours(start: Any, tmp_path: Path) -> None:
    concept = "http://fhir.org/guides/icans-cds/CodeSystem/icans-concept"
    element = {"code": "40-ICE", "target": [{"code": "observations-ice-score", "equivalence": "equivalent"}]}
    group = {"source": "urn:site:flowsheet", "target": concept, "element": [element]}
    (tmp_path / "map.json").write_text(json.dumps({"resourceType": "ConceptMap", "id": "site", "status": "active", "group": [group]}))
    one = start(concept_maps=(tmp_path / "map.json",))
    browser = one.browser()
    save(browser, one.launch(browser), ICE_2)
    assert [c["code"] for c in one.ehr.created[0]["code"]["coding"]] == ["ice-score", "40-ICE"]
    assert any("at least grade 3" in card["summary"] for card in one.order_sign())


def test_closing_the_chart_forgets_it(start: Any) -> None:
    one = start()
    browser = one.browser()
    form = one.launch(browser)
    ended = browser.post(form.url.replace("/form", "/end"), data={"csrf": hidden(form.text)["csrf"]}, timeout=20)
    assert "token forgotten" in ended.text
    assert browser.get(form.url, timeout=20).status_code == 401


def test_the_episode_is_recorded_like_any_decision(start: Any) -> None:
    one = start()
    browser = one.browser()
    form = one.launch(browser)
    page = browser.get(form.url.replace("/form", "/episode"), timeout=20)
    assert "What is due when" in page.text
    assert "not assessed" in page.text
    with one.store.engine.connect() as connection:
        services = connection.exec_driver_sql("select service from decisions").scalars().all()
    assert services == ["icans-smart"]


def test_a_chart_that_cannot_be_read_gives_no_grade_and_still_a_form(start: Any) -> None:
    one = start({"grant": "launch patient/Patient.r patient/Observation.crs"})
    browser = one.browser()
    form = one.launch(browser)
    assert "could not be read in full" in form.text
    assert 'name="writing"' in form.text
    page = browser.get(form.url.replace("/form", "/episode"), timeout=20)
    assert "No grade is shown" in page.text
    assert "rade 0" not in page.text


def test_shadow_mode_shows_no_grade_and_records_it_as_such(start: Any) -> None:
    one = start(shadow=True)
    browser = one.browser()
    page = save(browser, one.launch(browser), ICE_2)
    assert "2 records were written" in page.text
    assert "shadow mode" in page.text
    assert "rade 3" not in page.text


def test_the_timeline_is_shown_where_it_can_be_drawn(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def picture(points: Any, now: Any, title: str, form: str) -> bytes:
        asked.append(([one.as_of for one in points], now.as_of, title, form))
        return b'<svg xmlns="http://www.w3.org/2000/svg"/>'

    one = start()
    browser = one.browser()
    form = one.launch(browser)
    monkeypatch.setitem(sys.modules, "cds_hooks.timeline", None)  # as if not installed
    without = browser.get(form.url.replace("/form", "/episode"), timeout=20)
    assert "timeline.svg" not in without.text
    assert browser.get(form.url.replace("/form", "/timeline.svg"), timeout=20).status_code == 404
    monkeypatch.setitem(sys.modules, "cds_hooks.timeline", SimpleNamespace(picture=picture))
    shown = browser.get(form.url.replace("/form", "/episode"), timeout=20)
    assert "timeline.svg" in shown.text
    assert [asked[0][0][-1], asked[0][2:]] == [NOW - timedelta(hours=5), ("Episode", "svg")]
    drawn = browser.get(form.url.replace("/form", "/timeline.svg"), timeout=20)
    assert drawn.headers["content-type"].startswith("image/svg+xml")


def test_where_client_tokens_are_checked_a_browser_still_logs_in_and_a_hook_needs_its_token(start: Any, tmp_path: Path) -> None:
    one = start(trust="jwt", clients=clients_file(tmp_path))
    browser = one.browser()
    form = one.launch(browser)
    assert form.status_code == 200
    assert save(browser, form, ICE_2).status_code == 200
    assert requests.post(f"{one.url}/cds-services/icans-order-sign", json={}, timeout=20).status_code == 401
    assert requests.get(f"{one.url}/smarter", timeout=20).status_code == 401


def test_a_token_endpoint_that_fails_is_said_without_a_secret(start: Any) -> None:
    one = start({"confidential": True})
    one.ehr.confidential = False  # from now on it knows public clients only: ours shows a secret and no client_id
    failed = one.launch(one.browser())
    assert failed.status_code == 502
    assert "invalid_client" in failed.text
    assert SECRET not in failed.text
