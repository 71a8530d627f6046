"""The settings, read from ICANS_* environment variables; a bad one is said by name."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rules.assessing import SHIPPED_PROTOCOLS

PREFIX = "ICANS_"

EXPECTED = {
    "database_url": "an SQLAlchemy URL, such as sqlite:///icans-cds.db or postgresql://host/name",
    "trust": '"open"; "jwt" comes in step 6',
    "demo": "1 or 0",
    "protocol": f"ids of shipped protocols ({', '.join(SHIPPED_PROTOCOLS)}) or paths of documents, separated by commas or {os.pathsep!r}",
    "timezone": "an IANA time zone name, such as Europe/London",
    "patient_reference": '"hash" or "plain"',
    "patient_key": "at least 16 characters, kept secret and kept for as long as the records",
    "patient_key_file": "a file that can be read and holds the key",
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
    timezone: str | None = None
    patient_reference: Literal["hash", "plain"] = "hash"
    patient_key: SecretStr | None = Field(default=None, min_length=16)
    patient_key_file: Path | None = None
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

    @field_validator("protocol", mode="before")
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

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError
        return name


def load() -> Settings:
    """The settings of this process. Raises SettingsError naming each variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_said(str(problem["loc"][0]), problem["input"]) for problem in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the address. A name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _said(name: str, value: Any) -> str:
    shown = re.sub(r"//[^/@]*@", "//***@", str(value))  # a database URL may hold a password
    if name == "patient_key":
        shown = "***"
    if name == "protocol":
        shown = os.environ.get(f"{PREFIX}PROTOCOL", shown)
    return f"{PREFIX}{name.upper()}={shown}: expected {EXPECTED.get(name, 'another value')}"
