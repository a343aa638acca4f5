# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has locked a server, and the server groups that clients of the Compute API have made."""

from __future__ import annotations

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op
    from sqlalchemy.dialects import mysql

    when = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    op.add_column("server_extras", sa.Column("locked_by", sa.String(16)))
    op.add_column("server_extras", sa.Column("locked_reason", sa.String(255)))
    op.add_column("instance_groups", sa.Column("user_id", sa.String(255)))
    op.add_column("instance_groups", sa.Column("created_at", when))
