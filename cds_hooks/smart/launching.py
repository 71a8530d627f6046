"""Launch and login: from an EHR (`iss` and `launch`) or on our own, and back with a code."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cds_hooks import outgoing
from cds_hooks.smart import oauth
from cds_hooks.smart.discovery import NotSmart, endpoints
from cds_hooks.smart.rendering import PAGE_HEADERS, page, problem
from cds_hooks.smart.servers import Registered
from cds_hooks.smart.sessions import COOKIE, LONGEST_S, Sessions

_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]{1,256}")
_MOST = 4096  # characters of a launch handle or a code


class Launching:
    """The three steps before a visit."""

    def __init__(self, servers: Mapping[str, Registered], sessions: Sessions, base_url: str) -> None:
        self.servers = servers
        self.sessions = sessions
        self.redirect_uri = f"{base_url}/smart/callback"
        self._over_https = base_url.startswith("https:")
        self._outgoing = outgoing.session(2)

    async def choose(self, request: Request) -> Response:
        """Standalone: which of the listed servers to open. A launch that came here goes on."""
        if "iss" in request.query_params:
            return await self.launch(request)
        return page("choose", servers=list(self.servers.values()), visit=None, who=None)

    async def launch(self, request: Request) -> Response:
        """To the server's login, with state and PKCE; the verifier stays here."""
        request.state.log["service"] = "smart"
        server = self.servers.get(request.query_params.get("iss", "").rstrip("/"))
        launch = request.query_params.get("launch")
        if server is None:
            return problem(403, "This server is not listed", "The service opens charts only from the FHIR servers its operator listed.")
        if launch is not None and not 0 < len(launch) <= _MOST:
            return problem(400, "The launch cannot be used", "It has no usable launch parameter. Start it from the chart again.")
        try:
            found = await run_in_threadpool(endpoints, self._outgoing, server.iss)
        except NotSmart as why:
            return problem(502, "The server cannot be reached to log in", f"{server.name}: {why}.")
        browser, cookie = self.sessions.browser(request.cookies.get(COOKIE)), None
        if browser is None:
            browser, cookie = self.sessions.new_browser()
        verifier = oauth.verifier()
        state = self.sessions.begin(browser, server, found, verifier)
        url = oauth.authorization_url(server, found, self.redirect_uri, state, verifier, launch)
        answer = RedirectResponse(url, 302, headers=PAGE_HEADERS)
        if cookie is not None:
            answer.set_cookie(
                COOKIE, cookie, max_age=int(LONGEST_S), path="/smart", secure=self._over_https, httponly=True, samesite="lax"
            )
        return answer

    async def callback(self, request: Request) -> Response:
        """The code for a token, then the form of the patient that the server named."""
        request.state.log["service"] = "smart"
        given = request.query_params
        browser = self.sessions.browser(request.cookies.get(COOKIE))
        login = self.sessions.take(given.get("state", ""), browser)
        if login is None:
            return problem(400, "This login cannot be completed", "It was not begun here, or too long ago. Start it from the chart again.")
        if "error" in given or not 0 < len(given.get("code", "")) <= _MOST:
            refused = re.sub(r"[^a-z_]", "", given.get("error", ""))[:40] or "no code"
            return problem(403, "The server did not let us in", f"{login.server.name} answered: {refused}. Start it from the chart again.")
        try:
            tokens, context = await run_in_threadpool(
                oauth.exchange, login.server, login.endpoints, self.redirect_uri, given["code"], login.verifier, self.sessions.clock
            )
        except oauth.NotGranted as why:
            return problem(502, "The login failed", f"{login.server.name}: {why}. Start it from the chart again.")
        patient, encounter = _identity(context.get("patient")), _identity(context.get("encounter"))
        if patient is None:
            return problem(403, "No patient was chosen", f"{login.server.name} named no patient with the login. Start it from a chart.")
        visit = self.sessions.open(login, tokens, patient, encounter, context.get("need_patient_banner") is not False)
        return RedirectResponse(f"/smart/v/{visit.id}/form", 303, headers=PAGE_HEADERS)


def _identity(given: object) -> str | None:
    """A FHIR id, also where it came as a reference."""
    text = given.rpartition("/")[2] if isinstance(given, str) else ""
    return text if _ID.fullmatch(text) else None
