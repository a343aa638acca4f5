# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Compute API keeps for its clients: their keys, and what they say of their servers."""

from __future__ import annotations

from .revision_0004 import WORDS

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op
    from sqlalchemy.dialects import mysql

    when = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.create_table(
        "server_extras",
        sa.Column("instance_uuid", sa.String(36), primary_key=True),
        sa.Column("key_name", sa.String(255)),
        sa.Column("description", sa.String(255)),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("access_ip_v4", sa.String(15)),
        sa.Column("access_ip_v6", sa.String(45)),
        **WORDS,
    )
    op.create_table(
        "key_pairs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(255), nullable=False),
        sa.Column("created_at", when, nullable=False),
        sa.UniqueConstraint("user_id", "name", name="uniq_key_pairs_user_name"),
        **WORDS,
    )
