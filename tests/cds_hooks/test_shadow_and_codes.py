"""Shadow mode: evaluated, recorded, no card sent, said everywhere; a site's own codes stand first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from charts import NOW, ago, domain, encoded, hook, infusion, patient, score
from starlette.testclient import TestClient

from cds_hooks.app import create_app
from cds_hooks.settings import Settings, SettingsError, load
from cds_hooks.store import Store

URL = "/cds-services/icans-order-sign"
SEVERE = hook(patient(50), infusion(ago(days=3)), score("ice-score", 1), domain("consciousness", "loc-alert"), drafts=[])


def test_shadow_answers_no_card_and_keeps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(f"sqlite:///{tmp_path / 'shadow.db'}")
    client = TestClient(create_app(Settings(shadow=True), store=store, clock=lambda: NOW))
    services = client.get("/cds-services").json()["services"]
    assert all(s["description"].startswith("SHADOW MODE: ") for s in services)
    answer = client.post(URL, content=encoded(SEVERE), headers={"content-type": "application/json"})
    assert answer.json() == {"cards": []}
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) == 2
    assert all(line["shadow"] is True for line in lines)
    assert lines[1]["cards"] > 0, "what would have been shown is counted"
    kept = store.decision(lines[1]["decision"])
    assert kept is not None
    assert kept["record"]["shadow"] is True
    assert len(kept["cards"]) == lines[1]["cards"]
    store.close()


def test_without_shadow_nothing_says_shadow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(f"sqlite:///{tmp_path / 'open.db'}")
    client = TestClient(create_app(Settings(), store=store, clock=lambda: NOW))
    assert "SHADOW" not in client.get("/cds-services").text
    assert client.post(URL, content=encoded(SEVERE), headers={"content-type": "application/json"}).json()["cards"]
    assert "shadow" not in capsys.readouterr().err
    store.close()


def test_a_sites_own_codes_stand_first(tmp_path: Path) -> None:
    own = {"system": "urn:example:preference-list", "code": "DEX10Q6"}
    codes = tmp_path / "codes.json"
    codes.write_text(json.dumps({"dexamethasone-every-6-h": own, "eeg": {**own, "code": "EEG1", "display": "EEG routine"}}))
    store = Store(f"sqlite:///{tmp_path / 'codes.db'}")
    client = TestClient(create_app(Settings(order_codes=codes), store=store, clock=lambda: NOW))
    cards = client.post(URL, content=encoded(SEVERE), headers={"content-type": "application/json"}).json()["cards"]
    created = [s["actions"][0]["resource"] for c in cards for s in c.get("suggestions", [])]
    steroid = [r["medicationCodeableConcept"]["coding"] for r in created if r["resourceType"] == "MedicationRequest"]
    assert [own, "3264"] in [[codings[0], codings[1]["code"]] for codings in steroid if len(codings) > 1]
    assert any(r.get("code", {}).get("coding", [{}])[0].get("code") == "EEG1" for r in created)
    store.close()


@pytest.mark.parametrize("content", ["[]", "{", '{"eeg": {"code": "x"}}', '{"eeg": {"system": "s", "code": ""}}'])
def test_codes_that_cannot_be_used_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    path = tmp_path / "codes.json"
    path.write_text(content)
    for value in (str(path), str(tmp_path / "nowhere.json")):
        monkeypatch.setenv("ICANS_ORDER_CODES", value)
        with pytest.raises(SettingsError, match=r"ICANS_ORDER_CODES=.*: expected the path of a JSON object"):
            load()
