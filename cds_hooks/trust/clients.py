"""The clients that may call, read from the file of ICANS_CLIENTS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cds_hooks.settings import SettingsError, plain_url
from cds_hooks.trust.keys import Keys

EXPECTED = 'a list of objects, each with iss, with jwks (a file) or jku (an https URL), and perhaps tenant'


class _Listed(msgspec.Struct, forbid_unknown_fields=True):
    iss: str
    jwks: str | None = None
    jku: str | None = None
    tenant: str | tuple[str, ...] | None = None


class Client:
    """One client: its issuer, its keys, and the tenants it may speak for (None: it names none)."""

    def __init__(self, iss: str, jwks: Path | None, jku: str | None, tenants: frozenset[str] | None) -> None:
        self.iss = iss
        self.jku = jku
        self.tenants = tenants
        self.keys = Keys(jwks, jku)

    def may_name(self, jku: str | None) -> bool:
        """Whether a token of this client may carry this jku: the pinned one, and nothing is ever fetched for it.

        Where only a file was given, a jku of the issuer's own origin is taken as the decoration it is.
        """
        if jku is None:
            return True
        return jku == self.jku if self.jku is not None else _origin(jku) == _origin(self.iss) is not None

    def speaks_for(self, tenant: str | None) -> bool:
        return self.tenants is None or tenant in self.tenants


def load(path: Path) -> Mapping[str, Sequence[Client]]:
    """The clients by issuer. Raises SettingsError naming the file, the entry and what was expected."""
    try:
        listed = msgspec.json.decode(path.read_bytes(), type=list[_Listed])
    except OSError as error:
        raise SettingsError(f"ICANS_CLIENTS: {path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise SettingsError(f"ICANS_CLIENTS: {path}: {error}; expected {EXPECTED}") from None
    if not listed:
        raise SettingsError(f"ICANS_CLIENTS: {path} lists no client; expected {EXPECTED}")
    found: dict[str, list[Client]] = {}
    for index, one in enumerate(listed):
        found.setdefault(one.iss, []).append(_client(one, f"{path}: entry {index}", path.parent))
    return found


def _client(one: _Listed, place: str, folder: Path) -> Client:
    if not one.iss.strip() or (one.jwks is None and one.jku is None):
        raise SettingsError(f"ICANS_CLIENTS: {place}: expected {EXPECTED}")
    if one.jku is not None:
        try:
            plain_url(one.jku.partition("?")[0])
        except ValueError:
            raise SettingsError(
                f"ICANS_CLIENTS: {place}: jku: expected an https URL, http only on this machine"
            ) from None
    jwks = folder / one.jwks if one.jwks is not None else None  # beside the list, when not absolute
    if jwks is not None and not jwks.is_file():
        raise SettingsError(f"ICANS_CLIENTS: {place}: jwks: there is no file {jwks}")
    tenants = None if one.tenant is None else frozenset([one.tenant] if isinstance(one.tenant, str) else one.tenant)
    client = Client(one.iss, jwks, one.jku, tenants)
    if jwks is not None:
        try:
            client.keys.read()
        except ValueError as error:
            raise SettingsError(f"ICANS_CLIENTS: {place}: jwks: {jwks}: {error}") from None
    return client


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        return (parts.scheme, parts.hostname, parts.port) if parts.scheme and parts.hostname else None
    except ValueError:
        return None
