"""What was decided and what became of it: the only place that knows SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from cds_hooks.decide import Decision

INSERT: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class StoreError(Exception):
    """The database cannot be opened: which one, and why."""


class UtcTime(TypeDecorator[datetime]):
    """An exact time, in UTC both ways (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


METADATA = MetaData()

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", Text, primary_key=True),  # uuid
    Column("recorded_at", UtcTime, nullable=False),
    Column("service", Text, nullable=False),
    Column("hook_instance", Text, nullable=False),
    Column("record", Text, nullable=False),  # JSON
)
CARDS = Table(
    "cards",
    METADATA,
    Column("uuid", Text, primary_key=True),
    Column("decision_id", Text, ForeignKey("decisions.id"), nullable=False, index=True),
    Column("topic", Text, nullable=False),
    Column("row", Text),  # of the protocol; null if the record names none for the topic
)
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", Text, primary_key=True),  # sha256 of the item: the same item again is the same row
    Column("received_at", UtcTime, nullable=False),
    Column("service", Text, nullable=False),
    Column("card", Text, nullable=False, index=True),  # as the client wrote it
    Column("matched", Boolean, nullable=False),  # we issued this card
    Column("outcome", Text, nullable=False),
    Column("item", Text, nullable=False),  # JSON
)


@dataclass(frozen=True, slots=True)
class FeedbackCount:
    """What became of the items of one POST: new, already known, and of all those for unknown cards."""

    stored: int
    repeated: int
    unmatched: int


class Store:
    """Decisions and feedback in one database, SQLite or PostgreSQL. Safe to use from many threads."""

    def __init__(self, url: str) -> None:
        """Open, and create what is missing. Raises StoreError."""
        try:
            self._engine = _engine(make_url(url))
            METADATA.create_all(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            why = str(getattr(error, "orig", None) or error).strip()
            raise StoreError(f"The database {_shown(url)} cannot be opened: {why}") from error

    def append(self, decision: Decision, service: str, hook_instance: str) -> None:
        """Record a decision and its cards. They are on disk when this returns."""
        with self._engine.begin() as connection:
            connection.execute(
                DECISIONS.insert().values(
                    id=str(decision.id),
                    recorded_at=decision.as_of,
                    service=service,
                    hook_instance=_storable(hook_instance),
                    record=_json(decision.record),
                )
            )
            if decision.cards:
                connection.execute(CARDS.insert(), _card_rows(decision))

    def add_feedback(
        self, service: str, items: Sequence[Mapping[str, Any]], received_at: datetime
    ) -> FeedbackCount:
        """Record all items or none. An item seen before is not stored again; an unknown card is kept as such."""
        with self._engine.begin() as connection:
            done = [self._add(connection, service, item, received_at) for item in items]
        return FeedbackCount(
            stored=sum(new for new, _ in done),
            repeated=sum(not new for new, _ in done),
            unmatched=sum(not matched for _, matched in done),
        )

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """One decision with its record and its cards."""
        with self._engine.connect() as connection:
            found = (
                connection.execute(select(DECISIONS).where(DECISIONS.c.id == str(decision_id)))
                .mappings()
                .first()
            )
            cards = connection.execute(
                select(CARDS).where(CARDS.c.decision_id == str(decision_id))
            ).mappings()
            if found is None:
                return None
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
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return [{**row, "item": msgspec.json.decode(row["item"])} for row in rows]

    def check(self) -> None:
        """Raise SQLAlchemyError if the database does not answer."""
        with self._engine.connect() as connection:
            connection.execute(select(DECISIONS.c.id).limit(1))

    def close(self) -> None:
        self._engine.dispose()

    def _add(
        self, connection: Connection, service: str, item: Mapping[str, Any], received_at: datetime
    ) -> tuple[bool, bool]:
        """Whether the item was new, and whether its card is ours. Written first, so that SQLite locks once."""
        content = _json(item)
        row = {
            "id": hashlib.sha256(content.encode()).hexdigest(),
            "received_at": received_at,
            "service": service,
            "card": _storable(item["card"]),
            "matched": select(CARDS.c.uuid).where(CARDS.c.uuid == _storable(item["card"])).exists(),
            "outcome": item["outcome"],
            "item": content,
        }
        insert = INSERT[self._engine.dialect.name](FEEDBACK).values(row).on_conflict_do_nothing()
        matched = connection.execute(insert.returning(FEEDBACK.c.matched)).scalar()
        if matched is not None:
            return True, matched
        return False, connection.execute(
            select(FEEDBACK.c.matched).where(FEEDBACK.c.id == row["id"])
        ).scalar_one()


def _engine(url: URL) -> Engine:
    """hide_parameters: what is stored must not come back in an error message."""
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in INSERT:
        raise ArgumentError(f"only {' and '.join(INSERT)} are supported")
    if url.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    in_memory = url.database in (None, "", ":memory:")
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        connect_args={"check_same_thread": False, "timeout": 10},  # seconds to wait for another writer
        **(
            {"pool_size": 1, "max_overflow": 0} if in_memory else {}
        ),  # each connection would be its own database
    )
    event.listen(engine, "connect", _sqlite_on_disk)
    return engine


def _sqlite_on_disk(connection: Any, _: Any) -> None:
    """A committed decision survives a power cut; readers do not wait for the writer."""
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _card_rows(decision: Decision) -> list[dict[str, Any]]:
    rows = {
        _alphanumeric(str(advice.get("topic"))): advice.get("row")
        for advice in decision.record.get("advice", [])
    }
    topics = {card["uuid"]: card["source"]["topic"]["code"] for card in decision.cards}
    return [
        {"uuid": uuid, "decision_id": str(decision.id), "topic": topic, "row": rows.get(_alphanumeric(topic))}
        for uuid, topic in topics.items()
    ]


def _alphanumeric(topic: str) -> str:
    """A topic as card codes write it: "anti-il-6" and "antiIL6" are one."""
    return "".join(character for character in topic.lower() if character.isalnum())


def _json(content: Any) -> str:
    return msgspec.json.encode(content, order="sorted").decode()


def _storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "of ICANS_DATABASE_URL"
