"""The settings, read from ICANS_* environment variables; a bad one is said by name."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fhir_mappers.codes import load_terminology
from fhir_mappers.concept_maps import ConceptMapError, with_site_maps
from fhir_mappers.resources_out import NO_CODES, SiteCodes
from fhir_mappers.site import Site
from rules.assessing import SHIPPED_PROTOCOLS

PREFIX = "ICANS_"

EXPECTED = {
    "database_url": "an SQLAlchemy URL, such as sqlite:///icans-cds.db or postgresql://host/name",
    "trust": '"open"; "jwt" comes in step 6',
    "demo": "1 or 0",
    "protocol": f"ids of shipped protocols ({', '.join(SHIPPED_PROTOCOLS)}) or paths of documents, separated by commas or {os.pathsep!r}",
    "timezone": "an IANA time zone name, such as Europe/London",
    "concept_maps": f"paths of FHIR R4 ConceptMaps, separated by commas or {os.pathsep!r}",
    "order_codes": "the path of a JSON object: id of a dose, drug or request to a coding with system and code",
    "shadow": "1 or 0",
    "max_body": "a whole number of bytes above 0",
}


class SettingsError(Exception):
    """A setting that cannot be used: the variable, its value, what was expected."""


class Settings(BaseSettings):
    """What an operator can set. See EXPECTED for the form of each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    database_url: str = "sqlite:///icans-cds.db"
    trust: str = "open"
    demo: bool = False
    protocol: Annotated[tuple[Path, ...], NoDecode] = ()
    concept_maps: Annotated[tuple[Path, ...], NoDecode] = ()
    timezone: str | None = None
    order_codes: Path | None = None
    shadow: bool = False
    max_body: int = Field(default=8_000_000, gt=0)  # bytes

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of times written without one; None: such times are refused."""
        return ZoneInfo(self.timezone) if self.timezone else None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", url):
            raise ValueError
        return url

    @field_validator("trust")
    @classmethod
    def _known_trust(cls, trust: str) -> str:
        if trust != "open":
            raise ValueError
        return trust

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
        return Site(chosen.zone, orders=order_codes(chosen.order_codes))
    try:
        codes = with_site_maps(load_terminology(), chosen.concept_maps)
        return Site(chosen.zone, codes, order_codes(chosen.order_codes))
    except (ConceptMapError, OSError) as problem:
        raise SettingsError(f"{PREFIX}CONCEPT_MAPS: {problem}") from None


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the address. A name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _said(name: str, value: Any) -> str:
    shown = re.sub(r"//[^/@]*@", "//***@", str(value))  # a database URL may hold a password
    if name in ("protocol", "concept_maps"):
        shown = os.environ.get(f"{PREFIX}{name.upper()}", shown)
    return f"{PREFIX}{name.upper()}={shown}: expected {EXPECTED.get(name, 'another value')}"
