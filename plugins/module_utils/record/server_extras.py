# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Compute API keeps of an instance beside: it is for its clients, and means nothing to a launch."""

from __future__ import annotations

from typing import Any, Iterable

FIELDS = ("key_name", "description", "tags", "access_ip_v4", "access_ip_v6", "locked_by", "locked_reason")
NOTHING = {**dict.fromkeys(FIELDS), "tags": []}


def read(database, connection, instance_uuids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """By instance what is kept of it; one that did not come by the API has nothing."""
    table, named = database.tables.server_extras, list(instance_uuids)
    rows = connection.execute(table.select().where(table.c.instance_uuid.in_(named))) if named else ()
    return {row.instance_uuid: {name: getattr(row, name) for name in FIELDS} for row in rows}


def write(database, connection, instance_uuid: str, values: dict[str, Any]) -> None:
    """Keep these of FIELDS, over those that there are."""
    table = database.tables.server_extras
    same = table.c.instance_uuid == instance_uuid
    change = table.update().where(same).values(values)
    if connection.execute(table.select().where(same)).first():
        connection.execute(change)
        return
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values({**NOTHING, **values, "instance_uuid": instance_uuid}))
    except database.sql.exc.IntegrityError:  # another transaction has made it just now
        connection.execute(change)
