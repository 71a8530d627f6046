"""Tokens that were used, so that each is used once, over all workers.

Bounded: a row goes when its token could no longer be used (at most an hour after it was issued), and the rate
limit bounds how many come. Kept apart from the records: it may be deleted at any time the service is down for
an hour. With SQLite a file of its own, beside the database, so that it never waits for a decision being written.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from time import time
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from cds_hooks.store import StoreError, StoreUnavailable, failures
from cds_hooks.store.engine import connecting, embedded_file

CLEAN_EVERY = 60.0  # seconds
METADATA = MetaData()
USED = Table(
    "used_tokens",
    METADATA,
    Column("id", LargeBinary(32), primary_key=True),  # SHA-256 of issuer and jti: neither is kept
    Column("until", BigInteger, nullable=False),  # Unix seconds
    Index("used_tokens_until", "until"),
)
_POSTGRESQL = postgresql.insert(USED).on_conflict_do_nothing().returning(USED.c.until)
_SQLITE = "INSERT OR IGNORE INTO used_tokens (id, until) VALUES (?, ?)"


class UsedTokens:
    """The ids of tokens used, in SQLite or PostgreSQL."""

    def __init__(self, database_url: str) -> None:
        """Beside the database of this URL; what is missing is created. Raises StoreError."""
        try:
            self._engine = _engine(make_url(database_url))
            METADATA.create_all(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            why = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise StoreError(f"The store of used tokens cannot be opened: {why}; run icans-cds db upgrade.") from error
        self.local = self._engine.dialect.name == "sqlite"  # about 20 us: no thread is needed
        self._sqlite = self._engine.raw_connection().driver_connection if self.local else None
        self._lock = threading.Lock()
        self._cleaned = 0.0

    def first_use(self, issuer: str, jti: str, until: int) -> bool:
        """True the first time, False ever after until `until`. Raises StoreUnavailable when it cannot be known."""
        identity = hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).digest()
        try:
            self._clean(time())
            if self._sqlite is not None:  # straight to the driver: a quarter of the time
                with self._lock:
                    return bool(self._sqlite.execute(_SQLITE, (identity, until)).rowcount == 1)
            with self._engine.begin() as connection:
                return connection.execute(_POSTGRESQL, {"id": identity, "until": until}).first() is not None
        except sqlite3.Error as error:
            raise StoreUnavailable(failures.why(DBAPIError(None, None, error))) from None
        except SQLAlchemyError as error:
            raise StoreUnavailable(failures.why(error)) from None

    def _clean(self, now: float) -> None:
        """Once in a while, forget what could no longer be used."""
        if now - self._cleaned <= CLEAN_EVERY:
            return
        with self._lock:
            self._cleaned = now
            with self._engine.begin() as connection:
                connection.execute(USED.delete().where(USED.c.until < int(now)))

    def __len__(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM used_tokens").scalar_one())

    def close(self) -> None:
        self._engine.dispose()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return connecting(url)
    file = embedded_file(url)
    if file is not None:
        url = url.set(database=f"{file}-tokens")
    engine = create_engine(
        url, hide_parameters=True, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 5}
    )
    event.listen(engine, "connect", _quick)
    return engine


def _quick(connection: Any, _: object) -> None:
    """No wait for the disk: what a power cut may lose is a minute of tokens, each bound to its URL and its hour."""
    connection.isolation_level = None  # each statement is its own transaction
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
