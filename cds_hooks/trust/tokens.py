"""One client token (JWT) checked: who signed it, for which URL, when. Every refusal looks the same outside."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from cds_hooks.trust.clients import Client
from cds_hooks.trust.keys import ALGORITHMS, Key

LEEWAY = 30  # seconds of clock skew
MAX_AGE = 3600  # seconds after iat: how long a jti has to be remembered, whatever exp says
MAX_TOKEN = 8_192  # characters
MAX_JTI = 1_000  # characters
SLOW = ("ES384", "ES512")  # half a millisecond to verify: done in a thread

_BEARER = re.compile(r"Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *", re.IGNORECASE)
_CLAIMS = ["iss", "aud", "exp", "iat", "jti"]
_JWT = jwt.PyJWT()
_BROKEN = (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


class Distrust(Exception):  # noqa: N818  (an answer, not a failure)
    """Why a token is refused, in one word for the log; the caller is never told."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A token as it came, nothing of it believed yet: the clients of its issuer, and how it says it is signed."""

    token: str
    algorithm: str
    kid: str
    jku: object
    clients: Sequence[Client]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and the single-use id of the token with the time it need not be remembered after."""

    iss: str
    tenant: str | None
    jti: str
    until: int  # Unix seconds


def presented(authorization: Sequence[str], clients: Mapping[str, Sequence[Client]]) -> Presented:
    """The token of the Authorization headers. Raises Distrust."""
    if len(authorization) != 1 or len(authorization[0]) > MAX_TOKEN:
        raise Distrust("no-token" if not authorization else "malformed")
    found = _BEARER.fullmatch(authorization[0])
    if found is None:
        raise Distrust("malformed")
    token = found[1]
    try:
        header = jwt.get_unverified_header(token)
        claimed = _JWT.decode(token, options={"verify_signature": False})
    except _BROKEN:
        raise Distrust("malformed") from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if algorithm not in ALGORITHMS:
        raise Distrust("algorithm")
    if not isinstance(kid, str) or not kid or not isinstance(kind, str) or kind.upper() != "JWT" or "crit" in header:
        raise Distrust("header")
    issuer = claimed.get("iss")
    listed = clients.get(issuer) if isinstance(issuer, str) else None
    if not listed:
        raise Distrust("issuer")
    return Presented(token, algorithm, kid, header.get("jku"), listed)


def verified(shown: Presented, client: Client, key: Key | None, audience: Collection[str], now: float) -> Caller:
    """The caller, once signature and claims hold. Raises Distrust."""
    if not client.may_name(shown.jku):
        raise Distrust("jku")
    if key is None:
        raise Distrust("key")
    if not key.verifies(shown.algorithm):
        raise Distrust("algorithm")
    try:
        claims = _JWT.decode(
            shown.token,
            key.public,
            algorithms=[shown.algorithm],
            options={
                "require": _CLAIMS, "verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise Distrust("signature") from None
    except _BROKEN:
        raise Distrust("claims") from None
    _for_here(claims, audience)
    until = _of_now(claims, now)
    tenant, jti = claims.get("tenant"), claims["jti"]
    if claims["iss"] != client.iss or not client.speaks_for(tenant):
        raise Distrust("tenant")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise Distrust("jti")
    return Caller(client.iss, tenant if isinstance(tenant, str) else None, jti, until)


def _for_here(claims: Mapping[str, Any], audience: Collection[str]) -> None:
    given = claims["aud"]
    named = given if isinstance(given, list) else [given]
    if not any(isinstance(one, str) and one.rstrip("/") in audience for one in named):
        raise Distrust("audience")


def _of_now(claims: Mapping[str, Any], now: float) -> int:
    """Until when its jti must be remembered."""
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if not all(isinstance(t, (int, float)) and not isinstance(t, bool) and abs(t) < 1e11 for t in times.values()):
        raise Distrust("times")
    if now > times["exp"] + LEEWAY:
        raise Distrust("expired")
    if max(times["iat"], times.get("nbf", 0)) > now + LEEWAY:
        raise Distrust("early")
    if now > times["iat"] + MAX_AGE + LEEWAY:
        raise Distrust("old")
    return int(min(times["exp"], times["iat"] + MAX_AGE)) + LEEWAY + 1
