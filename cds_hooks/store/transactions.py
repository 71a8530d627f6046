"""What one commit holds: rows of several callers, each linked to the chain of this worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from cds_hooks.store import chain
from cds_hooks.store.records import Heard
from cds_hooks.store.tables import CARDS, CHAINS, CHECKPOINTS, DECISIONS, FEEDBACK, PROBES

_MOVE_HEAD = (
    update(CHAINS)
    .where(CHAINS.c.id == bindparam("chain"))
    .values(position=bindparam("new_position"), hash=bindparam("new_hash"))
)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision to be written, with its cards."""

    row: dict[str, Any]
    cards: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FeedbackGiven:
    """The items of one POST, written all or none."""

    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """Checkpoints to be written with the removal they stand for."""

    checkpoints: list[dict[str, Any]]
    statements: list[Any]


@dataclass(frozen=True, slots=True)
class Probe:
    """A write that keeps nothing: does the store take it?"""


Work = Decided | FeedbackGiven | Pruned | Probe


class Recorder:
    """Writes batches to the chain of this process. Used by one thread."""

    def __init__(self, engine: Engine, file: Path | None) -> None:
        self._engine = engine.execution_options(writes=True)
        self._file = file
        self._in_memory = file is None and engine.dialect.name == "sqlite"
        self._inode = self._now_there()
        self._head: chain.Link | None = None

    def commit(self, works: Sequence[Work]) -> list[Any]:
        """Everything in one transaction. Raises SQLAlchemyError or OSError: then nothing of it is acknowledged.

        After a failure the chain is left as it is and a new one is begun: whether a lost commit came
        through is not known, and either way both chains verify.
        """
        try:
            self._reopen_if_replaced()
            try:
                results, head = self._transaction(works)
            except IntegrityError:  # another worker stored the same feedback in between: look again
                self._head = None
                results, head = self._transaction(works)
            self._still_there()
        except BaseException:
            self._head = None
            if not self._in_memory:  # its database would go with its connection
                self._engine.dispose()
            raise
        self._head = head
        return results

    def _transaction(self, works: Sequence[Work]) -> tuple[list[Any], chain.Link | None]:
        with self._engine.begin() as connection:
            batch = _Batch(connection, self._head)
            results = batch.add(works)
            batch.write()
        return results, batch.head

    def _now_there(self) -> int | None:
        return None if self._file is None else self._file.stat().st_ino

    def _reopen_if_replaced(self) -> None:
        """An SQLite file that was moved away would be written to, and lost, without an error."""
        found = self._now_there()
        if found != self._inode:
            self._engine.dispose()
            self._inode, self._head = found, None

    def _still_there(self) -> None:
        if self._now_there() != self._inode:
            raise FileNotFoundError(str(self._file))


class _Batch:
    """The rows of one transaction, in the order they are linked."""

    def __init__(self, connection: Connection, head: chain.Link | None) -> None:
        self.head = head
        self._connection = connection
        self._began = head
        self._rows: dict[Table, list[dict[str, Any]]] = {DECISIONS: [], CARDS: [], FEEDBACK: [], CHECKPOINTS: []}
        self._probed = False

    def add(self, works: Sequence[Work]) -> list[Any]:
        """Link what is new; the result of each work."""
        for work in works:
            match work:
                case Decided(row, cards):
                    self._link(DECISIONS, dict(row))
                    self._rows[CARDS] += cards
                case Pruned(checkpoints, statements):
                    for statement in statements:
                        self._connection.execute(statement)
                    for row in checkpoints:
                        self._link(CHECKPOINTS, dict(row))
                case Probe():
                    self._probed = True
        given = [work for work in works if isinstance(work, FeedbackGiven)]
        heard = iter(self._hear(given) if given else ())
        return [next(heard) if isinstance(work, FeedbackGiven) else None for work in works]

    def write(self) -> None:
        """Insert every row, then move the head of the chain."""
        for table, rows in self._rows.items():
            if rows:
                self._connection.execute(insert(table), rows)
        if self._probed:
            self._probe()
        if self.head is None or self.head == self._began:
            return
        moved = {"chain": self.head.chain, "new_position": self.head.position, "new_hash": self.head.hash}
        self._connection.execute(_MOVE_HEAD, moved)

    def _hear(self, given: Sequence[FeedbackGiven]) -> list[list[Heard]]:
        rows = [row for work in given for row in work.rows]
        stored = select(FEEDBACK.c.id, FEEDBACK.c.matched).where(FEEDBACK.c.id.in_({row["id"] for row in rows}))
        known = {row.id: row.matched for row in self._connection.execute(stored)}
        ours = set(
            self._connection.scalars(select(CARDS.c.uuid).where(CARDS.c.uuid.in_({row["card"] for row in rows})))
        ) | {card["uuid"] for card in self._rows[CARDS]}
        return [[self._heard(row, known, ours) for row in work.rows] for work in given]

    def _heard(self, row: dict[str, Any], known: dict[str, bool], ours: set[str]) -> Heard:
        if row["id"] in known:
            return Heard(False, known[row["id"]], row["outcome"])
        matched = known[row["id"]] = row["card"] in ours
        self._link(FEEDBACK, {**row, "matched": matched})
        return Heard(True, matched, row["outcome"])

    def _link(self, table: Table, row: dict[str, Any]) -> None:
        if self.head is None:
            self.head = self._open_chain()
        self.head = self.head.next(table.name, row)
        self._rows[table].append(row)

    def _open_chain(self) -> chain.Link:
        newest = select(CHAINS.c.id).order_by(CHAINS.c.opened_at.desc(), CHAINS.c.id).limit(1)
        row = chain.opened(self._connection.scalar(newest), datetime.now(UTC))
        self._connection.execute(insert(CHAINS), [row])
        return chain.Link(row["id"], 0, row["hash"])

    def _probe(self) -> None:
        now = datetime.now(UTC)
        done = self._connection.execute(update(PROBES).values(at=now))
        if done.rowcount == 0:
            self._connection.execute(insert(PROBES), [{"id": 1, "at": now}])
