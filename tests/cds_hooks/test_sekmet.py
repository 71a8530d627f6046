"""Against a real FHIR server (SEKMET, bearer mode): what was not sent is read, searched and paged."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import charts
import pytest
import requests
from charts import LOINC, NOW, ago, concept, domain, hook, infusion, observation, order, patient, score
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.services import PREFETCH
from cds_hooks.settings import Settings

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv" / "sekmet"  # an environment of its own
LOCK = ROOT / "tests/tools/sekmet.lock"
TOKEN = "a-bearer-token"
pytestmark = pytest.mark.long

OTHERS = [observation(f"sodium-{n}", concept(LOINC, "2951-2"), {"valueInteger": n}, ago(hours=30)) for n in range(400)]
CHART = [patient(50), infusion(ago(days=3)), score("ice-score", 5), domain("consciousness", "loc-alert"), order("1597258"), *OTHERS]


def installed() -> Path:
    """The program, installed from the lock the first time."""
    program = HOME / "bin" / "sekmet"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        install = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--require-hashes", "-r", str(LOCK)]
        subprocess.run([str(HOME / "bin" / "python"), *install], check=True)
    return program


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SEKMET with the chart in it."""
    folder, port = tmp_path_factory.mktemp("sekmet"), free_port()
    url = f"http://127.0.0.1:{port}/fhir"
    settings = {
        "host": "127.0.0.1", "port": port, "base_url": url, "simulator": {"enabled": False},
        "server_auth": {"types": ["bearer"], "tokens": [TOKEN]},
    }  # fmt: skip
    (folder / "settings.yaml").write_text(json.dumps(settings))  # JSON is YAML
    program = installed()
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, "serve", "-c", "settings.yaml"], cwd=folder, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)})
    try:
        _wait_for(f"{url}/metadata")
        entries = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in CHART
        ]
        loaded = requests.post(
            url,
            json={"resourceType": "Bundle", "type": "transaction", "entry": entries},
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=60,
        )
        assert loaded.status_code == 200, loaded.text[:500]
        yield url
    finally:
        running.terminate()
        running.wait(10)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=2).status_code in (200, 401):
                return
        time.sleep(0.2)
    raise AssertionError("SEKMET does not answer")


def call(base: str, token: str, *sent: str) -> dict[str, Any]:
    body = hook(*CHART, leave_out=tuple(key for key in PREFETCH if key not in sent))
    return body | {"fhirServer": base, "fhirAuthorization": {"access_token": token, "token_type": "Bearer"}}


def service(folder: Path, base: str, fetch_ms: int = 5000) -> TestClient:
    settings = Settings(database_url=f"sqlite:///{folder / 's.db'}", fhir_servers=(base,), fetch_ms=fetch_ms)
    return TestClient(create_app(settings, clock=lambda: NOW))


def test_nothing_sent_everything_read_over_two_pages(tmp_path: Path, base: str) -> None:
    assert charts.NOW == NOW
    client = service(tmp_path, base)
    fetched = client.post("/cds-services/icans-order-sign", json=call(base, TOKEN))
    given = client.post("/cds-services/icans-order-sign", json=hook(*CHART))
    assert fetched.status_code == 200, fetched.text

    def guidance(answer: Any) -> list[Any]:
        return [(c["summary"], c["indicator"], [s["label"] for s in c.get("suggestions", [])]) for c in answer.json()["cards"]]

    assert guidance(fetched) == guidance(given) != []
    assert "first page" not in fetched.json()["cards"][0]["detail"]


def test_the_default_budget_is_enough_for_a_server_that_is_near(tmp_path: Path, base: str) -> None:
    client = service(tmp_path, base, fetch_ms=500)
    began = time.perf_counter()
    answer = client.post("/cds-services/icans-order-sign", json=call(base, TOKEN, "administrations", "procedures"))
    assert answer.status_code == 200, answer.text
    assert time.perf_counter() - began < 1


def test_a_token_it_does_not_know_is_said(tmp_path: Path, base: str) -> None:
    answer = service(tmp_path, base).post("/cds-services/icans-order-sign", json=call(base, "another"))
    assert answer.status_code == 412
    assert "answered 401: it refuses the access token" in answer.text
