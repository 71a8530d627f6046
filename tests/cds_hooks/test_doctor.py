"""The doctor names what is wrong and what to do; it never shows a secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import fhir_servers as bad
import pytest
from clients import clients_file
from fhir_servers import serving
from smart_server import Ehr, running
from typer.testing import CliRunner

from cds_hooks import doctor
from cds_hooks.cli import app

CAPABLE = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ICANS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ICANS_DATABASE_URL", f"sqlite:///{tmp_path / 'd.db'}")


def examined(**settings: Any) -> tuple[int, dict[str, str]]:
    """The exit code and the lines by what they are about."""
    result = CliRunner().invoke(app, ["doctor"], env={f"ICANS_{k.upper()}": str(v) for k, v in settings.items()})
    lines = [line.split("  ", 1) if line[:4] != "FIX " else [line[:4].strip(), line[6:]] for line in result.output.splitlines()]
    return result.exit_code, {text.strip().partition(": ")[0]: f"{mark} {text.strip()}" for mark, text in lines}


def test_all_is_well(tmp_path: Path) -> None:
    with serving(bad.says(CAPABLE)) as server:
        code, lines = examined(
            trust="jwt", clients=clients_file(tmp_path), base_url="https://cds.example.org", fhir_servers=server.base
        )
    assert code == 0
    assert all(line.startswith("ok") for line in lines.values()), lines
    assert "4 keys" in lines["client https://ehr.example.org"]
    assert {"settings", "database", "knowledge", "client https://ehr.example.org"} <= set(lines)
    assert any(name.startswith("FHIR server") for name in lines)


def test_the_defaults_are_fit_for_loopback() -> None:
    code, lines = examined()
    assert code == 0
    assert lines["clients"].startswith("note")
    assert "nothing is fetched" in lines["FHIR servers"]


@pytest.mark.parametrize(
    ("settings", "line", "says"),
    [
        ({"trust": "perhaps"}, "settings", 'ICANS_TRUST=perhaps: expected "jwt"'),
        ({"database_url": "sqlite:////no/such/folder/d.db"}, "database", "cannot be opened"),
        ({"trust": "jwt"}, "clients", "no client is listed"),
        ({"protocol": __file__}, "knowledge", "icans-cds check"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(settings: dict[str, str], line: str, says: str) -> None:
    code, lines = examined(**settings)
    assert code == 1
    assert lines[line].startswith("FIX")
    assert says in lines[line]


def test_a_setting_that_is_none_is_noticed() -> None:
    code, lines = examined(protocl="x")
    assert (code, "ICANS_PROTOCL is no setting" in lines["settings"]) == (0, True)


@pytest.mark.parametrize(
    ("handle", "mark", "says"),
    [
        (bad.says(CAPABLE), "ok", "FHIR 4.0.1"),
        (bad.status(401), "note", "keeps its metadata from strangers"),
        (bad.status(404), "fix", "answered 404"),
        (bad.says(b"<html>"), "fix", "no CapabilityStatement"),
        (bad.says(CAPABLE | {"fhirVersion": "5.0.0"}), "fix", "R4"),
        (bad.status(302, location="http://127.0.0.1:9/"), "fix", "redirect"),
    ],
)
def test_fhir_servers(monkeypatch: pytest.MonkeyPatch, handle: Any, mark: str, says: str) -> None:
    with serving(handle) as server:
        monkeypatch.setenv("ICANS_FHIR_SERVERS", server.base)
        (found,) = [one for one in doctor.examined() if one.what.startswith("FHIR server")]
    assert found.state == mark
    assert says in str(found)


def test_keys_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(bad.status(500)) as server:
        path = clients_file(tmp_path, {"iss": "https://a.example.org", "jku": f"{server.base}/jwks"})
        monkeypatch.setenv("ICANS_CLIENTS", str(path))
        (found,) = [one for one in doctor.examined() if one.what.startswith("client ")]
    assert (found.state, "answered 500" in found.said, "jwks" in found.fix) == ("fix", True, True)


def test_concept_maps_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    target = {"code": "ice-score", "equivalence": "equivalent"}
    group = {"source": "urn:site", "target": "http://fhir.org/guides/icans-cds/CodeSystem/icans-assessment", "element": [{"code": "1", "target": [target]}]}
    path = tmp_path / "site.json"
    path.write_text(json.dumps({"resourceType": "ConceptMap", "id": "site", "version": "3", "group": [group]}))
    assert examined(concept_maps=path)[1]["concept maps"] == "ok concept maps: site 3"
    target["equivalence"] = "same"
    path.write_text(json.dumps({"resourceType": "ConceptMap", "group": [group]}))
    code, lines = examined(concept_maps=path)
    assert code == 1
    assert "$.group[0].element[0].target[0].equivalence" in lines["concept maps"]


def test_a_password_is_not_shown() -> None:
    _, lines = examined(database_url="postgresql://user:secret-word@127.0.0.1:9/db")
    assert lines["database"].startswith("FIX")
    assert "secret-word" not in str(lines)


@pytest.mark.parametrize(
    ("methods", "mark", "says"), [(["S256"], "ok", "public client"), (["plain"], "fix", "S256"), (None, "fix", "could not be reached")]
)
def test_smart_servers_are_asked_for_their_configuration(tmp_path: Path, methods: list[str] | None, mark: str, says: str) -> None:
    ehr = Ehr([], methods=methods)
    with running(ehr.app()) as ehr.base:
        iss = "http://127.0.0.1:9/fhir" if methods is None else ehr.iss
        (tmp_path / "smart.json").write_text(json.dumps([{"iss": iss, "client_id": "app"}]))
        _, lines = examined(smart_servers=tmp_path / "smart.json")
    line = lines[f"SMART server {iss}"]
    assert line.lower().startswith(mark)
    assert says in line


def test_a_smart_list_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "smart.json").write_text("[]")
    code, lines = examined(smart_servers=tmp_path / "smart.json")
    assert code == 1
    assert "a list of objects" in lines["SMART app"]
