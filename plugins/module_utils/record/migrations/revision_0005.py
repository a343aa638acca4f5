# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances that are to be off, and what their hosts said of the guests."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op

    op.add_column("instances", sa.Column("target_state", sa.String(16), nullable=False, server_default="started"))
    op.add_column("instances", sa.Column("power_state", sa.String(16)))
