"""What real clients sent to order-sign, replayed: never 5xx, and 200 once our data is there."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.services import REQUIRED
from cds_hooks.settings import Settings

URL = "/cds-services/icans-order-sign"
CAPTURES = json.loads((Path(__file__).parents[1] / "data" / "captures.json").read_text(encoding="utf-8"))
every_capture = pytest.mark.parametrize(
    "body", [c["body"] for c in CAPTURES], ids=[c["name"] for c in CAPTURES]
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The service as it is, nothing stubbed."""
    path = tmp_path_factory.mktemp("captures") / "captures.db"
    return TestClient(create_app(Settings(database_url=f"sqlite:///{path}")))


def with_our_prefetch(body: dict[str, Any]) -> dict[str, Any]:
    """The same call, had the client filled our templates."""
    filled = deepcopy(body)
    patient = {"resourceType": "Patient", "id": body["context"]["patientId"], "birthDate": "1961-04-02"}
    none = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    ours = {"patient": patient, "administrations": none, "procedures": None, "observations": none}
    filled["prefetch"] = (body.get("prefetch") or {}) | ours
    return filled


@every_capture
def test_as_sent(client: TestClient, valid: Any, body: dict[str, Any]) -> None:
    answer = client.post(URL, json=body)
    if "draftOrders" not in body["context"]:
        expected = 400
    elif set(REQUIRED) - set(body.get("prefetch") or {}):
        expected = 412
    else:
        expected = 200
    assert answer.status_code == expected
    valid("response.strict" if expected == 200 else "operation-outcome", answer.json())


@every_capture
def test_with_our_data(client: TestClient, valid: Any, body: dict[str, Any]) -> None:
    answer = client.post(URL, json=with_our_prefetch(body))
    assert answer.status_code == (200 if "draftOrders" in body["context"] else 400)
    if answer.status_code == 200:
        valid("response.strict", answer.json())


@every_capture
def test_captures_are_requests(valid: Any, body: dict[str, Any]) -> None:
    """But for draftOrders that a client lost, and for the empty access_token another sends."""
    if "draftOrders" in body["context"]:
        valid("request.lenient", {name: value for name, value in body.items() if name != "fhirAuthorization"})
