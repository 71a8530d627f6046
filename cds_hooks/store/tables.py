"""The tables as they are after the last migration. Every row of a chained table is never changed."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine.interfaces import Dialect


class UtcTime(TypeDecorator[datetime]):
    """An exact time, in UTC both ways (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = MetaData()

CHAINS = Table(
    "chains",
    METADATA,
    Column("id", Text, primary_key=True),  # uuid: one run of one worker
    Column("opened_at", UtcTime, nullable=False),
    Column("worker", Text, nullable=False),  # host and process
    Column("follows", Text),  # the chain opened before this one
    Column("position", Integer, nullable=False),  # of its last row
    Column("hash", Text, nullable=False),  # of its last row
)
DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", Text, primary_key=True),  # uuid
    Column("recorded_at", UtcTime, nullable=False),  # the as_of of the decision
    Column("service", Text, nullable=False),
    Column("hook_instance", Text, nullable=False),
    Column("record", Text, nullable=False),  # JSON
    Column("request_id", Text),
    Column("patient", Text),  # keyed hash, or plain by setting
    Column("latency_us", Integer),  # microseconds from the request to handing over this row
    Column("chain", Text),  # null: recorded before there were chains
    Column("position", Integer),  # in its chain, from 1
    Column("hash", Text),
    Index("decisions_chain", "chain", "position", unique=True),
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
    Column("chain", Text),
    Column("position", Integer),
    Column("hash", Text),
    Index("feedback_chain", "chain", "position", unique=True),
)
CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("id", Text, primary_key=True),  # uuid
    Column("made_at", UtcTime, nullable=False),
    Column("before", UtcTime, nullable=False),  # rows older than this were removed
    Column("pruned_chain", Text, nullable=False),
    Column("pruned_position", Integer, nullable=False),  # up to and with this one
    Column("pruned_hash", Text, nullable=False),  # of the row there: the rest follows it
    Column("decisions", Integer, nullable=False),
    Column("feedback", Integer, nullable=False),
    Column("chain", Text),
    Column("position", Integer),
    Column("hash", Text),
    Index("checkpoints_chain", "chain", "position", unique=True),
)
PROBES = Table(  # one row, written by /readyz to know that the store can be written
    "probes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
)
CHAINED = (DECISIONS, FEEDBACK, CHECKPOINTS)
TIMES = {"decisions": "recorded_at", "feedback": "received_at", "checkpoints": "made_at"}
