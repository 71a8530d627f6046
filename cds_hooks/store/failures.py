"""What a database error means to who calls: words for it, without what was to be stored."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

FULL = "the disk of the database is full"
READ_ONLY = "the database can only be read"
BUSY = "the database is busy"
GONE = "the database cannot be reached"
FILE_GONE = "the database file is gone"
NO_TABLES = "the database is not upgraded; run icans-cds db upgrade"
FAILING = "the database does not take it"
SLOW = "the database does not answer in time"
CLOSED = "the service is stopping"

_SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_CANTOPEN: GONE,
    sqlite3.SQLITE_NOTADB: "the database file is damaged",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_IOERR: "the disk of the database reports an error",
}
_POSTGRESQL = {
    "53100": FULL,
    "25006": READ_ONLY,
    "42501": READ_ONLY,
    "42P01": NO_TABLES,
    "42703": NO_TABLES,
    "57014": SLOW,
    "55P03": BUSY,
    "53300": BUSY,
}


class StoreUnavailable(Exception):  # noqa: N818  (a state of the database, not a fault of ours)
    """Nothing was acknowledged: the store did not take it. `text` says why; try again later."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def why(error: SQLAlchemyError | OSError) -> str:
    """Why the database did not take it, in words for the caller and the operator."""
    if isinstance(error, OSError):
        return FILE_GONE if isinstance(error, FileNotFoundError) else GONE
    origin = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(origin, sqlite3.Error):
        code = getattr(origin, "sqlite_errorcode", None)
        if code is not None and "no such table" not in str(origin):
            return _SQLITE.get(code & 0xFF, FAILING)
        return NO_TABLES if "no such" in str(origin) else FAILING
    state = getattr(origin, "sqlstate", None)
    if state is not None and not state.startswith(("08", "57P")):
        return _POSTGRESQL.get(state, FAILING)
    return GONE
