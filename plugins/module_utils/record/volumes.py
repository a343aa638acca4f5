# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes in the record: an instance's are its own from the request on, so that no other can be given them.

One that is to be deleted on termination and has no instance is being deleted.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Iterable, Mapping

from ..core.errors import Conflict

COLUMNS = ("id", "name", "size", "format", "delete_on_termination")


def read(database, connection, identities: list[str]) -> dict[str, dict[str, Any]]:
    """The rows of these volumes, by id."""
    if not identities:
        return {}
    table = database.tables.volumes
    return {row.id: row._asdict() for row in connection.execute(table.select().where(table.c.id.in_(identities)))}


def find(database, connection, project_id: str, volumes: list[Any]) -> dict[str, dict[str, Any]]:
    """The rows of these volumes, and those that have one of their names in the project, by id."""
    if not volumes:
        return {}
    table = database.tables.volumes
    named = (table.c.project_id == project_id) & table.c.name.in_({volume.name for volume in volumes})
    rows = connection.execute(table.select().where(table.c.id.in_({volume.id for volume in volumes}) | named))
    return {row.id: row._asdict() for row in rows}


def attach(database, connection, instance) -> None:
    """Record an instance's volumes as its own, and no others; Conflict if another instance has got one of them."""
    table = database.tables.volumes
    local = [volume for volume in instance.volumes if volume.local]
    known = read(database, connection, [volume.id for volume in local])
    _detach(database, connection, instance, None, table.c.id.not_in(known))
    for volume in local:
        row = {column: getattr(volume, column) for column in COLUMNS}
        row.update(project_id=instance.project_id, instance_uuid=instance.uuid, made=bool(volume.made))
        row["host"] = volume.host or (instance.host if instance.launched else None)
        if volume.id not in known:
            _add(database, connection, row)
            continue
        free = _is_free(table) | (table.c.instance_uuid == instance.uuid)
        if not connection.execute(table.update().where(table.c.id == volume.id, free).values(row)).rowcount:
            raise Conflict("volume %s has been attached to another instance, or deleted: run again" % volume.name)


def _add(database, connection, row: dict[str, Any]) -> None:
    try:
        with connection.begin_nested():
            connection.execute(database.tables.volumes.insert().values(row))
    except database.sql.exc.IntegrityError:
        if not find(database, connection, row["project_id"], [SimpleNamespace(**row)]):
            raise  # one of its values is wrong
        raise Conflict("volume %s has been made by another run: run again" % row["name"]) from None


def keep(database, connection, rows: Iterable[dict[str, Any]]) -> None:
    """Record volumes that no instance has; Conflict for one whose name or id is taken."""
    for row in rows:
        _add(database, connection, row)


def detach(database, connection, instance) -> None:
    """Let go of the volumes of an instance that is deleted: its host, if it has one, has taken it down."""
    _detach(database, connection, instance, instance.host)


def _detach(database, connection, instance, asked: str | None, *which) -> None:
    """Let go of volumes; asked is the host that has just removed those that go with the instance.

    A row goes when that host had the volume, or where no host ever had it. Elsewhere the volume is still there.
    """
    table = database.tables.volumes
    for row in connection.execute(table.select().where(table.c.instance_uuid == instance.uuid, *which)).all():
        place = row.host or asked
        if not place or (row.delete_on_termination and place == asked):
            connection.execute(table.delete().where(table.c.id == row.id))
        else:
            kept = {"instance_uuid": None, "host": place, "delete_on_termination": False}
            connection.execute(table.update().where(table.c.id == row.id).values(kept))


def is_going(row: Mapping[str, Any]) -> bool:
    """Whether a volume is being deleted, for itself."""
    return bool(row["instance_uuid"] is None and row["delete_on_termination"])


def _is_free(table):
    return table.c.instance_uuid.is_(None) & table.c.delete_on_termination.is_(False)


def of_project(database, connection, project_id: str) -> list[dict[str, Any]]:
    """The volumes of a project by name, each with the name of its instance."""
    table, instances = database.tables.volumes, database.tables.instances
    columns = (table.c.id, table.c.name, table.c.size, table.c.format, table.c.instance_uuid)
    host, owner = database.sql.func.coalesce(table.c.host, instances.c.host), instances.c.name.label("instance")
    found = (
        database.sql.select(*columns, table.c.delete_on_termination, host.label("host"), owner)
        .select_from(table.outerjoin(instances, instances.c.uuid == table.c.instance_uuid))
        .where(table.c.project_id == project_id)
        .order_by(table.c.name)
    )
    return [_told(dict(row)) for row in connection.execute(found).mappings()]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    status = "deleting" if is_going(row) else "in-use" if row["instance_uuid"] else "available"
    del row["delete_on_termination"]
    return {**row, "status": status}


def mark(database, connection, identity: str) -> bool:
    """Let no instance be given a volume any more; whether it was nobody's."""
    table = database.tables.volumes
    going = table.update().where(table.c.id == identity, _is_free(table)).values(delete_on_termination=True)
    return bool(connection.execute(going).rowcount)


def forget(database, connection, identity: str) -> bool:
    """Take a volume that is being deleted out of the record; whether it was there."""
    table = database.tables.volumes
    mine = (table.c.id == identity, table.c.instance_uuid.is_(None), table.c.delete_on_termination.is_(True))
    return bool(connection.execute(table.delete().where(*mine)).rowcount)
