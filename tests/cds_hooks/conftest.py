"""An app on a file database, with the decision stubbed: what these tests ask is what HTTP does with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import postgres
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.decide import Decision
from cds_hooks.settings import Settings
from cds_hooks.store import Store
from cds_hooks.store.engine import opened

SCHEMAS = Path(__file__).parents[2] / "cds_hooks" / "schemas"
NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
URL = "/cds-services/icans-order-sign"

Validate = Callable[[str, Any], None]


@pytest.fixture(scope="session")
def valid() -> Validate:
    """Assert that a body satisfies one of cds_hooks/schemas."""

    def check(name: str, body: Any) -> None:
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        errors = [
            f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)
        ]
        assert not errors, errors

    return check


def stub_decision(decision_id: UUID, as_of: datetime = NOW) -> Decision:
    card = {
        "uuid": str(uuid5(decision_id, "corticosteroid")),
        "summary": "At least grade 2: dexamethasone",
        "indicator": "warning",
        "source": {"label": "A protocol", "topic": {"system": "urn:example", "code": "corticosteroid"}},
    }
    record = {
        "grading": {"at_least": 2, "at_most": 4},
        "advice": [{"topic": "corticosteroid", "row": "steroid-grade-2"}],
    }
    return Decision(decision_id, as_of, [card], record)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A real PostgreSQL for the tests, with one upgraded database to copy."""
    with postgres.running() as found:
        opened(found.create("template_icans"), upgrade=True).dispose()
        yield found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'a.db'}"
    cluster: postgres.Cluster = request.getfixturevalue("cluster")
    return cluster.create(f"t{uuid4().hex}", template="template_icans")


@dataclass
class Service:
    """The app under test and its store."""

    client: TestClient
    store: Store

    def post(self, body: Any, path: str = URL, **headers: str) -> Any:
        sent = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.client.post(path, content=sent, headers={"content-type": "application/json"} | headers)

    def order_sign(self, **changes: Any) -> dict[str, Any]:
        """A complete call; a change to None takes the member out."""
        call = {
            "hook": "order-sign",
            "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
            "fhirServer": "https://ehr.example.org/fhir",
            "context": {
                "userId": "Practitioner/p",
                "patientId": "icans-1",
                "encounterId": "e-1",
                "draftOrders": {"resourceType": "Bundle", "entry": []},
            },
            "prefetch": {"patient": {"resourceType": "Patient", "id": "icans-1"}, "conditions": None},
        } | changes
        return {name: member for name, member in call.items() if member is not None}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Every call is answered with one stub card."""
    monkeypatch.setattr("cds_hooks.app.gather", lambda _: None)
    monkeypatch.setattr(
        "cds_hooks.app.decide", lambda *_, as_of, decision_id, **__: stub_decision(decision_id, as_of)
    )
    store = Store(f"sqlite:///{tmp_path / 'test.db'}")
    app = create_app(Settings(max_body=20_000), store=store, clock=lambda: NOW)
    yield Service(TestClient(app, raise_server_exceptions=True), store)
    store.close()
