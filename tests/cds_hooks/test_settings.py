"""A setting that cannot be used is named, with its value and what was expected."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cds_hooks.serving import placed
from cds_hooks.settings import EXPECTED, Settings, SettingsError, load


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ICANS_"):
            monkeypatch.delenv(name)


def test_the_defaults() -> None:
    settings = load()
    assert settings.database_url == "sqlite:///icans-cds.db"
    assert (settings.trust, settings.demo, settings.protocol, settings.zone) == (None, False, (), None)
    assert settings.max_body == 8_000_000
    assert (settings.fetch_ms, settings.fhir_servers, settings.clients, settings.base_url) == (500, (), None, None)


def test_all_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    for path in (one, two):
        path.write_text("{}")
    monkeypatch.setenv("ICANS_TIMEZONE", "Europe/London")
    monkeypatch.setenv("ICANS_DEMO", "1")
    monkeypatch.setenv("ICANS_MAX_BODY", "1000")
    monkeypatch.setenv("ICANS_DATABASE_URL", "postgresql://u:p@host/db")
    for separator in (",", os.pathsep):
        monkeypatch.setenv("ICANS_PROTOCOL", f"{one}{separator}{two}")
        settings = load()
        assert settings.protocol == (one, two)
    assert str(settings.zone) == "Europe/London"
    assert settings.demo
    assert settings.max_body == 1000


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ICANS_TRUST", "closed"),
        ("ICANS_CLIENTS", "/no/such/clients.json"),
        ("ICANS_BASE_URL", "cds.example.org"),
        ("ICANS_BASE_URL", "ftp://cds.example.org"),
        ("ICANS_FHIR_SERVERS", "http://ehr.example.org/fhir"),
        ("ICANS_FHIR_SERVERS", "https://ehr.example.org/fhir,file:///etc/passwd"),
        ("ICANS_FHIR_SERVERS", "https://ehr.example.org/fhir?x=1"),
        ("ICANS_FHIR_SERVERS", "https://ehr.example.org/fhir/../admin"),
        ("ICANS_FHIR_SERVERS", "https://"),
        ("ICANS_CORS_ORIGINS", "ehr.example.org"),
        ("ICANS_CORS_ORIGINS", "https://*.example.org"),
        ("ICANS_RATE_LIMIT", "-1"),
        ("ICANS_FETCH_MS", "0"),
        ("ICANS_FETCH_MS", "60000"),
        ("ICANS_DEMO", "perhaps"),
        ("ICANS_TIMEZONE", "Mars/Base"),
        ("ICANS_TIMEZONE", "../etc/passwd"),
        ("ICANS_MAX_BODY", "0"),
        ("ICANS_MAX_BODY", "big"),
        ("ICANS_PROTOCOL", "/no/such/file.json"),
        ("ICANS_DATABASE_URL", "mysql://host/db"),
    ],
)
def test_a_bad_value_is_said(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as error:
        load()
    assert str(error.value).startswith(f"{variable}={value}: expected ")


def test_what_follows_from_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().origins == ("*",)
    assert load().requests_a_minute == 0
    monkeypatch.setenv("ICANS_TRUST", "jwt")
    assert load().tokens_checked
    assert load().origins == ()
    assert load().requests_a_minute == 6000
    monkeypatch.setenv("ICANS_CORS_ORIGINS", "https://a.example.org, https://b.example.org:8443")
    monkeypatch.setenv("ICANS_RATE_LIMIT", "0")
    assert load().origins == ("https://a.example.org", "https://b.example.org:8443")
    assert load().requests_a_minute == 0


@pytest.mark.parametrize(
    ("host", "trust", "then"),
    [("127.0.0.1", None, "open"), ("localhost", None, "open"), ("::1", None, "open"), ("0.0.0.0", None, "jwt"),
     ("cds.example.org", None, "jwt"), ("127.0.0.1", "jwt", "jwt"), ("0.0.0.0", "open", "open")],
)  # fmt: skip
def test_tokens_are_checked_unless_only_this_machine_can_reach_it(host: str, trust: str | None, then: str) -> None:
    assert placed(Settings(trust=trust), host, 8000).trust == then


def test_the_base_url_of_a_loopback_service_is_its_address() -> None:
    assert placed(Settings(), "127.0.0.1", 8123).base_url == "http://127.0.0.1:8123"
    assert placed(Settings(), "0.0.0.0", 8123).base_url is None
    assert placed(Settings(base_url="https://cds.example.org/"), "127.0.0.1", 1).base_url == "https://cds.example.org"
    assert Settings(base_url="https://cds.example.org/a/cds-services").base_url == "https://cds.example.org/a"


def test_fhir_servers_are_exact_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICANS_FHIR_SERVERS", "https://ehr.example.org/fhir/, http://127.0.0.1:8181/fhir")
    assert load().fhir_servers == ("https://ehr.example.org/fhir", "http://127.0.0.1:8181/fhir")


def test_a_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICANS_DATABASE_URL", "mysql://user:secret@host/db")
    with pytest.raises(SettingsError) as error:
        load()
    assert "secret" not in str(error.value)


def test_every_setting_says_what_it_expects() -> None:
    assert set(EXPECTED) == set(Settings.model_fields)


def test_a_hash_needs_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from cds_hooks.pseudonym import pseudonym
    from cds_hooks.store import StoreError

    sqlite, server = f"sqlite:///{tmp_path / 'a.db'}", "postgresql://host/db"
    assert pseudonym(Settings(database_url=server, patient_reference="plain"))("p") == "p"
    with pytest.raises(StoreError, match="ICANS_PATIENT_KEY_FILE"):
        pseudonym(Settings(database_url=server))
    kept = pseudonym(Settings(database_url=sqlite))("p")
    assert (tmp_path / "a.db.key").stat().st_mode & 0o777 == 0o600
    assert pseudonym(Settings(database_url=sqlite))("p") == kept != "p"
    of_file = Settings(database_url=server, patient_key_file=tmp_path / "a.db.key")
    assert pseudonym(of_file)("p") == kept
    (tmp_path / "short").write_text("short")
    for file, says in (("short", "at least 16"), ("none", "cannot be read")):
        with pytest.raises(StoreError, match=says):
            pseudonym(Settings(database_url=server, patient_key_file=tmp_path / file))
    monkeypatch.setenv("ICANS_PATIENT_KEY", "s3cret")
    with pytest.raises(SettingsError, match="ICANS_PATIENT_KEY=") as error:
        load()
    assert "s3cret" not in str(error.value)
