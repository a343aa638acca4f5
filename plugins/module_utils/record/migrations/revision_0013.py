# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The workers that look for requests."""

from __future__ import annotations

from .revision_0004 import WORDS

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op
    from sqlalchemy.dialects import mysql

    when = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "workers",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("since", when, nullable=False),
        sa.Column("seen_at", when, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("transport", sa.Boolean, nullable=False),
        **WORDS,
    )
