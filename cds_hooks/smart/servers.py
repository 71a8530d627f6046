"""The SMART servers that may launch us, by ICANS_SMART_SERVERS: exact base URLs, each with our registration there.

Whoever is not listed is refused before any request goes out: a launch URL with a foreign `iss` sends no one anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cds_hooks.settings import SettingsError, plain_url

_MEMBERS = {"iss", "client_id", "client_secret_file", "name"}
_EXPECTED = 'a list of objects with iss, client_id and optionally client_secret_file and name'


@dataclass(frozen=True, slots=True)
class Registered:
    """Our registration at one server. `secret` None: a public client."""

    iss: str
    client_id: str
    secret: SecretStr | None
    name: str


def load(path: Path) -> Mapping[str, Registered]:
    """The servers by `iss`, without a slash at its end. Raises SettingsError naming the entry and what was expected."""
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise SettingsError(f"ICANS_SMART_SERVERS: {path.name}: {problem}; {_EXPECTED} was expected") from None
    if not isinstance(entries, list) or not entries:
        raise SettingsError(f"ICANS_SMART_SERVERS: {path.name}: {_EXPECTED} was expected")
    found: dict[str, Registered] = {}
    for number, entry in enumerate(entries):
        made = _registered(entry, f"ICANS_SMART_SERVERS: {path.name}[{number}]", path.parent)
        if made.iss in found:
            raise SettingsError(f"ICANS_SMART_SERVERS: {path.name}[{number}].iss: listed twice; each server once was expected")
        found[made.iss] = made
    return found


def _registered(entry: Any, place: str, folder: Path) -> Registered:
    if not isinstance(entry, dict) or not {"iss", "client_id"} <= entry.keys() <= _MEMBERS:
        raise SettingsError(f"{place}: an object with {', '.join(sorted(_MEMBERS))} (the last two optional) was expected")
    if not all(isinstance(value, str) and value.strip() for value in entry.values()):
        raise SettingsError(f"{place}: texts were expected")
    try:
        iss = plain_url(entry["iss"])
    except ValueError:
        raise SettingsError(f"{place}.iss: an https URL was expected; http only on this machine") from None
    return Registered(iss, entry["client_id"], _secret(entry, place, folder), entry.get("name", iss))


def _secret(entry: Mapping[str, str], place: str, folder: Path) -> SecretStr | None:
    if "client_secret_file" not in entry:
        return None
    try:
        secret = (folder / entry["client_secret_file"]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as problem:
        raise SettingsError(f"{place}.client_secret_file: {problem}") from None
    if not secret:
        raise SettingsError(f"{place}.client_secret_file: empty; the client secret was expected")
    return SecretStr(secret)
