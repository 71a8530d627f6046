"""The pages of a visit: form, saving, episode, file, end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid5

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cds_hooks import outgoing
from cds_hooks.fhir_client import FhirClient
from cds_hooks.recording import on_disk
from cds_hooks.settings import Settings, site
from cds_hooks.smart import chart, episode, form, oauth, saving
from cds_hooks.smart.rendering import PAGE_HEADERS, page, problem
from cds_hooks.smart.servers import Registered
from cds_hooks.smart.sessions import COOKIE, Sessions, Visit
from cds_hooks.store import Store
from cds_hooks.wording import age
from fhir_mappers import bedside_out
from fhir_mappers.concept_maps import site_codings
from rules import Knowledge
from rules.snapshot import Domain

FETCH_MS = 8000
MOST_BYTES = 64_000  # of a posted form
SOON = 60.0  # seconds before its end at which a token is renewed
SHADOWED = "The service runs in shadow mode: it evaluates and records, and shows no grade and no card. That says nothing of the patient."
_NAMESPACE = UUID("5e0a3cf4-1b0f-4f52-9d6b-2f4f8f3f3f0d")


class Pages:
    """What a visit can do. Every handler finds the visit by its address and the browser's cookie."""

    def __init__(
        self,
        settings: Settings,
        knowledge: Knowledge,
        store: Store,
        clock: Callable[[], datetime],
        servers: Mapping[str, Registered],
        sessions: Sessions,
    ) -> None:
        self.knowledge = knowledge
        self.store = store
        self.shadow = settings.shadow
        self.clock = clock
        self.sessions = sessions
        self.site = site(settings)
        self.codings = site_codings(self.site.codes)
        self.base_url = settings.base_url or ""
        self.fhir = FhirClient(tuple(servers), FETCH_MS, settings.max_body)
        self._outgoing = outgoing.session(4)

    async def form(self, request: Request) -> Response:
        """The form by age, with what was answered before beside it."""
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        found = await chart.read(self.fhir, visit, self.knowledge, self.site, self.clock())
        return self._asked(visit, found, _tool(found, request.query_params.get("tool")), {}, None, secrets.token_urlsafe(12))

    async def save(self, request: Request) -> Response:
        """Into the chart, or as a file; then the episode. The same form sent twice is written once."""
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        posted = await self._posted(request, visit)
        if isinstance(posted, Response):
            return posted
        name = posted.get("submission", "")[:40]
        tool = Domain.CAPD if posted.get("tool") == "capd" else Domain.ICE
        async with visit.lock:
            if name not in visit.saved:
                try:
                    examined = form.examined(
                        tool, posted, visit.patient_id, visit.encounter_id, self.clock(), uuid5(_NAMESPACE, f"{visit.id}/{name}")
                    )
                except form.NotTaken as why:
                    found = await chart.read(self.fhir, visit, self.knowledge, self.site, self.clock())
                    return self._asked(visit, found, tool, posted, str(why), name)
                records = bedside_out.resources(examined, form.questionnaire(tool), self.codings)
                granted = oauth.may_write(visit.tokens)
                visit.keep(name, await saving.save(self._outgoing, visit, records) if granted else saving.kept(records))
                request.state.log["saved"] = len(visit.saved[name].written)
        return RedirectResponse(f"/smart/v/{visit.id}/episode?saved={name}", 303, headers=PAGE_HEADERS)

    async def episode(self, request: Request) -> Response:
        """Grade now, trend, what is due, cards: recorded as every decision is."""
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        found = await chart.read(self.fhir, visit, self.knowledge, self.site, self.clock())
        shown = None
        if found.decision is not None:
            decision = found.decision
            if self.shadow:
                decision = replace(decision, record={**decision.record, "shadow": True})
            kept = self.store.append(decision, "icans-smart", visit.id, request_id=request.state.log["request_id"])
            await on_disk(kept)  # only what is recorded is shown
        if found.decision is not None and not self.shadow:
            shown = await run_in_threadpool(episode.episode, found.decision, self.knowledge, self.site.zone)
            visit.picture = await run_in_threadpool(episode.picture, found, self.knowledge, self.site)
        saved = visit.saved.get(request.query_params.get("saved", ""))
        return page(
            "episode",
            visit=visit,
            who=found.name,
            episode=shown,
            why_not=SHADOWED if self.shadow else found.why_not,
            saved=saved,
            submission=request.query_params.get("saved", ""),
        )

    async def timeline(self, request: Request) -> Response:
        """The picture of the episode shown last."""
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        if visit.picture is None:
            return problem(404, "There is no picture", "Open the episode.")
        return Response(visit.picture, media_type="image/svg+xml", headers=PAGE_HEADERS)

    async def file(self, request: Request) -> Response:
        """What was not written, as a transaction Bundle."""
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        saved = visit.saved.get(request.path_params["submission"])
        if saved is None or saved.file is None:
            return problem(404, "There is no such file", "It is kept only as long as the login.")
        named = {"content-disposition": 'attachment; filename="icans-bedside-form.json"'}
        return Response(saved.file, media_type="application/fhir+json", headers=PAGE_HEADERS | named)

    async def end(self, request: Request) -> Response:
        """Forget the visit and its tokens."""
        visit = await self._visit(request)
        if isinstance(visit, Response):
            return visit
        posted = await self._posted(request, visit)
        if isinstance(posted, Response):
            return posted
        self.sessions.close(visit)
        return page("problem", title="Ended", text="The chart is closed and its access token forgotten.", visit=None, who=None)

    def _asked(
        self, visit: Visit, found: chart.Chart, tool: Domain, given: Mapping[str, str], wrong: str | None, submission: str
    ) -> Response:
        return page(
            "form",
            422 if wrong else 200,
            visit=visit,
            who=found.name,
            form=form.form_of(tool),
            tool=tool.value,
            given=given,
            wrong=wrong,
            why_not=found.why_not,
            before=found.before,
            before_ago=_ago(found, self.clock()),
            reasons=form.REASONS,
            minutes=form.MINUTES_AGO,
            granted=oauth.may_write(visit.tokens),
            submission=submission,
        )

    async def _visit(self, request: Request) -> Visit | Response:
        """The visit with a token that will last, or the page that says to start again."""
        request.state.log["service"] = "smart"
        browser = self.sessions.browser(request.cookies.get(COOKIE))
        visit = self.sessions.visit(request.path_params["visit"], browser)
        if visit is None:
            return problem(401, "This chart is not open here", "The login has ended, or was in another browser. Start it from the chart again.")
        async with visit.lock:
            if visit.tokens.until is None or visit.tokens.until - self.sessions.clock() > SOON:
                return visit
            if visit.tokens.refresh is None and visit.tokens.until > self.sessions.clock():
                return visit
            try:
                visit.tokens = await run_in_threadpool(
                    oauth.refreshed, visit.server, visit.endpoints, f"{self.base_url}/smart/callback", visit.tokens, self.sessions.clock
                )
            except oauth.NotGranted as why:
                self.sessions.close(visit)
                return problem(401, "The login has ended", f"{visit.server.name}: {why}. Start it from the chart again.")
        return visit

    async def _posted(self, request: Request, visit: Visit) -> dict[str, str] | Response:
        """The fields of a form that our own page sent."""
        origin = request.headers.get("origin")
        same = origin is None or origin == "{0.scheme}://{0.netloc}".format(urlsplit(self.base_url))
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return problem(413, "The form is too long", "Nothing was saved.")
        try:
            fields = dict(parse_qsl(body.decode(), max_num_fields=100))
        except ValueError:
            fields = {}
        if not same or not secrets.compare_digest(fields.get("csrf", "").encode(), visit.csrf.encode()):
            return problem(403, "This form was not sent by our page", "Nothing was saved. Open the form again.")
        return fields


def _tool(found: chart.Chart, asked: str | None) -> Domain:
    """ICE or CAPD: as asked for, else by age and documented delay (the grading knows); ICE where nothing is known."""
    if asked in ("ice", "capd"):
        return Domain(asked)
    assessment = found.decision.assessment if found.decision is not None else None
    return assessment.grading.tool if assessment is not None else Domain.ICE


def _ago(found: chart.Chart, now: datetime) -> str | None:
    return age(found.before.at, now) if found.before.at is not None else None
