"""Around every request: an id and one log line; CORS whose refusals are OperationOutcomes too."""

from __future__ import annotations

from time import perf_counter
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_hooks import metrics, telemetry
from cds_hooks.answers import outcome_answer
from cds_hooks.refusal import Refusal

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class RequestLog:
    """A fresh id and one log line a request; handlers add to the line through request.state.log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = perf_counter()
        method = scope["method"] if scope["method"] in _METHODS else "other"
        log: dict[str, Any] = {"request_id": str(uuid4()), "method": method}
        scope.setdefault("state", {})["log"] = log

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                log["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", log["request_id"].encode())]
            await send(message)

        try:
            await self.app(scope, receive, identified)
        finally:
            log["ms"] = round((perf_counter() - began) * 1000, 1)
            metrics.answered(log.get("service", "other"), log.get("status", 0))
            telemetry.LOG.info("request", **log)
        return None


class SecurityHeaders:
    """What a browser must not do with an answer, and a cache must not keep; a route's own header stands."""

    def __init__(self, app: ASGIApp, over_https: bool = False) -> None:
        self.app = app
        self.added = {
            b"cache-control": b"no-store",
            b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
            b"referrer-policy": b"no-referrer",
            b"x-content-type-options": b"nosniff",
            b"x-frame-options": b"DENY",
        }
        if over_https:
            self.added[b"strict-transport-security"] = b"max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in self.added.items() if h[0] not in given)]
            await send(message)

        await self.app(scope, receive, hardened if scope["type"] == "http" else send)


class Cors(CORSMiddleware):
    """A refused preflight, too, is answered with an OperationOutcome."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refused = outcome_answer(Refusal(400, "forbidden", f"{bytes(response.body).decode()}."))
        refused.headers.update({k: v for k, v in response.headers.items() if k not in refused.headers})
        return refused
