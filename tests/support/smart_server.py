"""A minimal authorization server with a FHIR R4 server behind it, to launch against. Strict where SMART is strict."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET, LAUNCH = "icans-app", "a secret that is not in the page", "launch-handle-1"


@contextlib.contextmanager
def running(app: Any) -> Iterator[str]:
    """An ASGI app on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@dataclass
class Ehr:
    """What the server holds, and what it was asked. `grant` None: every scope that was asked for."""

    records: list[dict[str, Any]]
    patient: str = "p"
    grant: str | None = None
    expires_in: int = 3600
    confidential: bool = False
    redirect_uri: str = ""
    base: str = ""
    methods: list[str] | None = field(default_factory=lambda: ["S256"])
    refuses: tuple[str, ...] = ()
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # access token to scope
    refresh: dict[str, str] = field(default_factory=dict)
    authorized: list[dict[str, str]] = field(default_factory=list)
    refreshed: int = 0
    created: list[dict[str, Any]] = field(default_factory=list)

    @property
    def iss(self) -> str:
        return f"{self.base}/fhir"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/fhir/.well-known/smart-configuration", self._configuration),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/fhir/{kind}", self._search, methods=["GET"]),
                Route("/fhir/{kind}", self._create, methods=["POST"]),
                Route("/fhir/{kind}/{id}", self._read),
            ]
        )

    def token(self, scope: str = "patient/*.rs") -> str:
        """A token for a hook call."""
        made = secrets.token_urlsafe(16)
        self.tokens[made] = scope
        return made

    async def _configuration(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.iss,
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "code_challenge_methods_supported": self.methods,
                "grant_types_supported": ["authorization_code"],
                "capabilities": ["launch-ehr", "launch-standalone", "permission-v2", "permission-online", "client-public"],
            }
        )

    async def _authorize(self, request: Request) -> Response:
        """Logs everybody in at once, when the request is in order."""
        given = dict(request.query_params)
        self.authorized.append(given)
        scope = given["scope"].split()
        in_order = (
            given["response_type"] == "code"
            and given["client_id"] == CLIENT
            and given["redirect_uri"] == self.redirect_uri
            and given["aud"] == self.iss
            and given["code_challenge_method"] == "S256"
            and len(given["code_challenge"]) == 43
            and len(given["state"]) >= 22
            and ((given.get("launch") == LAUNCH and "launch" in scope) or ("launch" not in given and "launch/patient" in scope))
        )
        if not in_order:
            return Response(f"not in order: {given}", 400)
        code = secrets.token_urlsafe(16)
        self.codes[code] = given
        return RedirectResponse(f"{self.redirect_uri}?{urlencode({'code': code, 'state': given['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".replace(" ", "+").encode()).decode()
        plain = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        known = request.headers.get("authorization") in (basic, plain) if self.confidential else form.get("client_id") == CLIENT
        if not known:
            return JSONResponse({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token":
            scope = self.refresh.pop(form["refresh_token"], None)
            self.refreshed += 1
        else:
            begun = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            right = begun is not None and challenge == begun["code_challenge"] and form["redirect_uri"] == begun["redirect_uri"]
            scope = (self.grant or begun["scope"]) if right and begun is not None else None
        if scope is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        access, again = self.token(scope), secrets.token_urlsafe(16)
        self.refresh[again] = scope
        return JSONResponse(
            {
                "access_token": access,
                "token_type": "Bearer",
                "expires_in": self.expires_in,
                "scope": scope,
                "refresh_token": again,
                "patient": self.patient,
                "need_patient_banner": True,
            },
            headers={"cache-control": "no-store"},
        )

    def _refused(self, request: Request, kind: str, verb: str) -> Response | None:
        scope = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scope is None:
            return self._outcome(401, "no token")
        rights = [part.partition("/")[2].partition(".") for part in scope.split() if "/" in part]
        if any(name in (kind, "*") and verb in letters for name, _, letters in rights):
            return None
        return self._outcome(403, f"no {verb} of {kind}")

    @staticmethod
    def _outcome(status: int, text: str) -> Response:
        issue = [{"severity": "error", "code": "processing", "diagnostics": text}]
        return JSONResponse({"resourceType": "OperationOutcome", "issue": issue}, status)

    async def _search(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        patient = f"Patient/{request.query_params.get('patient')}"
        found = [
            r for r in self.records if r["resourceType"] == kind and r.get("subject", r.get("patient"))["reference"] == patient
        ]
        body = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": [{"resource": r} for r in found]}
        return self._refused(request, kind, "s") or JSONResponse(body)

    async def _read(self, request: Request) -> Response:
        kind, identity = request.path_params["kind"], request.path_params["id"]
        found = [r for r in self.records if r["resourceType"] == kind and r["id"] == identity]
        return self._refused(request, kind, "r") or (JSONResponse(found[0]) if found else self._outcome(404, "none"))

    async def _create(self, request: Request) -> Response:
        kind, body = request.path_params["kind"], json.loads(await request.body())
        refused = self._refused(request, kind, "c")
        if refused is not None:
            return refused
        text = body.get("code", {}).get("coding", [{}])[0].get("code", kind)
        if text in self.refuses:
            return self._outcome(422, f"{text} is not taken here")
        sought = request.headers.get("if-none-exist", "").rpartition("|")[2]
        if any(sought in json.dumps(one.get("identifier")) for one in self.created):
            return Response(status_code=200)
        made = {**body, "id": f"new-{len(self.created) + 1}"}
        self.created.append(made)
        self.records.append(made)
        return JSONResponse(made, 201, headers={"location": f"{self.iss}/{kind}/{made['id']}"})
