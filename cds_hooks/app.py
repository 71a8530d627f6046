"""The HTTP service: routes, limits, CORS, and errors as OperationOutcomes. The only reader of the clock."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_hooks import feedback, fhir_api, hook_request, http_body, metrics, smart, telemetry
from cds_hooks.answers import http_error, json_answer, not_recorded, outcome_answer, refused
from cds_hooks.decide import Decision, decide
from cds_hooks.fhir_client import FhirClient
from cds_hooks.http_body import aside
from cds_hooks.middleware import Cors, RequestLog, SecurityHeaders
from cds_hooks.prefetch import gather
from cds_hooks.pseudonym import pseudonym
from cds_hooks.recording import on_disk
from cds_hooks.refusal import Refusal
from cds_hooks.services import SERVICES, Service, discovery
from cds_hooks.settings import Settings, site
from cds_hooks.store import FeedbackCount, Store, StoreUnavailable
from cds_hooks.trust.guard import Guard, door
from cds_hooks.warming import warm
from rules import Knowledge, load_knowledge

Clock = Callable[[], datetime]
Handler = Callable[[Request], Any]


def create_app(
    settings: Settings,
    *,
    knowledge: Knowledge | None = None,
    store: Store | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """The service. Raises KnowledgeError, StoreError or SettingsError: then it does not start."""
    telemetry.configure(settings.shadow)
    desk = Desk(
        settings,
        load_knowledge(settings.protocol, allow_draft=settings.demo) if knowledge is None else knowledge,
        Store(settings.database_url, pseudonym(settings)) if store is None else store,
        clock or _now,
    )
    app = Starlette(
        routes=[
            *_routes(desk),
            *fhir_api.routes(settings, desk.knowledge),
            *_demo_routes(settings),
            *smart.routes(settings, desk.knowledge, desk.store, desk.clock),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(SecurityHeaders, over_https=(settings.base_url or "").startswith("https:")),
            Middleware(
                Cors,
                allow_origins=list(settings.origins),
                allow_methods=["GET", "POST", "OPTIONS"],
                allow_headers=["Accept", "Authorization", "Content-Type"],
                expose_headers=["x-request-id"],
            ),
            Middleware(CrashGuard),
            Middleware(Guard, door=door(settings)),
        ],
        lifespan=desk.lifespan,
        exception_handlers={Refusal: refused, HTTPException: http_error, StoreUnavailable: not_recorded},
    )
    app.state.store = desk.store
    app.router.redirect_slashes = False  # a redirect fails in a preflight; both spellings are routes
    return app


class Desk:
    """What the handlers share."""

    def __init__(self, settings: Settings, knowledge: Knowledge, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.knowledge = knowledge
        self.store = store
        self.clock = clock
        self.site = site(settings)
        self.warm = False
        self.fhir = FhirClient(settings.fhir_servers, settings.fetch_ms, settings.max_body)
        self.discovery = msgspec.json.encode(discovery(settings.shadow))
        self.etag = f'"{hashlib.sha256(self.discovery).hexdigest()[:32]}"'

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Warm before the first connection is taken; at the end, what waits is written."""
        warm(self.knowledge, self.clock())
        gc.collect()
        gc.freeze()  # documents and models stay: the collector need not look at them again
        self.warm = True
        yield
        self.warm = False
        await run_in_threadpool(self.store.close)

    async def discover(self, request: Request) -> Response:
        headers = {"etag": self.etag, "cache-control": "no-cache"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self.discovery, media_type="application/json", headers=headers)

    async def health(self, _: Request) -> Response:
        """200 while the process answers; whether it can do its work is for /readyz."""
        return json_answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """200 when the knowledge is warm and the store takes a write; else 503 and why."""
        if not self.warm:
            raise StoreUnavailable("the service is starting")
        await on_disk(self.store.probe())
        return json_answer({"status": "ready"})

    async def measured(self, _: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE})

    def answer(self, service: Service) -> Handler:
        async def handle(request: Request) -> Response:
            log = request.state.log
            log["service"] = service.id
            stages = metrics.Stages()
            body = await http_body.read(request, self.settings.max_body)
            stages.done("receive")
            call = await aside(len(body), partial(hook_request.parse, body, service.hook))
            metrics.asked(call)
            call = await self.fhir.fill(call)
            stages.done("fetch")
            records = await aside(len(body), partial(gather, call))
            stages.done("read")
            deciding = partial(
                decide, call, records, self.knowledge, as_of=self.clock(), decision_id=uuid4(), site=self.site
            )
            decision = await aside(len(body), deciding)
            stages.done("decide")
            if self.settings.shadow:
                decision = replace(decision, record={**decision.record, "shadow": True})
            log |= _told(decision)
            answer = json_answer({"cards": [] if self.settings.shadow else decision.cards})
            metrics.decided(service.id, records, decision)
            stages.done("answer")
            kept = self.store.append(
                decision,
                service.id,
                call.hook_instance,
                request_id=log["request_id"],
                latency_us=stages.microseconds,
            )
            await on_disk(kept)
            stages.done("record")
            stages.all_done()
            return answer  # only what is recorded is sent

        return handle

    def hear(self, service: Service) -> Handler:
        async def handle(request: Request) -> Response:
            log = request.state.log
            log["service"] = service.id
            items = feedback.parse(await http_body.read(request, self.settings.max_body))
            heard = await on_disk(self.store.add_feedback(service.id, items, self.clock()))
            count = FeedbackCount.of(heard)
            metrics.heard(heard)
            log |= {"stored": count.stored, "repeated": count.repeated, "unmatched": count.unmatched}
            return Response(status_code=200)  # the same whether or not the card is ours

        return handle


