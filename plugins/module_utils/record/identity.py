# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record's own identity, made once by its upgrade: by it the marks on things outside say whose they are.

A record may go on in the place of one that is lost: then it has that one's identity from there on.
"""

from __future__ import annotations


def record_id(database, connection) -> str | None:
    """The record's UUID; None for a record that is read before its first upgrade, which has none yet."""
    table = database.tables.records
    return connection.execute(database.sql.select(table.c.id)).scalar()


def is_bare(database, connection) -> bool:
    """Whether nothing outside can have this record's mark: no living instance, no volume, nothing left on a host."""
    tables, select = database.tables, database.sql.select
    kept = (select(tables.volumes.c.id), select(tables.remains.c.instance_uuid))
    living = select(tables.instances.c.id).where(tables.instances.c.deleted == 0)
    return all(connection.execute(each.limit(1)).first() is None for each in (living, *kept))


def inherit(database, connection, lost: str) -> None:
    """Go on in the place of a record that is lost."""
    table = database.tables.records
    connection.execute(table.update().values(id=lost))
