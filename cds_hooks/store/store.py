"""The store as the service sees it. Safe to use from many threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from cds_hooks.decide import Decision
from cds_hooks.store import records
from cds_hooks.store.engine import file_of, opened
from cds_hooks.store.records import Heard, Pseudonym
from cds_hooks.store.tables import CARDS, DECISIONS, FEEDBACK
from cds_hooks.store.transactions import Decided, FeedbackGiven, Probe, Recorder, Work
from cds_hooks.store.writer import Writer


class Store:
    """Decisions and feedback in one database, SQLite or PostgreSQL. Rows are added, never changed."""

    def __init__(self, url: str, pseudonym: Pseudonym = records.plain) -> None:
        """Open; an SQLite database is created or upgraded. Raises StoreError."""
        self.engine = opened(url)
        self._pseudonym = pseudonym
        self._writer: Writer[Work] = Writer(Recorder(self.engine, file_of(self.engine)).commit)

    def append(
        self,
        decision: Decision,
        service: str,
        hook_instance: str,
        *,
        request_id: str = "",
        latency_us: int = 0,
    ) -> Future[None]:
        """Record a decision and its cards. They are on disk when the future is done.

        The future fails with StoreUnavailable when the database does not take it.
        """
        row, cards = records.decision_rows(
            decision, service, hook_instance, request_id, latency_us, self._pseudonym
        )
        return self._writer.submit(Decided(row, cards))

    def add_feedback(
        self, service: str, items: Sequence[Mapping[str, Any]], received_at: datetime
    ) -> Future[list[Heard]]:
        """Record all items or none. An item seen before is not stored again; an unknown card is kept as such."""
        rows = [records.feedback_row(service, item, received_at) for item in items]
        return self._writer.submit(FeedbackGiven(rows))

    def probe(self) -> Future[None]:
        """A real write that keeps nothing. The future fails with StoreUnavailable."""
        return self._writer.submit(Probe())

    def submit(self, work: Work) -> Future[Any]:
        """Work of the audit commands, in the chain of this process."""
        return self._writer.submit(work)

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """One decision with its record and its cards."""
        with self.engine.connect() as connection:
            found = (
                connection.execute(select(DECISIONS).where(DECISIONS.c.id == str(decision_id)))
                .mappings()
                .first()
            )
            if found is None:
                return None
            cards = connection.execute(
                select(CARDS).where(CARDS.c.decision_id == str(decision_id)).order_by(CARDS.c.uuid)
            ).mappings()
            return {
                **found,
                "record": msgspec.json.decode(found["record"]),
                "cards": [dict(card) for card in cards],
            }

    def feedback(self) -> list[dict[str, Any]]:
        """All feedback in the order received, each with the decision and topic of its card (None: unmatched)."""
        query = (
            select(FEEDBACK, CARDS.c.decision_id, CARDS.c.topic)
            .outerjoin_from(FEEDBACK, CARDS, FEEDBACK.c.card == CARDS.c.uuid)
            .order_by(FEEDBACK.c.received_at, FEEDBACK.c.id)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return [{**row, "item": msgspec.json.decode(row["item"])} for row in rows]

    def close(self) -> None:
        """Write what waits, then let the database go."""
        self._writer.close()
        self.engine.dispose()
