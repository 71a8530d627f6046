"""What the SMART app remembers: bounded, timed, bound to one browser; secrets shown as ***."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from cds_hooks.smart import oauth
from cds_hooks.smart.discovery import Endpoints
from cds_hooks.smart.servers import Registered
from cds_hooks.smart.sessions import (
    IDLE_S,
    LOGIN_S,
    LONGEST_S,
    MOST_PENDING,
    MOST_VISITS,
    Sessions,
    Tokens,
    Visit,
)

SERVER = Registered("https://ehr.example.org/fhir", "app", SecretStr("s3cret"), "EHR")
ENDPOINTS = Endpoints("https://ehr.example.org/a", "https://ehr.example.org/t", frozenset(), frozenset())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(sessions: Sessions, browser: str = "b") -> Visit:
    state = sessions.begin(browser, SERVER, ENDPOINTS, SecretStr("verifier"))
    login = sessions.take(state, browser)
    assert login is not None
    return sessions.open(login, Tokens(SecretStr("access"), None, None, frozenset()), "p", None, True)


def test_bounded_and_timed() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first = opened(sessions)
    assert sessions.visit(first.id, "b") is first
    assert sessions.visit(first.id, "another") is None
    for _ in range(MOST_VISITS):
        last = opened(sessions)
    assert sessions.visit(first.id, "b") is None, "the oldest made room"
    clock.now += IDLE_S + 1
    assert sessions.visit(last.id, "b") is None, "idle"
    busy = opened(sessions)
    for _ in range(int(LONGEST_S // 1800)):
        clock.now += 1800
        assert sessions.visit(busy.id, "b") is busy
    clock.now += 1
    assert sessions.visit(busy.id, "b") is None, "longer than a shift"


def test_logins_begun_are_bounded_and_push_out_no_open_chart() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    visit = opened(sessions)
    first = sessions.begin("b", SERVER, ENDPOINTS, SecretStr("v"))
    for _ in range(MOST_PENDING):
        late = sessions.begin("b", SERVER, ENDPOINTS, SecretStr("v"))
    assert sessions.take(first, "b") is None
    clock.now += LOGIN_S + 1
    assert sessions.take(late, "b") is None, "too late"
    assert sessions.visit(visit.id, "b") is visit


def test_a_cookie_that_we_did_not_sign_is_nobody() -> None:
    sessions = Sessions()
    browser, cookie = sessions.new_browser()
    assert sessions.browser(cookie) == browser
    middle = len(cookie) - 10  # within the signature; its last character holds bits that say nothing
    assert sessions.browser(cookie[:middle] + ("A" if cookie[middle] != "A" else "B") + cookie[middle + 1 :]) is None
    assert sessions.browser(browser) is None
    assert sessions.browser(None) is None
    assert Sessions().browser(cookie) is None, "another process"


def test_secrets_do_not_show() -> None:
    visit = opened(Sessions())
    assert "access" not in repr(visit.tokens.access)
    assert "s3cret" not in repr(visit)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("patient/Observation.crs patient/QuestionnaireResponse.c", True),
        ("patient/*.write", True),
        ("user/*.*", True),
        ("patient/Observation.cruds?category=survey patient/QuestionnaireResponse.crs", True),
        ("patient/Observation.crs", False),
        ("patient/*.rs", False),
        ("patient/*.read launch", False),
        ("system/*.cruds", False),
        ("", False),
    ],
)
def test_whether_the_scope_lets_us_write(scope: str, allowed: bool) -> None:
    assert oauth.may_write(Tokens(SecretStr("a"), None, None, frozenset(scope.split()))) is allowed


def test_a_server_of_smart_1_is_asked_for_its_scopes() -> None:
    old = Endpoints("", "", frozenset({"online_access"}), frozenset({"launch-ehr", "permission-patient"}))
    asked = oauth.scopes(old, launch=True).split()
    assert {"launch", "patient/Observation.read", "patient/Observation.write", "online_access"} <= set(asked)
    assert not any(one.endswith(("rs", "crs")) for one in asked)
