"""Where a SMART server logs in: its .well-known/smart-configuration, read once a launch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cds_hooks import outgoing
from cds_hooks.outgoing import Call, NotHad
from cds_hooks.settings import is_loopback

SECONDS = 10.0
LIMIT = 200_000  # bytes


class NotSmart(Exception):  # noqa: N818  (said on the page)
    """Why a server cannot launch us, in words that may be shown."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What we use of a SMART configuration."""

    authorize: str
    token: str
    scopes: frozenset[str]
    capabilities: frozenset[str]


class _Configuration(msgspec.Struct):
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    code_challenge_methods_supported: list[str] | None = None
    scopes_supported: list[str] | None = None
    capabilities: list[str] | None = None


def endpoints(session: Any, iss: str) -> Endpoints:
    """The endpoints of a listed server. Raises NotSmart. PKCE by S256 is required (SMART 2)."""
    try:
        answer = outgoing.get(
            session, f"{iss}/.well-known/smart-configuration", {"Accept": "application/json"}, Call(SECONDS), LIMIT
        )
    except NotHad as why:
        raise NotSmart(f"its SMART configuration {why}") from None
    if answer.status != 200:
        raise NotSmart(f"its SMART configuration answered {answer.status}; 200 was expected")
    try:
        found = msgspec.json.decode(answer.body, type=_Configuration)
    except msgspec.DecodeError:
        raise NotSmart("its SMART configuration is not the JSON object that was expected") from None
    methods = found.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        raise NotSmart("its code_challenge_methods_supported lacks S256")
    return Endpoints(
        _safe(found.authorization_endpoint, "authorization_endpoint"),
        _safe(found.token_endpoint, "token_endpoint"),
        frozenset(found.scopes_supported or ()),
        frozenset(found.capabilities or ()),
    )


def _safe(url: str | None, name: str) -> str:
    try:
        parts = urlsplit(url or "")
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or parts.fragment or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise NotSmart(f"its {name} is not an https URL (http only on this machine)")
    return url or ""