class CrashGuard:
    """Any bug is a 500 without detail, logged with the request id. Inside Cors, so that it carries its header."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            scope["state"]["log"]["disconnected"] = True
        except Exception as error:  # noqa: BLE001 - the one place that turns a fault of ours into a 500 with its id; never an empty card list
            request_id = scope["state"]["log"]["request_id"]
            telemetry.LOG.error("crash", request_id=request_id, **telemetry.crash(error))
            if started:
                return None
            text = f"The service failed and gives no advice. Request id: {request_id}."
            await outcome_answer(Refusal(500, "exception", text))(scope, receive, send)
        return None


def _routes(desk: Desk) -> list[BaseRoute]:
    routes = [*_both("/cds-services", desk.discover, "GET")]
    routes += [*_both("/metrics", desk.measured, "GET")]
    routes += [*_both("/healthz", desk.health, "GET"), *_both("/readyz", desk.ready, "GET")]
    for service in SERVICES:
        routes += _both(f"/cds-services/{service.id}", desk.answer(service), "POST")
        routes += _both(f"/cds-services/{service.id}/feedback", desk.hear(service), "POST")
    return routes


def _both(path: str, handler: Handler, method: str) -> list[BaseRoute]:
    """The path and the path with a trailing slash (the prefetch proxy asks for the latter)."""
    return [Route(path, handler, methods=[method]), Route(f"{path}/", handler, methods=[method])]


def _demo_routes(settings: Settings) -> list[BaseRoute]:
    if not settings.demo or find_spec("cds_hooks.demo") is None:
        return []
    routes: list[BaseRoute] = import_module("cds_hooks.demo").routes(settings)
    return routes


def _now() -> datetime:
    return datetime.now(UTC)


def _told(decision: Decision) -> dict[str, Any]:
    """What the log may say of a decision: its id, how many cards, the grade; nothing that names a patient."""
    grading = decision.record.get("grading")
    grading = grading if isinstance(grading, dict) else {}
    return {
        "decision": str(decision.id),
        "cards": len(decision.cards),
        "at_least": grading.get("at_least"),
        "at_most": grading.get("at_most"),
    }
