# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests that are still to be done: the queue of the front door."""

from __future__ import annotations

from .revision_0004 import WORDS

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op
    from sqlalchemy.dialects import mysql

    when = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "requests",
        sa.Column("instance_uuid", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("entry", sa.JSON, nullable=False),
        sa.Column("user_data", sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("lease_owner", sa.String(255)),
        sa.Column("lease_expires", when),
        sa.Column("created_at", when, nullable=False),
        **WORDS,
    )
    op.create_index("ix_requests_created", "requests", ["created_at"])
