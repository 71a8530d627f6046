"""Keys: from a file or a pinned jku, cached, rotated, and only those fit for signatures."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import responses
from clients import JKU, KEYS, clients_file, jwk, jwks
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cds_hooks.settings import SettingsError
from cds_hooks.trust import clients, keys
from cds_hooks.trust.keys import Key, Keys


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until it is moved."""
    at = [1000.0]
    monkeypatch.setattr(keys, "monotonic", lambda: at[0])
    return at


@pytest.fixture
def published() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_keys_are_fetched_once_and_kept(published: Any, now: list[float]) -> None:
    published.get(JKU, json=jwks())
    found = Keys(None, JKU)
    assert found.find("ES384") is not None
    now[0] += keys.FRESH - 1
    assert found.find("RS384") is not None
    assert len(published.calls) == 1
    now[0] += 2
    assert found.find("RS384") is not None
    assert len(published.calls) == 2


def test_a_new_kid_is_looked_for_but_not_by_every_token(published: Any, now: list[float]) -> None:
    published.get(JKU, json=jwks("ES384"))
    found = Keys(None, JKU)
    assert found.find("RS384") is None
    published.replace(responses.GET, JKU, json=jwks("RS384"))
    assert found.find("RS384") is None
    assert len(published.calls) == 1
    now[0] += keys.PAUSE
    assert found.find("RS384") is not None
    assert found.find("ES384") is None, "a key that is no longer published is no longer taken"


def test_keys_outlive_a_source_that_is_down_for_a_day(published: Any, now: list[float]) -> None:
    published.get(JKU, json=jwks("ES384"))
    found = Keys(None, JKU)
    assert found.find("ES384") is not None
    published.replace(responses.GET, JKU, status=500)
    now[0] += keys.MAX_STALE
    assert found.find("ES384") is not None
    now[0] += keys.PAUSE + 1
    assert found.find("ES384") is None


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"status": 302, "headers": {"location": "https://evil.example.org/jwks.json"}},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b'{"keys": {}}'},
        {"body": b'{"keys": []}'},
        {"body": b"[" * 100_000},
        {"body": b" " * (keys.MAX_BYTES + 1)},
        {"body": ConnectionError("refused")},
        {"json": {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}},
    ],
    ids=lambda a: str(a)[:40],
)
def test_what_is_no_key_set(published: Any, answer: dict[str, Any]) -> None:
    published.get(JKU, **answer)
    with pytest.raises(ValueError, match=r"answered|keys|key|reached") as error:
        Keys(None, JKU).read()
    assert "evil" not in str(error.value)
    assert len(published.calls) == 1


def test_only_public_signature_keys_of_a_set_are_used() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    other_curve = ec.generate_private_key(ec.SECP256K1())
    listed = [
        jwk(small, "small"), jwk(other_curve, "curve"), jwk(KEYS["ES384"], "enc") | {"use": "enc"}, "text", None, {},
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}, {"kty": "EC", "kid": "broken", "crv": "P-384", "x": "AA", "y": "AA"},
        jwk(KEYS["ES384"], "ES384") | {"kid": 7}, jwk(KEYS["RS384"], "oaep", alg="RSA-OAEP"), jwk(KEYS["ES384"], "good"),
    ]  # fmt: skip
    assert list(keys._keys(json.dumps({"keys": listed}).encode())) == ["good"]


def test_a_private_key_given_by_mistake_is_read_as_its_public_half() -> None:
    private = json.loads(__import__("jwt").algorithms.ECAlgorithm.to_jwk(KEYS["ES384"])) | {"kid": "a"}
    (found,) = keys._keys(json.dumps({"keys": [private]}).encode()).values()
    assert not hasattr(found.public, "private_numbers")


@pytest.mark.parametrize(
    ("kid", "named", "algorithm", "fits"),
    [
        ("ES384", None, "ES384", True),
        ("ES384", "ES384", "ES384", True),
        ("ES384", "ES256", "ES384", False),
        ("ES384", None, "ES256", False),
        ("ES384", None, "RS384", False),
        ("RS384", None, "RS256", True),
        ("RS384", "RS384", "RS256", False),
        ("RS384", None, "ES384", False),
        ("RS384", None, "HS256", False),
        ("RS384", None, "none", False),
    ],
)
def test_a_key_verifies_its_own_algorithms(kid: str, named: str | None, algorithm: str, fits: bool) -> None:
    assert Key(KEYS[kid].public_key(), named).verifies(algorithm) is fits


def test_a_key_file_is_read_again(tmp_path: Path, now: list[float]) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(jwks("ES384")))
    found = Keys(path, None)
    assert found.find("ES384") is not None
    path.write_text(json.dumps(jwks("RS384")))
    now[0] += keys.PAUSE
    assert found.find("RS384") is not None


def test_a_source_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte every 50 ms, in the header, for ever: the time of a read is never exceeded, that of the call is."""
    import threading
    import time

    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    monkeypatch.setattr(keys, "TIMEOUT", 0.4)
    began = time.perf_counter()
    with pytest.raises(ValueError, match="in time"):
        Keys(None, f"http://127.0.0.1:{listener.getsockname()[1]}/jwks").read()
    assert time.perf_counter() - began < 2
    listener.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "expected a list"),
        ("{}", "expected a list"),
        ("[]", "no client"),
        ('[{"iss": "a"}]', "entry 0"),
        ('[{"iss": "", "jwks": "jwks.json"}]', "entry 0"),
        ('[{"iss": "a", "jwks": "jwks.json"}, {"jwks": "jwks.json"}]', "iss"),
        ('[{"iss": "a", "jwks": "nowhere.json"}]', "nowhere.json"),
        ('[{"iss": "a", "jwks": "clients.json"}]', "clients.json"),
        ('[{"iss": "a", "jku": "http://keys.example.org/jwks"}]', "https"),
        ('[{"iss": "a", "jku": "file:///etc/passwd"}]', "https"),
        ('[{"iss": "a", "jwks": "jwks.json", "secret": "x"}]', "secret"),
    ],
)
def test_a_list_of_clients_that_cannot_be_used_is_said(tmp_path: Path, content: str, says: str) -> None:
    path = clients_file(tmp_path)
    path.write_text(content)
    with pytest.raises(SettingsError, match=says) as error:
        clients.load(path)
    assert str(error.value).startswith("ICANS_CLIENTS: ")
