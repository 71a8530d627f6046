"""Who is logged in where: everything in the memory of this process, bounded, and gone with it.

The browser holds a signed random id and nothing else. One browser may have several patients open: each
launch is a visit with an address of its own, so that a form never reaches the patient of another tab.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from itsdangerous import BadSignature, TimestampSigner
from pydantic import SecretStr

from cds_hooks.smart.discovery import Endpoints
from cds_hooks.smart.servers import Registered

COOKIE = "icans-smart"
MOST_VISITS = 500
MOST_PENDING = 1000
MOST_SAVED = 20  # forms of one visit
LOGIN_S = 600.0
IDLE_S = 3600.0
LONGEST_S = 8 * 3600.0  # a shift

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that was begun: what has to come back, and what proves it is ours."""

    browser: str
    server: Registered
    endpoints: Endpoints
    verifier: SecretStr
    begun: float


@dataclass(slots=True)
class Tokens:
    """What the token endpoint gave. Shows as ***."""

    access: SecretStr
    refresh: SecretStr | None
    until: float | None  # by the clock of the sessions; None: not said
    scope: frozenset[str]


@dataclass(slots=True)
class Visit:
    """One patient opened by one launch."""

    id: str
    browser: str
    server: Registered
    endpoints: Endpoints
    tokens: Tokens
    patient_id: str
    encounter_id: str | None
    banner: bool  # whether the page has to name the patient
    begun: float
    used: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    picture: bytes | None = None  # the timeline last shown
    saved: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def keep(self, submission: str, saved: Any) -> None:
        """What became of a form, so that sending it twice writes it once."""
        self.saved[submission] = saved
        while len(self.saved) > MOST_SAVED:
            self.saved.popitem(last=False)


class Sessions:
    """Logins begun and visits. The oldest make room; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self._signer = TimestampSigner(secrets.token_bytes(32), salt="icans-smart")
        self._pending: OrderedDict[str, Pending] = OrderedDict()
        self._visits: OrderedDict[str, Visit] = OrderedDict()

    def browser(self, cookie: str | None) -> str | None:
        """The browser's id, if the cookie is one we signed within the last shift."""
        try:
            return bytes(self._signer.unsign(cookie or "", max_age=int(LONGEST_S))).decode()
        except BadSignature:
            return None

    def new_browser(self) -> tuple[str, str]:
        """An id and the cookie that holds it."""
        made = secrets.token_urlsafe(24)
        return made, self._signer.sign(made).decode()

    def begin(self, browser: str, server: Registered, endpoints: Endpoints, verifier: SecretStr) -> str:
        """A login; the state that has to come back."""
        state = secrets.token_urlsafe(32)
        _put(self._pending, state, Pending(browser, server, endpoints, verifier, self.clock()), MOST_PENDING)
        return state

    def take(self, state: str, browser: str | None) -> Pending | None:
        """The login of a state, once, for the browser that began it, in time."""
        found = self._pending.get(state)
        if found is None or browser is None or found.browser != browser:
            return None
        del self._pending[state]
        return found if self.clock() - found.begun <= LOGIN_S else None

    def open(
        self, login: Pending, tokens: Tokens, patient_id: str, encounter_id: str | None, banner: bool
    ) -> Visit:
        now = self.clock()
        visit = Visit(
            secrets.token_urlsafe(12),
            login.browser,
            login.server,
            login.endpoints,
            tokens,
            patient_id,
            encounter_id,
            banner,
            now,
            now,
        )
        _put(self._visits, visit.id, visit, MOST_VISITS)
        return visit

    def visit(self, identity: str, browser: str | None) -> Visit | None:
        """The visit, for the browser that opened it, while it is neither idle nor longer than a shift."""
        found, now = self._visits.get(identity), self.clock()
        if found is None or browser is None or found.browser != browser:
            return None
        if now - found.used > IDLE_S or now - found.begun > LONGEST_S:
            self.close(found)
            return None
        found.used = now
        self._visits.move_to_end(identity)
        return found

    def close(self, visit: Visit) -> None:
        self._visits.pop(visit.id, None)


def _put(within: OrderedDict[str, T], key: str, value: T, most: int) -> None:
    within[key] = value
    while len(within) > most:
        within.popitem(last=False)
