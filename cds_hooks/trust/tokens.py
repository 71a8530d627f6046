"""One client token (JWT) checked: who signed it, for which URL, when. Every refusal looks the same outside."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import jwt
import msgspec

from cds_hooks.trust.clients import Client
from cds_hooks.trust.keys import ALGORITHMS, Key

LEEWAY = 30  # seconds of clock skew
MAX_AGE = 3600  # seconds after iat: how long a jti has to be remembered, whatever exp says
MAX_TOKEN = 8_192  # characters
MAX_JTI = 1_000  # characters
SLOW = ("ES384", "ES512")  # half a millisecond to verify: done in a thread

_BEARER = re.compile(r"Bearer +(([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+) *", re.IGNORECASE)
_JWS = jwt.PyJWS()
_BROKEN = (jwt.PyJWTError, msgspec.DecodeError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError)


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str
    jku: str | None = None
    crit: msgspec.Raw = msgspec.Raw()


class _Issuer(msgspec.Struct):
    iss: str


class _Claims(msgspec.Struct):
    """Types as RFC 7519 has them: a number is never a text or true, nor infinite."""

    iss: str
    aud: str | list[str]
    exp: float
    iat: float
    jti: str
    nbf: float = 0.0
    tenant: str | None = None


_header = msgspec.json.Decoder(_Header)
_issuer = msgspec.json.Decoder(_Issuer)
_claims = msgspec.json.Decoder(_Claims)


class Distrust(Exception):  # noqa: N818  (an answer, not a failure)
    """Why a token is refused, in one word for the log; the caller is never told."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A token as it came, nothing of it believed yet: the clients of its issuer, and how it says it is signed."""

    token: str
    algorithm: str
    kid: str
    jku: str | None
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
    try:
        header, issuer = _header.decode(_plain(found[2])), _issuer.decode(_plain(found[3])).iss
    except _BROKEN:
        raise Distrust("malformed") from None
    if header.alg not in ALGORITHMS:
        raise Distrust("algorithm")
    if not header.kid or header.typ.upper() != "JWT" or bytes(header.crit):
        raise Distrust("header")
    listed = clients.get(issuer)
    if not listed:
        raise Distrust("issuer")
    return Presented(found[1], header.alg, header.kid, header.jku, listed)


def verified(shown: Presented, client: Client, key: Key | None, audience: Collection[str], now: float) -> Caller:
    """The caller, once signature and claims hold. Raises Distrust."""
    if not client.may_name(shown.jku):
        raise Distrust("jku")
    if key is None:
        raise Distrust("key")
    if not key.verifies(shown.algorithm):
        raise Distrust("algorithm")
    try:
        signed = _JWS.decode_complete(shown.token, key.public, algorithms=[shown.algorithm])
        claims = _claims.decode(signed["payload"])
    except jwt.InvalidSignatureError:
        raise Distrust("signature") from None
    except _BROKEN:
        raise Distrust("claims") from None
    _for_here(claims, audience)
    until = _of_now(claims, now)
    if claims.iss != client.iss or not client.speaks_for(claims.tenant):
        raise Distrust("tenant")
    if not 0 < len(claims.jti) <= MAX_JTI:
        raise Distrust("jti")
    return Caller(client.iss, claims.tenant, claims.jti, until)


def _plain(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _for_here(claims: _Claims, audience: Collection[str]) -> None:
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if not any(one.rstrip("/") in audience for one in named):
        raise Distrust("audience")


def _of_now(claims: _Claims, now: float) -> int:
    """Until when its jti must be remembered."""
    if now > claims.exp + LEEWAY:
        raise Distrust("expired")
    if max(claims.iat, claims.nbf) > now + LEEWAY:
        raise Distrust("early")
    if now > claims.iat + MAX_AGE + LEEWAY:
        raise Distrust("old")
    return int(min(claims.exp, claims.iat + MAX_AGE)) + LEEWAY + 1
