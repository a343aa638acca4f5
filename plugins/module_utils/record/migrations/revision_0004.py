# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record has an identity of its own; the living instances are found without a look at those that are gone."""

from __future__ import annotations

import uuid

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORDS = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op

    op.create_table("records", sa.Column("id", sa.String(36), primary_key=True), **WORDS)
    records, connection = sa.table("records", sa.column("id")), op.get_bind()
    if connection.execute(records.select()).first() is None:  # an upgrade that was killed may have made it
        connection.execute(records.insert().values(id=str(uuid.uuid4())))
    op.create_index("ix_instances_living", "instances", ["deleted", "project_id", "name"])
