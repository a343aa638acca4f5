# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Compute API keeps of an instance beside: it is for its clients, and means nothing to a launch."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Callable, Iterable

FIELDS = (
    "key_name", "description", "tags", "access_ip_v4", "access_ip_v6", "locked_by", "locked_reason", "disk_config",
)  # fmt: skip
NOTHING = {**dict.fromkeys(FIELDS), "tags": []}


def read(database, connection, instance_uuids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """By instance what is kept of it; one that did not come by the API has nothing."""
    table, named = database.tables.server_extras, list(instance_uuids)
    rows = connection.execute(table.select().where(table.c.instance_uuid.in_(named))) if named else ()
    return {row.instance_uuid: {name: getattr(row, name) for name in FIELDS} for row in rows}


def write(database, connection, instance_uuid: str, values: dict[str, Any]) -> None:
    """Keep these of FIELDS, over those that there are."""
    _locked(database, connection, instance_uuid)
    _update(database, connection, instance_uuid, values)


def write_tags(database, connection, instance_uuid: str, change: Callable[[list[str]], Iterable[str]]) -> list[str]:
    """Change the tags from those that there are, which nobody else changes meanwhile; what they are then."""
    tags = sorted(set(change(_locked(database, connection, instance_uuid).tags)))
    _update(database, connection, instance_uuid, {"tags": tags})
    return tags


def _locked(database, connection, instance_uuid: str) -> Any:
    """The row of an instance, a new one if there is none, locked by this transaction."""
    table = database.tables.server_extras
    mine = table.select().where(table.c.instance_uuid == instance_uuid).with_for_update()
    row = connection.execute(mine).first()
    if row is None:
        with suppress(database.sql.exc.IntegrityError), connection.begin_nested():  # another one has made it just now
            connection.execute(table.insert().values({**NOTHING, "instance_uuid": instance_uuid}))
        row = connection.execute(mine).one()
    return row


def _update(database, connection, instance_uuid: str, values: dict[str, Any]) -> None:
    table = database.tables.server_extras
    connection.execute(table.update().where(table.c.instance_uuid == instance_uuid).values(values))
