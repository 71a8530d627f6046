"""Every row in a hash chain; request id, patient reference and latency; checkpoints of what was pruned."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "chains",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("follows", sa.Text),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pruned_chain", sa.Text, nullable=False),
        sa.Column("pruned_position", sa.Integer, nullable=False),
        sa.Column("pruned_hash", sa.Text, nullable=False),
        sa.Column("decisions", sa.Integer, nullable=False),
        sa.Column("feedback", sa.Integer, nullable=False),
        *_links(),
    )
    op.create_table(
        "probes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("decisions", sa.Column("request_id", sa.Text))
    op.add_column("decisions", sa.Column("patient", sa.Text))
    op.add_column("decisions", sa.Column("latency_us", sa.Integer))
    for table in ("decisions", "feedback"):
        for column in _links():
            op.add_column(table, column)
    for table in ("decisions", "feedback", "checkpoints"):
        op.create_index(f"{table}_chain", table, ["chain", "position"], unique=True)


def _links() -> list[sa.Column[Any]]:
    return [sa.Column("chain", sa.Text), sa.Column("position", sa.Integer), sa.Column("hash", sa.Text)]
