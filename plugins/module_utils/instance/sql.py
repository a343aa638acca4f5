# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of instances in its database: who reads and writes the rows."""

from __future__ import annotations

import uuid
from typing import Any, Iterable

from ..core.change import Change
from ..core.errors import Conflict, LaunchError
from ..record.database import Database, now
from .model import Instance, Recorded

# Fields of an Instance that are columns of the same name; metadata is not, SQLAlchemy keeps that word.
COLUMNS = (
    "uuid", "name", "project_id", "user_id", "vm_state", "task_state", "host", "attempted_hosts",
    "flavor", "image", "ports", "volumes", "ssh_keys", "user_data_digest", "fault",
)  # fmt: skip
VOLUME_COLUMNS = ("id", "name", "size", "format", "delete_on_termination")


def connect(params: dict[str, Any]) -> Record:
    """The record behind params["database"], for one project."""
    return Record(Database(params["database"]), params["project_id"])


class Record:
    """The rows of a project's instances; one call is one transaction."""

    def __init__(self, database: Database, project_id: str):
        self.database = database
        self.project_id = project_id

    def read(self, wanted: Iterable[Any]) -> Recorded:
        """The living instances of the wanted names, and the volumes of the wanted ids."""
        wanted = list(wanted)
        volume_ids = [volume["id"] for item in wanted for volume in getattr(item, "volumes", None) or []]
        with self.database.reading() as connection:
            rows = self._living(connection, [item.key for item in wanted])
            return Recorded({row.name: instance_of(row) for row in rows}, self._volumes(connection, volume_ids))

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Write the changes; each applies to the state it was planned from, or is a Conflict."""
        request_id = "req-%s" % uuid.uuid4()
        outcome: dict[str, Any] = {}
        if not changes:
            return outcome
        with self.database.writing() as connection:
            for change in changes:
                try:
                    outcome[change.key] = self._write(connection, change, request_id)
                except LaunchError as error:
                    outcome[change.key] = error
        return outcome

    def _write(self, connection, change: Change, request_id: str) -> Instance:
        before, after = change.before, change.after
        if before is None:
            self._insert(connection, after, request_id)
        else:
            self._update(connection, before, after)
        if after.vm_state == "deleted" or (before and before.host and after.host is None):
            self._release(connection, after)
        if after.launched or after.vm_state == "deleted":
            self._keep_volumes(connection, after)
        self._note(connection, before, after, request_id)
        table = self.database.tables.instances
        return instance_of(connection.execute(table.select().where(table.c.uuid == after.uuid)).one())

    def _insert(self, connection, after: Instance, request_id: str) -> None:
        table, moment = self.database.tables.instances, now()
        taken = self._living(connection, [after.name])
        if taken:
            raise Conflict("another run has begun to launch it (%s): run again" % taken[0].uuid)
        times = {"created_at": moment, "requested_at": moment, "updated_at": moment}
        connection.execute(table.insert().values({**_values(after), **times, "request_id": request_id, "deleted": 0}))

    def _update(self, connection, before: Instance, after: Instance) -> None:
        """Compare and set: only the state that the plan has seen is changed (nova's expected_task_state)."""
        table, moment = self.database.tables.instances, now()
        values = {**_values(after), "updated_at": moment}
        if after.launched and not before.launched:
            values["launched_at"] = moment
        if before.vm_state == "error" and after.vm_state == "building":
            values["requested_at"] = moment
        if after.vm_state == "deleted":
            values.update(deleted_at=moment, deleted=table.c.id)
        statement = table.update().where(
            table.c.uuid == before.uuid, table.c.vm_state == before.vm_state, table.c.task_state == before.task_state
        )
        if connection.execute(statement.values(values)).rowcount != 1:
            raise Conflict("another run has changed it since it was read: run again")

    def _release(self, connection, instance: Instance) -> None:
        """Give back the claim, and its host the room."""
        tables = self.database.tables
        claims, hosts = tables.allocations, tables.compute_nodes
        mine = claims.c.instance_uuid == instance.uuid
        claim = connection.execute(claims.select().where(mine)).first()
        if claim is None:
            return
        connection.execute(claims.delete().where(mine))
        room = {
            "vcpus_used": hosts.c.vcpus_used - claim.vcpus,
            "memory_mb_used": hosts.c.memory_mb_used - claim.memory_mb,
            "disk_gb_used": hosts.c.disk_gb_used - claim.disk_gb,
            "generation": hosts.c.generation + 1,
        }
        connection.execute(hosts.update().where(hosts.c.host == claim.host).values(room))

    def _keep_volumes(self, connection, instance: Instance) -> None:
        """Record where an instance's volumes are; when it is gone, only those it does not take along."""
        table = self.database.tables.volumes
        for volume in instance.volumes:
            connection.execute(table.delete().where(table.c.id == volume["id"]))
            gone = instance.vm_state == "deleted"
            if gone and (volume["delete_on_termination"] or not instance.host):
                continue
            row = {column: volume[column] for column in VOLUME_COLUMNS}
            row.update(project_id=self.project_id, host=volume.get("host") or instance.host)
            row.update(instance_uuid=None if gone else instance.uuid)
            connection.execute(table.insert().values(row))

    def _note(self, connection, before: Instance | None, after: Instance, request_id: str) -> None:
        """Keep the instance's actions: create and delete, when each began, how it ended."""
        table, moment = self.database.tables.instance_actions, now()
        action = "delete" if "deleting" in (after.task_state, before and before.task_state) else "create"
        unfinished = (table.c.instance_uuid == after.uuid, table.c.action == action, table.c.finish_time.is_(None))
        open_action = connection.execute(table.select().where(*unfinished)).first()
        if open_action is None and (before is None or after.task_state in ("scheduling", "deleting")):
            row = {"instance_uuid": after.uuid, "request_id": request_id, "action": action, "start_time": moment}
            connection.execute(table.insert().values(**row, user_id=after.user_id))
        if after.task_state is None:
            ended = {"finish_time": moment, "result": "Error" if after.fault else "Success", "message": after.fault}
            connection.execute(table.update().where(*unfinished).values(**ended, host=after.host))

    def _living(self, connection, names: list[str]) -> list:
        table = self.database.tables.instances
        living = (table.c.project_id == self.project_id, table.c.name.in_(names), table.c.deleted == 0)
        return list(connection.execute(table.select().where(*living)))

    def _volumes(self, connection, identities: list[str]) -> dict[str, dict]:
        if not identities:
            return {}
        table = self.database.tables.volumes
        return {row.id: row._asdict() for row in connection.execute(table.select().where(table.c.id.in_(identities)))}


def instance_of(row) -> Instance:
    """The instance in a row of the table."""
    values = {column: getattr(row, column) for column in COLUMNS}
    launched = row.launched_at is not None
    seconds = round((row.launched_at - row.requested_at).total_seconds(), 1) if launched else None
    return Instance(**values, metadata=row.instance_metadata, launched=launched, seconds=seconds)


def _values(instance: Instance) -> dict[str, Any]:
    values = {column: getattr(instance, column) for column in COLUMNS}
    return {**values, "instance_metadata": instance.metadata}


def find(params: dict[str, Any]) -> list[Instance]:
    """The living instances of params["project_id"], those of the given names and hosts if any are given."""
    record = connect(params)
    table = record.database.tables.instances
    wanted = [table.c.project_id == record.project_id, table.c.deleted == 0]
    if params["names"] is not None:
        wanted.append(table.c.name.in_(params["names"]))
    if params["hosts"] is not None:
        wanted.append(table.c.host.in_(params["hosts"]))
    with record.database.reading() as connection:
        rows = connection.execute(table.select().where(*wanted).order_by(table.c.name))
        return [instance_of(row) for row in rows]
