"""The settings, read from ICANS_* environment variables; a bad one is said by name."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fhir_mappers.codes import load_terminology
from fhir_mappers.concept_maps import ConceptMapError, with_site_maps
from fhir_mappers.resources_out import NO_CODES, SiteCodes
from fhir_mappers.site import Site
from rules.assessing import SHIPPED_PROTOCOLS

PREFIX = "ICANS_"
RATE_LIMIT = 6000  # requests a minute of one client, when tokens are checked and nothing else is set

EXPECTED = {
    "database_url": "an SQLAlchemy URL, such as sqlite:///icans-cds.db or postgresql://host/name",
    "trust": '"jwt" (client tokens are checked) or "open" (nobody is asked who they are)',
    "demo": "1 or 0",
    "protocol": f"ids of shipped protocols ({', '.join(SHIPPED_PROTOCOLS)}) or paths of documents, separated by commas or {os.pathsep!r}",
    "timezone": "an IANA time zone name, such as Europe/London",
    "concept_maps": f"paths of FHIR R4 ConceptMaps, separated by commas or {os.pathsep!r}",
    "patient_reference": '"hash" or "plain"',
    "patient_key": "at least 16 characters, kept secret and kept for as long as the records",
    "patient_key_file": "a file that can be read and holds the key",
    "order_codes": "the path of a JSON object: id of a dose, drug or request to a coding with system and code",
    "shadow": "1 or 0",
    "max_body": "a whole number of bytes above 0",
    "clients": "the path of a JSON file: a list of objects with iss and jwks (a file) or jku (a URL)",
    "base_url": "the public base URL of the service, such as https://cds.example.org",
    "fhir_servers": "base URLs of FHIR servers, https, separated by commas; http only on this machine",
    "cors_origins": "origins such as https://ehr.example.org, separated by commas, or *",
    "rate_limit": "a whole number of requests a minute for each client; 0 for no limit",
    "fetch_ms": "milliseconds from 1 to 10000",
    "demo_fhir": "the base URL of a FHIR server of this machine with synthetic patients, such as http://127.0.0.1:8181/fhir",
    "demo_token": "the token of that server; the demo page gives it to every browser that opens it",
    "smart_servers": "the path of a JSON file: a list of objects with iss, client_id and optionally client_secret_file and name",
    "smart_launch_url": "the absolute URL at which an EHR launches the SMART app, such as https://cds.example.org/smart/launch",
}


class SettingsError(Exception):
    """A setting that cannot be used: the variable, its value, what was expected."""


class Settings(BaseSettings):
    """What an operator can set. See EXPECTED for the form of each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    database_url: str = "sqlite:///icans-cds.db"
    trust: str | None = None  # None: jwt, unless only this machine can reach the service
    demo: bool = False
    protocol: Annotated[tuple[Path, ...], NoDecode] = ()
    concept_maps: Annotated[tuple[Path, ...], NoDecode] = ()
    timezone: str | None = None
    patient_reference: Literal["hash", "plain"] = "hash"
    patient_key: SecretStr | None = Field(default=None, min_length=16)
    patient_key_file: Path | None = None
    order_codes: Path | None = None
    shadow: bool = False
    max_body: int = Field(default=8_000_000, gt=0)  # bytes
    clients: Path | None = None
    base_url: str | None = None
    fhir_servers: Annotated[tuple[str, ...], NoDecode] = ()
    cors_origins: Annotated[tuple[str, ...] | None, NoDecode] = None
    rate_limit: int | None = Field(default=None, ge=0)  # requests a minute
    fetch_ms: int = Field(default=500, ge=1, le=10_000)
    demo_fhir: str | None = None
    demo_token: SecretStr | None = None  # sent to the browser of the demo page: synthetic patients only
    smart_servers: Path | None = None
    smart_launch_url: str | None = None

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of times written without one; None: such times are refused."""
        return ZoneInfo(self.timezone) if self.timezone else None

    @property
    def tokens_checked(self) -> bool:
        """Whether a client must show a token. `serving` decides it by the address when it was not set."""
        return self.trust == "jwt"

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of browsers that may call: any while open, none with tokens, unless set."""
        return self.cors_origins if self.cors_origins is not None else () if self.tokens_checked else ("*",)

    @property
    def requests_a_minute(self) -> int:
        """Of one client; 0: no limit."""
        return self.rate_limit if self.rate_limit is not None else RATE_LIMIT if self.tokens_checked else 0

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", url):
            raise ValueError
        return url

    @field_validator("trust")
    @classmethod
    def _known_trust(cls, trust: str | None) -> str | None:
        if trust not in (None, "jwt", "open"):
            raise ValueError
        return trust

    @field_validator("clients", "smart_servers")
    @classmethod
    def _a_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError
        return path

    @field_validator("base_url")
    @classmethod
    def _public_base(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError
        return url.rstrip("/").removesuffix("/cds-services")

    @field_validator("demo_fhir")
    @classmethod
    def _of_this_machine(cls, url: str | None) -> str | None:
        if url is not None and not is_loopback(urlsplit(plain_url(url)).hostname or ""):
            raise ValueError
        return None if url is None else plain_url(url)

    @field_validator("smart_launch_url")
    @classmethod
    def _absolute(cls, url: str | None) -> str | None:
        return None if url is None else plain_url(url)

    @field_validator("fhir_servers", "cors_origins", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value

    @field_validator("fhir_servers")
    @classmethod
    def _fhir_bases(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(plain_url(url) for url in urls)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if any(o != "*" and not re.fullmatch(r"https?://[^/\s?#@*]+", o) for o in origins or ()):
            raise ValueError
        return origins

    @field_validator("protocol", "concept_maps", mode="before")
    @classmethod
    def _paths(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(Path(part.strip()) for part in re.split(f"[,{os.pathsep}]", value) if part.strip())

    @field_validator("protocol")
    @classmethod
    def _existing(cls, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        if not all(path.is_file() or str(path) in SHIPPED_PROTOCOLS for path in paths):
            raise ValueError
        return paths

    @field_validator("concept_maps")
    @classmethod
    def _files(cls, paths: tuple[Path, ...]) -> tuple[Path, ...]:
        if not all(path.is_file() for path in paths):
            raise ValueError
        return paths

    @field_validator("order_codes")
    @classmethod
    def _codings(cls, path: Path | None) -> Path | None:
        if path is not None:
            order_codes(path)
        return path

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError
        return name


def order_codes(path: Path | None) -> SiteCodes:
    """A site's own codes of what is suggested, by the id of a dose, a drug or a request. Raises ValueError."""
    if path is None:
        return NO_CODES
    try:
        found = json.loads(path.read_bytes())
    except OSError as problem:
        raise ValueError(str(problem)) from None
    if not isinstance(found, dict) or not all(_is_coding(coding) for coding in found.values()):
        raise ValueError("codings with system and code were expected")
    return found


def _is_coding(value: Any) -> bool:
    known = isinstance(value, dict) and {"system", "code"} <= value.keys() <= {"system", "code", "display"}
    return known and all(isinstance(text, str) and text.strip() for text in value.values())


def load() -> Settings:
    """The settings of this process. Raises SettingsError naming each variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_said(str(problem["loc"][0]), problem["input"]) for problem in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def site(chosen: Settings) -> Site:
    """How records are read here. Raises SettingsError when a concept map cannot be used."""
    if not chosen.concept_maps:
        return Site(chosen.zone, orders=order_codes(chosen.order_codes), smart_launch=chosen.smart_launch_url)
    try:
        codes = with_site_maps(load_terminology(), chosen.concept_maps)
        return Site(chosen.zone, codes, order_codes(chosen.order_codes), chosen.smart_launch_url)
    except (ConceptMapError, OSError) as problem:
        raise SettingsError(f"{PREFIX}CONCEPT_MAPS: {problem}") from None


def plain_url(url: str) -> str:
    """An https URL, or an http URL of this machine, without a slash at its end. Raises ValueError for any other."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    plain = parts.username is None and parts.password is None and not parts.query and not parts.fragment
    dotted = any(part in (".", "..") for part in parts.path.lower().replace("%2e", ".").split("/"))
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not (host and plain and safe) or dotted or parts.port == 0 or re.search(r"[\s\\]", url):
        raise ValueError
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the address. A name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _said(name: str, value: Any) -> str:
    shown = re.sub(r"//[^/@]*@", "//***@", str(value))  # a database URL may hold a password
    if name in ("protocol", "concept_maps", "fhir_servers", "cors_origins"):
        shown = re.sub(r"//[^/@]*@", "//***@", os.environ.get(f"{PREFIX}{name.upper()}", shown))
    if name in ("patient_key", "demo_token"):
        shown = "***"
    return f"{PREFIX}{name.upper()}={shown}: expected {EXPECTED.get(name, 'another value')}"
