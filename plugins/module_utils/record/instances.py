# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances in the record: rows are added, and changed only as they were read or while they are locked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable, Mapping

from ..core.errors import Conflict


def add(database, connection, values: dict[str, Any]) -> None:
    """Record a new instance; Conflict if its project has a living one of this name since it was looked for."""
    table = database.tables.instances
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(values))
    except database.sql.exc.IntegrityError:
        same = (table.c.project_id == values["project_id"], table.c.name == values["name"], table.c.deleted == 0)
        if connection.execute(database.sql.select(table.c.id).where(*same)).first() is None:
            raise  # one of its values is wrong
        raise Conflict("another run has begun to launch it: run again") from None


def update(database, connection, instance_uuid: str, generation: int, values: dict[str, Any]) -> None:
    """Compare and set (nova's expected_task_state, and more): Conflict if it was written since that generation."""
    table = database.tables.instances
    same = (table.c.uuid == instance_uuid, table.c.deleted == 0, table.c.generation == generation)
    statement = table.update().where(*same).values({**values, "generation": generation + 1})
    if connection.execute(statement).rowcount != 1:
        raise Conflict("another run has changed it since it was read: run again")


def deleted(database, connection, instance_uuids: Iterable[str]) -> set[str]:
    """Those of these instances that were destroyed."""
    table, named = database.tables.instances, list(instance_uuids)
    if not named:
        return set()
    gone = (table.c.uuid.in_(named), table.c.deleted != 0)
    return {row.uuid for row in connection.execute(database.sql.select(table.c.uuid).where(*gone))}


def lock(database, connection, instance_uuids: Iterable[str]) -> dict[str, Any]:
    """Keep other transactions from these instances, in the order of their names; the living ones' leases by UUID."""
    table = database.tables.instances
    columns = (table.c.uuid, table.c.generation, table.c.lease_owner, table.c.leased_at, table.c.lease_expires)
    living = (table.c.uuid.in_(sorted(instance_uuids)), table.c.deleted == 0)
    statement = database.sql.select(*columns).where(*living).order_by(table.c.project_id, table.c.name)
    return {row.uuid: row for row in connection.execute(statement.with_for_update())}


def place(database, connection, hosts: Mapping[str, str], moment: datetime) -> None:
    """Record the hosts of instances that are locked, by UUID; what was read of them before does not hold any more."""
    if not hosts:
        return
    table, parameter = database.tables.instances, database.sql.bindparam
    values = {"host": parameter("place"), "updated_at": moment, "generation": table.c.generation + 1}
    statement = table.update().where(table.c.uuid == parameter("identity")).values(values)
    rows = [{"identity": identity, "place": host} for identity, host in hosts.items()]
    connection.execute(statement, rows)


def leave_group(database, connection, project_id: str, name: str) -> None:
    """Let a project's living instances be in a group no more, which there is no more."""
    table = database.tables.instances
    members = (table.c.project_id == project_id, table.c.group_name == name, table.c.deleted == 0)
    connection.execute(table.update().where(*members).values(group_name=None))


def note_power_states(database, connection, hosts: Mapping[str, Mapping[str, str]]) -> None:
    """Record what these hosts have said of all their guests, by UUID; nostate of an instance that has none there.

    An instance that a run is about to change is left to that run. What was decided on what was read of an instance
    before stays right: its generation is as it was.
    """
    if not hosts:
        return
    table, parameter = database.tables.instances, database.sql.bindparam
    columns = (table.c.uuid, table.c.host, table.c.power_state)
    here = (table.c.host.in_(list(hosts)), table.c.deleted == 0, table.c.vm_state.in_(("active", "stopped")))
    rows = connection.execute(database.sql.select(*columns).where(*here, table.c.lease_owner.is_(None))).all()
    said = {row.uuid: hosts[row.host].get(row.uuid, "nostate") for row in rows}
    changed = [row.uuid for row in rows if said[row.uuid] != row.power_state]
    locked = lock(database, connection, changed) if changed else {}
    states = [{"identity": each, "said": said[each]} for each in locked if locked[each].lease_owner is None]
    if states:
        statement = table.update().where(table.c.uuid == parameter("identity")).values(power_state=parameter("said"))
        connection.execute(statement, states)
