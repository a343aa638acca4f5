# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts may still have of instances that have left them: a host went silent, or could not take it back.

A row goes when its host has said that nothing is left. Nova-compute does the same when it starts, for instances that
were evacuated from it (nova/compute/manager.py, _destroy_evacuated_instances).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable

from . import volumes

# What of an instance's local volumes a compute host needs, to remove them.
VOLUME = ("id", "name", "service")


def note(database, connection, instance, host: str, moment: datetime) -> None:
    """Remember that a host may still have an instance's parts; not the volumes that wait there for an instance."""
    table = database.tables.remains
    clear(database, connection, host, [instance.uuid])
    parts = {
        "image": {"url": (instance.image or {}).get("url")},  # none: it has no root disk
        "volumes": [{key: getattr(each, key) for key in VOLUME} for each in instance.volumes if _is_made(each)],
    }
    row = {"instance_uuid": instance.uuid, "host": host, "name": instance.name, "parts": parts, "created_at": moment}
    connection.execute(table.insert().values(row))


def clear(database, connection, host: str, instance_uuids: Iterable[str]) -> None:
    """Forget what a host had of instances: it has said that nothing is left."""
    table = database.tables.remains
    mine = (table.c.host == host, table.c.instance_uuid.in_(list(instance_uuids)))
    connection.execute(table.delete().where(*mine))


def hosts_of(database, connection, instance_uuids: Iterable[str]) -> dict[str, list[str]]:
    """By instance the hosts that may still have something of it."""
    table, named = database.tables.remains, list(instance_uuids)
    found: dict[str, list[str]] = {}
    if named:
        left = _left(database, table.c.instance_uuid, table.c.host).where(table.c.instance_uuid.in_(named))
        for row in connection.execute(left.order_by(table.c.host)):
            found.setdefault(row.instance_uuid, []).append(row.host)
    return found


def read(database, connection, record_id: str | None) -> dict[str, list[dict[str, Any]]]:
    """By host what may be left there, as documents of instances that are deleted (core/documents.py)."""
    rows = connection.execute(_left(database, database.tables.remains).order_by(database.tables.remains.c.id)).all()
    named = [volume["id"] for row in rows for volume in row.parts["volumes"]]
    known = volumes.read(database, connection, named)
    found: dict[str, list[dict[str, Any]]] = {}
    listed: set[tuple[str, str]] = set()
    for row in rows:
        # By now a volume of this name may have been made there, or have come there, for another instance.
        gone = [each for each in row.parts["volumes"] if known.get(each["id"], {}).get("host") != row.host]
        # Two instances of one name have one volume: it goes with the first, which it was made for.
        gone = [each for each in gone if (row.host, each["id"]) not in listed]
        listed |= {(row.host, each["id"]) for each in gone}
        document = {
            "uuid": row.instance_uuid,
            "name": row.name,
            "host": row.host,
            "record_id": record_id,
            "status": "DELETED",
            "task_state": "deleting",
            "remains": [row.host],
            "image": row.parts["image"],
            "volumes": [{**each, "delete_on_termination": True} for each in gone],
        }
        found.setdefault(row.host, []).append(document)
    return found


def _left(database, *columns):
    """A select of what is left: not of an instance that has come back to the host, whose it is then."""
    table, instances = database.tables.remains, database.tables.instances
    same = (instances.c.uuid == table.c.instance_uuid, instances.c.host == table.c.host, instances.c.deleted == 0)
    return database.sql.select(*columns).where(~database.sql.exists().where(*same))


def _is_made(volume) -> bool:
    """Whether the host may have made it for the instance; one that waits on a host was there before."""
    return volume.local and not volume.host
