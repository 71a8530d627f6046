"""A CDS client with its keys, and the tokens it signs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISS = "https://ehr.example.org"
BASE = "https://cds.example.org"
JKU = "https://keys.example.org/jwks.json"
KEYS: dict[str, Any] = {
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS384": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
ATTACKER = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half, as published."""
    made = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    return {**made.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def jwks(*kids: str) -> dict[str, Any]:
    return {"keys": [jwk(KEYS[kid], kid, alg=kid) for kid in kids or KEYS]}


def token(url: str, alg: str = "ES384", key: Any = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A good token for a URL. A claim or header changed to ... is left out; a function is given the time."""
    now = int(time.time())
    good = {"iss": ISS, "aud": url, "exp": now + 300, "iat": now, "jti": uuid4().hex}
    payload = {k: v(now) if callable(v) else v for k, v in (good | claims).items() if v is not ...}
    head = {name: value for name, value in ({"kid": alg} | (headers or {})).items() if value is not ...}
    return jwt.encode(payload, KEYS[alg] if key is None else key, algorithm=alg, headers=head)


def clients_file(folder: Path, *clients: dict[str, Any]) -> Path:
    """ICANS_CLIENTS; by default one client with its keys in a file."""
    (folder / "jwks.json").write_text(json.dumps(jwks()))
    path = folder / "clients.json"
    path.write_text(json.dumps(list(clients) or [{"iss": ISS, "jwks": "jwks.json"}]))
    return path
