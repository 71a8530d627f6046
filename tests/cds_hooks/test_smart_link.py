"""The card's link to the SMART app: with a launch URL only, and the decision it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from charts import NOW, ago, domain, hook, infusion, patient, score
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.serving import CannotServe, serve
from cds_hooks.settings import Settings, SettingsError, load

SEVERE = hook(patient(50), infusion(ago(days=3)), score("ice-score", 1), domain("consciousness", "loc-alert"), drafts=[])
LAUNCH = "https://cds.example.org/smart/launch"


def answer(folder: Path, **settings: Any) -> tuple[dict[str, Any], str]:
    app = create_app(Settings(database_url=f"sqlite:///{folder}/l.db", **settings), clock=lambda: NOW)
    body = TestClient(app).post("/cds-services/icans-order-sign", json=SEVERE).json()
    with app.state.store.engine.connect() as connection:
        decision = connection.exec_driver_sql("select id from decisions").scalar_one()
    app.state.store.close()
    return body, str(decision)


def test_every_card_links_to_the_app_with_its_decision(tmp_path: Path, valid: Any) -> None:
    body, decision = answer(tmp_path, smart_launch_url=LAUNCH)
    valid("response.strict", body)
    assert body["cards"]
    for card in body["cards"]:
        smart = [link for link in card["links"] if link["type"] == "smart"]
        assert [link["url"] for link in smart] == [LAUNCH]
        assert json.loads(smart[0]["appContext"])["decision"].replace("-", "") == decision.replace("-", "")


def test_without_a_launch_url_there_is_no_smart_link(tmp_path: Path) -> None:
    body, _ = answer(tmp_path)
    assert body["cards"]
    assert "smart" not in {link["type"] for card in body["cards"] for link in card.get("links", [])}


@pytest.mark.parametrize("url", ["http://cds.example.org/smart/launch", "/smart/launch", "https://"])
def test_a_launch_url_that_no_ehr_could_open_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ICANS_SMART_LAUNCH_URL", url)
    with pytest.raises(SettingsError, match="ICANS_SMART_LAUNCH_URL"):
        load()


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("[]", "a list of objects"),
        ('[{"iss": "https://a.example.org/fhir"}]', "client_id"),
        ('[{"iss": "http://a.example.org/fhir", "client_id": "x"}]', "https URL"),
        ('[{"iss": "https://a.example.org", "client_id": "x", "client_secret_file": "none"}]', "client_secret_file"),
        ('[{"iss": "https://a.example.org", "client_id": "x"}, {"iss": "https://a.example.org/", "client_id": "y"}]', "listed twice"),
        ("nonsense", "ICANS_SMART_SERVERS"),
    ],
)
def test_a_list_of_servers_with_a_slip_is_said_by_place(tmp_path: Path, entries: str, said: str) -> None:
    path = tmp_path / "servers.json"
    path.write_text(entries)
    chosen = Settings(database_url=f"sqlite:///{tmp_path}/s.db", smart_servers=path, base_url="http://127.0.0.1:8000")
    with pytest.raises(SettingsError, match=said):
        create_app(chosen)


def test_the_app_needs_one_process_and_its_own_address(tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    path.write_text('[{"iss": "https://a.example.org", "client_id": "x"}]')
    chosen = Settings(database_url=f"sqlite:///{tmp_path}/s.db", smart_servers=path)
    with pytest.raises(CannotServe, match="--workers 1"):
        serve(chosen, "127.0.0.1", 0, workers=2)
    with pytest.raises(SettingsError, match="ICANS_BASE_URL"):
        create_app(chosen)
