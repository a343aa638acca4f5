# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Consoles that clients of the Compute API ask for, for the moments in which they do."""

from __future__ import annotations

from .revision_0004 import WORDS

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op
    from sqlalchemy.dialects import mysql

    when = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "console_outputs",
        sa.Column("instance_uuid", sa.String(36), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("asked_at", when, nullable=False),
        sa.Column("told_at", when),
        sa.Column("lease_owner", sa.String(255)),
        sa.Column("output", sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")),
        sa.Column("error", sa.Text),
        **WORDS,
    )
