"""The public keys of one client: read from a file or fetched from its pinned jku, cached, rotated."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cds_hooks import outgoing

ALGORITHMS = ("ES384", "RS384", "ES256", "RS256", "ES512", "RS512")
"""Asymmetric only: never none, never HS*. ES384 and RS384 are the two that CDS Hooks names."""
CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
MIN_RSA = 2048  # bits

FRESH = 600.0  # seconds that keys are used without a look at their source
PAUSE = 10.0  # seconds between two looks, however many unknown kids come
TIMEOUT = 3.0  # seconds for a key set
MAX_BYTES = 1_000_000
MAX_STALE = 24 * 3600.0  # seconds that keys outlive a jku that does not answer


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, and the algorithm its set names for it, if any."""

    public: EllipticCurvePublicKey | RSAPublicKey
    alg: str | None = None

    def verifies(self, algorithm: str) -> bool:
        """Whether the key is of the kind, the curve and the size of an algorithm that we take."""
        if algorithm not in ALGORITHMS or self.alg not in (None, algorithm):
            return False
        if isinstance(self.public, EllipticCurvePublicKey):
            return CURVES.get(algorithm) == self.public.curve.name
        return algorithm.startswith("RS") and self.public.key_size >= MIN_RSA


class Keys:
    """Keys by kid. Safe from many threads; one thread looks, the others use what is there."""

    def __init__(self, jwks: Path | None, jku: str | None) -> None:
        self.source = jwks if jwks is not None else jku
        self._keys: Mapping[str, Key] = {}
        self._read_at = self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def cached(self, kid: str) -> Key | None:
        """The key, if it is known and fresh: what most requests need."""
        return self._keys.get(kid) if monotonic() - self._read_at < FRESH else None

    def find(self, kid: str) -> Key | None:
        """The key of this id; looks again at the source when it is unknown or old. May wait for the network."""
        found = self.cached(kid)
        if found is not None:
            return found
        with self._lock:
            now = monotonic()
            if now - self._tried_at >= PAUSE:
                self._tried_at = now
                try:
                    self.read()
                except ValueError:
                    if now - self._read_at > MAX_STALE:
                        self._keys = {}
        return self._keys.get(kid)

    def read(self) -> int:
        """Read the source now; how many keys it holds. Raises ValueError saying why it cannot be used."""
        self._keys = _keys(self._content())
        self._read_at = monotonic()
        return len(self._keys)

    def _content(self) -> bytes:
        if isinstance(self.source, Path):
            try:
                return self.source.read_bytes()
            except OSError as error:
                raise ValueError(f"cannot be read: {error.strerror}") from None
        call = outgoing.Call(TIMEOUT)
        watch = threading.Timer(TIMEOUT, call.abort)
        watch.daemon = True
        watch.start()
        try:
            with outgoing.session(1) as using:
                answer = outgoing.get(using, str(self.source), {"Accept": "application/json"}, call, MAX_BYTES)
        except outgoing.NotHad as why:
            raise ValueError(str(why)) from None
        finally:
            watch.cancel()
        if answer.status != 200:
            raise ValueError(f"answered {answer.status}")
        return answer.body


def _keys(content: bytes) -> dict[str, Key]:
    """The signature keys of a JWK set by kid; others (other kinds, for encryption, without kid) are passed over."""
    try:
        listed = msgspec.json.decode(content)["keys"]
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        raise ValueError('is no JWK set; an object with a list of "keys" was expected')
    found: dict[str, Key] = {}
    for one in listed[:100]:
        key = _key(one)
        if key is not None:
            found.setdefault(str(one["kid"]), key)
    if not found:
        raise ValueError("holds no public EC or RSA key with a kid for signatures")
    return found


def _key(one: Any) -> Key | None:
    if not isinstance(one, dict) or one.get("kty") not in ("EC", "RSA") or one.get("use", "sig") != "sig":
        return None
    if not isinstance(one.get("kid"), str):
        return None
    public = {name: value for name, value in one.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth", "alg")}
    try:
        loaded = jwt.PyJWK(public, algorithm="ES384" if one["kty"] == "EC" else "RS384").key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(loaded, (EllipticCurvePublicKey, RSAPublicKey)):
        return None
    key = Key(loaded, one.get("alg"))
    return key if any(key.verifies(algorithm) for algorithm in ALGORITHMS) else None
