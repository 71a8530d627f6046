"""The door: whoever is not public shows a client token; one 401 for every reason; 429 for who comes too often."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import time

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cds_hooks.answers import not_recorded, outcome_answer
from cds_hooks.refusal import Refusal
from cds_hooks.settings import EXPECTED, Settings, SettingsError
from cds_hooks.store import StoreUnavailable
from cds_hooks.trust import clients, tokens
from cds_hooks.trust.clients import Client
from cds_hooks.trust.keys import Key
from cds_hooks.trust.rate import Rate
from cds_hooks.trust.replay import UsedTokens
from cds_hooks.trust.tokens import Caller, Distrust, Presented

PUBLIC = (
    "/cds-services",
    "/healthz",
    "/readyz",
    "/metrics",
    "/fhir/metadata",
    "/fhir/CodeSystem",
    "/fhir/ValueSet",
    "/fhir/Questionnaire",
    "/demo",
)
"""Read by GET without a token: what is the same for everybody. Everything else needs one."""

_KEYS = ThreadPoolExecutor(4, thread_name_prefix="keys")  # so that waiting for keys never starves the rest


class Door:
    """Who may come in. Without `clients` everybody may, as often as the rate allows."""

    def __init__(
        self,
        rate: Rate,
        known: Mapping[str, Sequence[Client]] | None = None,
        base_url: str = "",
        used: UsedTokens | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self.rate = rate
        self._strangers = Rate(600)  # refusals a minute of one address
        self._known = known
        self._base_url = base_url
        self._used = used
        self._clock = clock

    async def admit(self, scope: Scope) -> Response | None:
        """None when the request may go on, else the answer. Notes the client, or the reason, in the log line."""
        if scope["method"] == "OPTIONS" or (scope["method"] in ("GET", "HEAD") and _public(scope["path"])):
            return None
        log = scope["state"]["log"]
        address = scope["client"][0] if scope.get("client") else ""
        if self._known is None:
            return _limited(self.rate.wait(address), log)
        try:
            caller = await self.caller(Headers(scope=scope).getlist("authorization"), scope["path"])
        except Distrust as why:
            log["refused"] = f"token: {why}"
            return _limited(self._strangers.wait(address), log) or _unauthorized()
        except StoreUnavailable as error:  # whether the token was used before cannot be known
            return not_recorded(Request(scope), error)
        log["client"] = caller.iss
        return _limited(self.rate.wait(caller.iss), log)

    async def caller(self, authorization: Sequence[str], path: str) -> Caller:
        """Who calls this path. Raises Distrust."""
        shown = tokens.presented(authorization, self._known or {})
        audience = self._audience(path)
        why = Distrust("key")
        for client in shown.clients:  # more than one where an issuer has several tenants
            try:
                key = await _key(client, shown)
                if shown.algorithm in tokens.SLOW:
                    found = await run_in_threadpool(tokens.verified, shown, client, key, audience, self._clock())
                else:
                    found = tokens.verified(shown, client, key, audience, self._clock())
            except Distrust as problem:
                why = problem
                continue
            if not await self._first_use(found):
                raise Distrust("replayed")
            return found
        raise why

    async def _first_use(self, found: Caller) -> bool:
        assert self._used is not None
        if self._used.local:
            return self._used.first_use(found.iss, found.jti, found.until)
        return await run_in_threadpool(self._used.first_use, found.iss, found.jti, found.until)

    def _audience(self, path: str) -> tuple[str, ...]:
        """The URL called, as the client knows it; at /feedback also the service's own."""
        called = f"{self._base_url}{path.rstrip('/')}"
        service = called.removesuffix("/feedback")
        return (called,) if service == called else (called, service)


def door(settings: Settings) -> Door:
    """The door by the settings. Raises SettingsError, StoreError."""
    rate = Rate(settings.requests_a_minute)
    if not settings.tokens_checked:
        return Door(rate)
    for name in ("clients", "base_url"):
        if getattr(settings, name) is None:
            raise SettingsError(
                f"ICANS_{name.upper()} is not set: client tokens are checked (ICANS_TRUST=jwt, the default for an "
                f"address that others can reach); expected {EXPECTED[name]}"
            )
    assert settings.clients is not None
    assert settings.base_url is not None
    return Door(rate, clients.load(settings.clients), settings.base_url, UsedTokens(settings.database_url))


class Guard:
    """The door as a middleware."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self.door.admit(scope) if scope["type"] == "http" else None
        await (answer or self.app)(scope, receive, send)


async def _key(client: Client, shown: Presented) -> Key | None:
    """From memory, or in a thread from the source."""
    known = client.keys.cached(shown.kid)
    if known is not None:
        return known
    return await get_running_loop().run_in_executor(_KEYS, client.keys.find, shown.kid)


def _public(path: str) -> bool:
    return any(path == public or path.startswith(f"{public}/") for public in PUBLIC)


def _unauthorized() -> Response:
    """One and the same for every reason."""
    answer = outcome_answer(Refusal(401, "login", "A valid CDS client token is needed."))
    answer.headers["www-authenticate"] = "Bearer"
    return answer


def _limited(seconds: int, log: dict[str, object]) -> Response | None:
    if not seconds:
        return None
    log["refused"] = "rate"
    answer = outcome_answer(Refusal(429, "throttled", "Too many requests: come back later."))
    answer.headers["retry-after"] = str(seconds)
    return answer
