# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rebuilds, by whose identity a host knows whether one is done; and what clients say of who partitions a disk."""

from __future__ import annotations

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op

    op.add_column("instances", sa.Column("rebuild_id", sa.String(36)))
    op.add_column("server_extras", sa.Column("disk_config", sa.String(8)))
