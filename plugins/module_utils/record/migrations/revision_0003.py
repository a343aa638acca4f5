# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An identity service: who launched, and for which project, by their names too; why the last host failed."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op

    op.add_column("instances", sa.Column("user_name", sa.String(255)))
    op.add_column("instances", sa.Column("project_name", sa.String(255)))
    op.add_column("instances", sa.Column("last_error", sa.Text))
