"""Opening the database, SQLite or PostgreSQL, and bringing its tables up to date."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

Database = Engine
HEAD = "0002"  # the last migration
WAIT = 10  # seconds for a lock, an answer, a connection
MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_UPGRADE_LOCK = 0x1CA5  # of PostgreSQL: two upgrades at once wait for each other


class StoreError(Exception):
    """The database cannot be opened: which one, and why."""


def opened(url: str, *, upgrade: bool | None = None) -> Engine:
    """The engine, its tables at the last migration or beyond. Raises StoreError.

    `upgrade`: whether to bring old tables up to date; None: SQLite yes, PostgreSQL no.
    """
    try:
        engine = connecting(make_url(url))
        with engine.connect() as connection:
            found = _revision(connection)
        if found is None or found < HEAD:  # newer tables only have more columns
            if upgrade is False or (upgrade is None and engine.dialect.name != "sqlite"):
                engine.dispose()
                what = "has no tables yet" if found is None else f"is at {found}, not at {HEAD}"
                raise StoreError(f"The database {shown(url)} {what}: run icans-cds db upgrade.")
            _upgrade(engine)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(f"The database {shown(url)} cannot be opened: {_first_line(error)}") from error
    return engine


def file_of(engine: Engine) -> Path | None:
    """The file of an SQLite database; None: in memory, or another database."""
    return embedded_file(engine.url)


def embedded_file(url: str | URL) -> Path | None:
    """The file of the URL of an SQLite database; None: in memory, or another database."""
    url = make_url(url)
    name = url.database
    if url.get_backend_name() != "sqlite" or name in (None, "", ":memory:") or str(name).startswith("file:"):
        return None
    return Path(str(name))


def shown(url: str) -> str:
    """The URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "of ICANS_DATABASE_URL"


def connecting(url: URL) -> Engine:
    """An engine that has not connected yet. hide_parameters: what is stored must not come back in an error message."""
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    backend = url.get_backend_name()
    if backend == "postgresql":
        limits: dict[str, Any] = {"connect_timeout": WAIT // 2, "tcp_user_timeout": WAIT * 1000}
        limits = {name: value for name, value in limits.items() if name not in url.query}
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=limits, pool_size=2)
        event.listen(engine, "connect", _postgresql_limits)
        return engine
    if backend != "sqlite":
        raise ArgumentError("only sqlite and postgresql are supported")
    in_memory = url.database in (None, "", ":memory:")
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        connect_args={"check_same_thread": False, "timeout": WAIT},
        **({"pool_size": 1, "max_overflow": 0} if in_memory else {}),  # each connection would be its own database
    )
    event.listen(engine, "connect", _sqlite_on_disk)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_on_disk(connection: Any, _: Any) -> None:
    """A committed decision survives a power cut; readers do not wait for the writer."""
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    """A writer takes its lock first: upgrading a read lock can fail, waiting for a write lock does not."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_limits(connection: Any, _: Any) -> None:
    """A database that hangs is an error, not silence; a commit is on disk when it returns."""
    before, connection.autocommit = connection.autocommit, True
    for setting in (f"statement_timeout = '{WAIT}s'", f"lock_timeout = '{WAIT}s'", "synchronous_commit = on"):
        connection.execute(f"SET {setting}")
    connection.autocommit = before


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _first_line(error: BaseException) -> str:
    why = str(getattr(error, "orig", None) or error).strip()
    if isinstance(getattr(error, "orig", None), sqlite3.Error) and "readonly" in why:
        why += f" (by user id {os.getuid()})"
    return why
