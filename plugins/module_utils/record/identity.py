# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record's own identity, made once by its upgrade: by it the marks on things outside say whose they are."""

from __future__ import annotations


def record_id(database, connection) -> str | None:
    """The record's UUID; None for a record that is read before its first upgrade, which has none yet."""
    table = database.tables.records
    return connection.execute(database.sql.select(table.c.id)).scalar()
