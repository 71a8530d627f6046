"""The hash chain: each row's hash covers its content and the hash of the row before it.

So a row that was changed, removed or put in shows. Each run of each worker has a chain of its own, for two
writers cannot share one without waiting for each other.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

_CONTENT = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Link:
    """The last row of a chain: its place and its hash; a chain without rows is at position 0."""

    chain: str
    position: int
    hash: str

    def next(self, table: str, row: dict[str, Any]) -> Link:
        """The link of the next row, whose `chain`, `position` and `hash` are filled in."""
        row["chain"], row["position"] = self.chain, self.position + 1
        row["hash"] = digest(self.hash, table, row)
        return Link(self.chain, self.position + 1, row["hash"])


def digest(previous: str, table: str, row: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the hash before, the table and every column but the hash, times in UTC.

    A column without a value is left out: one that a later version adds does not change the hash of older rows.
    """
    content = {
        str(name): _plain(value) for name, value in row.items() if name != "hash" and value is not None
    }
    return hashlib.sha256(_CONTENT.encode([previous, str(table), content])).hexdigest()


def opened(follows: str | None, at: datetime) -> dict[str, Any]:
    """The row of a new chain of this process. Its first hash covers its own id and the chain before."""
    row = {"id": str(uuid4()), "opened_at": at, "worker": f"{socket.gethostname()}/{os.getpid()}", "follows": follows}
    return {**row, "position": 0, "hash": beginning(row)}


def beginning(row: Mapping[str, Any]) -> str:
    """The hash that the first row of a chain follows: over what `chains` says of it."""
    return digest("", "chains", {name: row[name] for name in ("id", "opened_at", "worker", "follows")})


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
