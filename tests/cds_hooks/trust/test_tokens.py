"""A good token passes; everything else is one and the same 401."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from clients import ATTACKER, BASE, ISS, JKU, KEYS, clients_file, jwk, token
from cryptography.hazmat.primitives import serialization
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.settings import Settings
from cds_hooks.store import Store

PATH = "/cds-services/icans-order-sign"
URL = f"{BASE}{PATH}"
BODY = {"hook": "order-sign", "hookInstance": "i"}  # 400 once let in


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("trust")
    database = f"sqlite:///{folder / 'trust.db'}"
    settings = Settings(
        trust="jwt", clients=clients_file(folder), base_url=BASE, database_url=database, rate_limit=0, demo=True
    )
    store = Store(database)
    yield TestClient(create_app(settings, store=store))
    store.close()


def post(client: TestClient, shown: str | None, path: str = PATH, **headers: str) -> Any:
    authorization = {} if shown is None else {"authorization": f"Bearer {shown}"}
    return client.post(path, json=BODY, headers=authorization | headers)


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    now = int(time.time())
    claims = {"iss": ISS, "aud": URL, "exp": now + 300, "iat": now, "jti": uuid4().hex}
    return f"{b64({'alg': alg, 'kid': 'ES384', 'typ': 'JWT'})}.{b64(claims)}."


def with_public_key_as_secret() -> str:
    pem = KEYS["RS384"].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = unsigned("HS256").rstrip(".")
    return f"{signed}.{b64(hmac.digest(pem, signed.encode(), 'sha256'))}"


def flipped(good: str) -> str:
    head, body, signature = good.split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{b64(changed | {'exp': changed['exp'] + 1})}.{signature}"


BAD = {
    "none": lambda: None,
    "empty": lambda: "",
    "no JWT": lambda: "abc",
    "three dots": lambda: "a.b.c",
    "forged": lambda: token(URL, key=ATTACKER),
    "changed": lambda: flipped(token(URL)),
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "no signature": lambda: unsigned("ES384"),
    "public key as secret": with_public_key_as_secret,
    "alg of another key": lambda: token(URL, alg="RS384", key=KEYS["RS256"], headers={"kid": "RS256"}),
    "key of another kid": lambda: token(URL, headers={"kid": "RS384"}),
    "unknown kid": lambda: token(URL, headers={"kid": "other"}),
    "no kid": lambda: token(URL, headers={"kid": ...}),
    "typ": lambda: token(URL, headers={"typ": "at+jwt"}),
    "no typ": lambda: token(URL, headers={"typ": None}),
    "crit": lambda: token(URL, headers={"crit": ["x"], "x": 1}),
    "jwk in the header": lambda: token(URL, key=ATTACKER, headers={"jwk": jwk(ATTACKER, "ES384")}),
    "unknown issuer": lambda: token(URL, iss="https://evil.example.org"),
    "no issuer": lambda: token(URL, iss=...),
    "jku swapped": lambda: token(URL, headers={"jku": "https://evil.example.org/jwks.json"}),
    "jku no text": lambda: token(URL, headers={"jku": 7}),
    "another URL": lambda: token(f"{BASE}/cds-services/icans-patient-view"),
    "another host": lambda: token(f"https://other.example.org{PATH}"),
    "the base": lambda: token(BASE),
    "feedback at the service": lambda: token(f"{URL}/feedback"),
    "longer URL": lambda: token(f"{URL}x"),
    "audience by case": lambda: token(URL.upper()),
    "no audience": lambda: token(URL, aud=...),
    "empty audience": lambda: token(URL, aud=[]),
    "audience of objects": lambda: token(URL, aud=[{"a": 1}]),
    "expired": lambda: token(URL, exp=lambda now: now - 3600, iat=lambda now: now - 3900),
    "just expired": lambda: token(URL, exp=lambda now: now - 40, iat=lambda now: now - 300),
    "no exp": lambda: token(URL, exp=...),
    "exp as text": lambda: token(URL, exp=lambda now: str(now + 300)),
    "exp true": lambda: token(URL, exp=True),
    "exp infinite": lambda: token(URL, exp=float("inf")),
    "exp not a number": lambda: token(URL, exp=float("nan")),
    "exp a list": lambda: token(URL, exp=lambda now: [now + 300]),
    "no iat": lambda: token(URL, iat=...),
    "from the future": lambda: token(URL, iat=lambda now: now + 600),
    "nbf in the future": lambda: token(URL, nbf=lambda now: now + 600),
    "issued long ago": lambda: token(URL, iat=lambda now: now - 86_400, exp=lambda now: now + 86_400),
    "no jti": lambda: token(URL, jti=...),
    "empty jti": lambda: token(URL, jti=""),
    "jti a number": lambda: token(URL, jti=7),
    "endless jti": lambda: token(URL, jti="x" * 2000),
    "endless token": lambda: token(URL, more="x" * 20_000),
    "deep token": lambda: f"{b64(b'[' * 5000)}.{b64(b'[' * 5000)}.{b64(b'x')}",
}


@pytest.mark.parametrize("alg", ["ES384", "RS384", "ES256", "RS256"])
def test_a_good_token_passes(client: TestClient, alg: str) -> None:
    assert post(client, token(URL, alg)).status_code == 400  # the body is incomplete: it was read


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [URL, "https://elsewhere.example.org"]},
        {"aud": f"{URL}/"},
        {"exp": lambda now: now + 86_400},  # a client that makes tokens for a day
        {"nbf": lambda now: now - 300, "sub": "client-id"},  # Epic
        {"exp": lambda now: now - 20, "iat": lambda now: now - 300},  # a clock that differs
        {"iat": lambda now: now + 20},
        {"iat": lambda now: now + 0.5},
        {"tenant": "ward"},
    ],
)
def test_a_good_token_in_other_forms(client: TestClient, claims: dict[str, Any]) -> None:
    assert post(client, token(URL, **claims)).status_code == 400


def test_a_jku_of_the_issuers_own_host_is_decoration(client: TestClient) -> None:
    assert post(client, token(URL, headers={"jku": f"{ISS}/.well-known/jwks.json"})).status_code == 400


@pytest.mark.parametrize("aud", [f"{URL}/feedback", URL])
def test_feedback_takes_both_urls(client: TestClient, aud: str) -> None:
    item = {"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-22T21:25:04Z"}
    headers = {"authorization": f"Bearer {token(aud)}"}
    assert client.post(f"{PATH}/feedback", json={"feedback": [item]}, headers=headers).status_code == 200


def test_every_bad_token_has_the_same_401(client: TestClient, valid: Any) -> None:
    bodies = set()
    for name, bad in BAD.items():
        answer = post(client, bad())
        assert answer.status_code == 401, name
        assert answer.headers["www-authenticate"] == "Bearer", name
        bodies.add((answer.content, tuple(k for k in answer.headers if k != "x-request-id")))
    assert len(bodies) == 1
    valid("operation-outcome", post(client, None).json())


def test_a_token_is_used_once(client: TestClient) -> None:
    shown = token(URL)
    assert post(client, shown).status_code == 400
    again = post(client, shown)
    assert (again.status_code, again.content) == (401, post(client, None).content)


def test_a_refused_token_does_not_use_up_its_jti(client: TestClient) -> None:
    jti = uuid4().hex
    assert post(client, token(URL, key=ATTACKER, jti=jti)).status_code == 401
    assert post(client, token(URL, jti=jti)).status_code == 400


@pytest.mark.parametrize("scheme", ["Basic", "Token", "bearer,Bearer", ""])
def test_only_the_bearer_scheme(client: TestClient, scheme: str) -> None:
    answer = client.post(PATH, json=BODY, headers={"authorization": f"{scheme} {token(URL)}"})
    assert answer.status_code == 401


def test_the_scheme_has_no_case_and_comes_once(client: TestClient) -> None:
    assert client.post(PATH, json=BODY, headers={"authorization": f"bearer {token(URL)}"}).status_code == 400
    twice = [("authorization", f"Bearer {token(URL)}"), ("authorization", f"Bearer {token(URL)}")]
    assert client.post(PATH, json=BODY, headers=twice).status_code == 401


def test_what_is_public_and_what_is_not(client: TestClient) -> None:
    for path in ("/cds-services", "/cds-services/", "/healthz", "/fhir/metadata", "/fhir/CodeSystem", "/demo"):
        assert client.get(path).status_code == 200, path
    for method, path in [
        ("POST", PATH), ("POST", f"{PATH}/"), ("POST", f"{PATH}/feedback"), ("POST", "/fhir/$evaluate-icans"),
        ("POST", "/cds-services/unknown"), ("GET", "/anything"), ("PUT", PATH), ("POST", "/cds-services"),
        ("GET", "/cds-servicesx"), ("GET", "/fhir/Patient/1"),
    ]:  # fmt: skip
        assert client.request(method, path).status_code == 401, (method, path)


def test_evaluate_is_called_with_a_token_of_its_url(client: TestClient) -> None:
    headers = {"authorization": f"Bearer {token(f'{BASE}/fhir/$evaluate-icans')}"}
    assert client.post("/fhir/$evaluate-icans", json={"resourceType": "Bundle"}, headers=headers).status_code == 422


def test_a_preflight_needs_no_token_and_by_default_allows_no_origin(client: TestClient) -> None:
    asked = {"origin": "https://evil.example.org", "access-control-request-method": "POST"}
    answer = client.options(PATH, headers=asked)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in client.get("/cds-services", headers=asked).headers
    assert client.options(PATH).status_code == 204


def test_the_reason_is_in_the_log_and_the_token_is_not(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = token(URL, exp=lambda now: now - 3600, iat=lambda now: now - 3900, jti="secret-jti")
    post(client, shown)
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (line["status"], line["refused"]) == (401, "token: expired")
    assert not any(part in json.dumps(line) for part in [*shown.split("."), "secret-jti"])


def test_browsers_of_listed_origins_may_call_and_see_why_not(tmp_path: Path) -> None:
    origin = "https://ehr.example.org"
    settings = Settings(
        trust="jwt", clients=clients_file(tmp_path), base_url=BASE, cors_origins=(origin,),
        database_url=f"sqlite:///{tmp_path / 't.db'}",
    )  # fmt: skip
    browser = TestClient(create_app(settings))
    asked = {"origin": origin, "access-control-request-method": "POST"}
    preflight = browser.options(PATH, headers=asked | {"access-control-request-headers": "authorization,content-type"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    refused = browser.post(PATH, json=BODY, headers={"origin": origin})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, origin)
    assert "access-control-allow-credentials" not in refused.headers
    evil = browser.post(PATH, json=BODY, headers={"origin": "https://evil.example.org"})
    assert "access-control-allow-origin" not in evil.headers


def test_a_tenant_is_one_of_those_listed(tmp_path: Path) -> None:
    listed = [
        {"iss": ISS, "jwks": "jwks.json", "tenant": "north"},
        {"iss": ISS, "jwks": "jwks.json", "tenant": ["south", "east"]},
    ]
    settings = Settings(
        trust="jwt", clients=clients_file(tmp_path, *listed), base_url=BASE,
        database_url=f"sqlite:///{tmp_path / 't.db'}",
    )  # fmt: skip
    tenants = TestClient(create_app(settings))
    for tenant, status in [("north", 400), ("east", 400), ("west", 401), (["north"], 401), (..., 401)]:
        assert post(tenants, token(URL, tenant=tenant)).status_code == status, tenant


def test_no_token_makes_the_service_open_a_connection(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *given: opened.append(given))
    hostile = {"jku": JKU, "x5u": JKU, "jwk": jwk(ATTACKER, "a"), "x5c": ["MA=="]}
    for kid in ("ES384", "new"):
        for key in (ATTACKER, KEYS["ES384"]):
            assert post(client, token(URL, key=key, headers=hostile | {"kid": kid})).status_code == 401
    assert opened == []


def test_pyjwt_would_sign_what_we_call_good() -> None:
    """The helper itself: the tokens are what PyJWT verifies with the published key."""
    key = jwt.PyJWK(jwk(KEYS["ES384"], "ES384", alg="ES384"))
    assert jwt.decode(token(URL), key, audience=URL, algorithms=["ES384"])["iss"] == ISS
