"""The service with its SMART app, and an EHR to launch it from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from charts import NOW, ago, domain, infusion, patient, score
from smart_server import CLIENT, LAUNCH, SECRET, Ehr, running
from starlette.applications import Starlette

from cds_hooks.app import create_app
from cds_hooks.settings import Settings
from cds_hooks.store import Store

CHART = [
    patient(50, name=[{"family": "Ward", "given": ["Ada"]}], gender="female"),
    infusion(ago(days=3)),
    score("ice-score", 9, ago(hours=5)),
    domain("consciousness", "loc-alert", ago(hours=5)),
]


@dataclass
class Launched:
    """A service and its EHR on this machine."""

    url: str
    ehr: Ehr
    store: Store

    def browser(self) -> requests.Session:
        """A browser of its own: cookies, redirects."""
        return requests.Session()

    def launch(self, browser: requests.Session, **more: str) -> requests.Response:
        return browser.get(f"{self.url}/smart/launch", params={"iss": self.ehr.iss, "launch": LAUNCH} | more, timeout=20)

    def order_sign(self) -> list[dict[str, Any]]:
        """The cards of an order signed now, everything fetched from the EHR."""
        body = {
            "hook": "order-sign",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "fhirServer": self.ehr.iss,
            "fhirAuthorization": {"access_token": self.ehr.token(), "token_type": "Bearer", "expires_in": 300},
            "context": {"userId": "Practitioner/u", "patientId": self.ehr.patient, "draftOrders": {"resourceType": "Bundle"}},
        }
        answer = requests.post(f"{self.url}/cds-services/icans-order-sign", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        cards: list[dict[str, Any]] = answer.json()["cards"]
        return cards


Start = Callable[..., Launched]


@contextmanager
def served(folder: Path, ehr: Ehr, **settings: Any) -> Iterator[Launched]:
    """Both, each knowing the other's address."""
    with ExitStack() as stack:
        ehr.base = stack.enter_context(running(ehr.app()))
        front = Starlette()
        url = stack.enter_context(running(front))
        ehr.redirect_uri = f"{url}/smart/callback"
        entry = {"iss": ehr.iss, "client_id": CLIENT, "name": "Test EHR"}
        if ehr.confidential:
            (folder / "secret").write_text(f"{SECRET}\n")
            entry["client_secret_file"] = "secret"
        (folder / "servers.json").write_text(json.dumps([entry]))
        chosen = Settings(
            database_url=f"sqlite:///{folder}/smart.db",
            base_url=url,
            smart_servers=folder / "servers.json",
            fhir_servers=(ehr.iss,),
            fetch_ms=5000,
            **settings,
        )
        store = Store(chosen.database_url)
        front.mount("/", create_app(chosen, store=store, clock=lambda: NOW))
        yield Launched(url, ehr, store)
        store.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a service beside an EHR with a small chart; `ehr` changes the EHR, the rest are settings."""
    with ExitStack() as stack:

        def made(ehr: dict[str, Any] | None = None, **settings: Any) -> Launched:
            one = Ehr(**({"records": [dict(r) for r in CHART]} | (ehr or {})))
            return stack.enter_context(served(tmp_path, one, **settings))

        yield made
