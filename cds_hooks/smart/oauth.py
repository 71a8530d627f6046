"""The OAuth exchange of a SMART launch, by Authlib: authorization URL with PKCE, code for token, refresh.

Scopes are the least: read what a grade needs, write the two types that the form makes, no identity.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from pydantic import SecretStr

from cds_hooks.outgoing import is_transport_error, proxies_for
from cds_hooks.smart.discovery import Endpoints
from cds_hooks.smart.servers import Registered
from cds_hooks.smart.sessions import Tokens

SECONDS = 15
WRITTEN = ("Observation", "QuestionnaireResponse")
READ = (
    "Patient",
    "MedicationAdministration",
    "Procedure",
    "Condition",
    "MedicationRequest",
    "AllergyIntolerance",
    "Encounter",
)


class NotGranted(Exception):  # noqa: N818  (said on the page)
    """Why no token was had, in words that hold no secret."""


def scopes(endpoints: Endpoints, launch: bool) -> str:
    """What is asked for: SMART 2 scopes, or SMART 1 where the server knows only those."""
    first = not endpoints.capabilities or "permission-v2" in endpoints.capabilities
    read, both = ("rs", ("crs",)) if first else ("read", ("read", "write"))
    wanted = ["launch" if launch else "launch/patient"]
    wanted += [f"patient/{kind}.{read}" for kind in READ]
    wanted += [f"patient/{kind}.{one}" for kind in WRITTEN for one in both]
    if "online_access" in endpoints.scopes or "permission-online" in endpoints.capabilities:
        wanted.append("online_access")
    return " ".join(wanted)


def verifier() -> SecretStr:
    """A PKCE code verifier of 64 characters."""
    return SecretStr(generate_token(64))


def authorization_url(
    server: Registered, endpoints: Endpoints, redirect_uri: str, state: str, code_verifier: SecretStr, launch: str | None
) -> str:
    """Where the browser is sent to log in."""
    with _session(server, redirect_uri, scopes(endpoints, launch is not None)) as session:
        more = {} if launch is None else {"launch": launch}
        url, _ = session.create_authorization_url(
            endpoints.authorize, state=state, code_verifier=code_verifier.get_secret_value(), aud=server.iss, **more
        )
    return str(url)


def exchange(
    server: Registered,
    endpoints: Endpoints,
    redirect_uri: str,
    code: str,
    code_verifier: SecretStr,
    now: Callable[[], float],
) -> tuple[Tokens, Mapping[str, Any]]:
    """The tokens of a code, and the launch context beside them. Blocks; raises NotGranted."""
    with _session(server, redirect_uri, "") as session:
        given = _asked(
            lambda: session.fetch_token(
                endpoints.token,
                code=code,
                grant_type="authorization_code",
                code_verifier=code_verifier.get_secret_value(),
                **_request(endpoints.token),
            )
        )
    return _tokens(given, now(), None), given


def refreshed(
    server: Registered, endpoints: Endpoints, redirect_uri: str, tokens: Tokens, now: Callable[[], float]
) -> Tokens:
    """New tokens for old. Blocks; raises NotGranted."""
    if tokens.refresh is None:
        raise NotGranted("the login has ended and the server gave no refresh token")
    before = tokens.refresh.get_secret_value()
    with _session(server, redirect_uri, "") as session:
        given = _asked(lambda: session.refresh_token(endpoints.token, refresh_token=before, **_request(endpoints.token)))
    return _tokens(given, now(), tokens)


def may_write(tokens: Tokens) -> bool:
    """Whether both types of a saved form may be created, by the scopes that were granted."""
    return all(any(_creates(scope, kind) for scope in tokens.scope) for kind in WRITTEN)


def _creates(scope: str, kind: str) -> bool:
    context, _, permission = scope.partition("/")
    resource, _, verbs = permission.partition("?")[0].partition(".")
    return context in ("patient", "user") and resource in (kind, "*") and (verbs in ("write", "*") or verbs.startswith("c"))


def _asked(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        given = ask()
    except OAuthError as problem:
        raise NotGranted(f"the server refused the token ({str(problem.error)[:80]})") from None
    except ValueError:
        raise NotGranted("the server answered what is no token") from None
    except Exception as problem:  # the HTTP library's errors are known to outgoing.py alone; the rest goes on
        if not is_transport_error(problem):
            raise
        raise NotGranted("the token endpoint could not be reached, or answered an error") from None
    if not isinstance(given, dict) or not isinstance(given.get("access_token"), str) or not given["access_token"]:
        raise NotGranted("the server answered no access token")
    if str(given.get("token_type", "")).lower() != "bearer":
        raise NotGranted("the server answered a token that is no bearer token")
    return dict(given)


def _tokens(given: Mapping[str, Any], now: float, before: Tokens | None) -> Tokens:
    lasts, again, scope = given.get("expires_in"), given.get("refresh_token"), given.get("scope")
    until = now + float(lasts) if isinstance(lasts, int | float | str) and str(lasts).isdecimal() else None
    granted = frozenset(scope.split()) if isinstance(scope, str) else before.scope if before else frozenset()
    refresh = SecretStr(again) if isinstance(again, str) and again else before.refresh if before else None
    return Tokens(SecretStr(given["access_token"]), refresh, until, granted)


def _session(server: Registered, redirect_uri: str, scope: str) -> OAuth2Session:
    secret = server.secret.get_secret_value() if server.secret is not None else None
    session = OAuth2Session(
        client_id=server.client_id,
        client_secret=secret,
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        scope=scope or None,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )
    session.trust_env = False
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
    return session


def _request(url: str) -> dict[str, Any]:
    return {"timeout": SECONDS, "allow_redirects": False, "proxies": proxies_for(urlsplit(url).hostname or "", url)}
