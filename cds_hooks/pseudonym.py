"""How the records name a patient: by a keyed hash, or plainly. The key is a secret of the site."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cds_hooks.settings import Settings
from cds_hooks.store import StoreError, records
from cds_hooks.store.engine import embedded_file
from cds_hooks.store.records import Pseudonym

SHORTEST = 16  # characters of a key


def pseudonym(settings: Settings) -> Pseudonym:
    """By the settings. Raises StoreError when a hash is asked for and there is no key.

    The key: ICANS_PATIENT_KEY, or the file of ICANS_PATIENT_KEY_FILE; for an embedded SQLite database a
    key is made beside it at the first start.
    """
    if settings.patient_reference == "plain":
        return records.plain
    if settings.patient_key is not None:
        return records.keyed(settings.patient_key.get_secret_value().encode())
    if settings.patient_key_file is not None:
        return records.keyed(_read(settings.patient_key_file))
    if not settings.database_url.startswith("sqlite"):
        raise StoreError(
            "No key to hash patients with: set ICANS_PATIENT_KEY or ICANS_PATIENT_KEY_FILE, the same for every "
            "worker and host, or ICANS_PATIENT_REFERENCE=plain."
        )
    database = embedded_file(settings.database_url)
    if database is None:
        return records.keyed(secrets.token_bytes(32))  # in memory: gone with the records
    return records.keyed(_kept(database.with_name(f"{database.name}.key")))


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise StoreError(f"The key file {path} cannot be read: {error.strerror}.") from None
    if len(key) < SHORTEST:
        raise StoreError(f"The key file {path} holds {len(key)} bytes; at least {SHORTEST} were expected.")
    return key


def _kept(path: Path) -> bytes:
    """The key beside the database; made when there is none, whole from the start, for its owner only."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
            with suppress(FileExistsError):
                os.link(fresh, path)  # another worker may have been first: its key holds
            fresh.unlink()
        except OSError as error:
            raise StoreError(f"The key file {path} cannot be made: {error.strerror}.") from None
    return _read(path)
