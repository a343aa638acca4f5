# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of instances in its database: who reads and writes the rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Iterable

from ..core.change import Change
from ..core.errors import LaunchError
from ..core.names import new_request_id
from ..core.states import ACTIONS, PASSING_TASKS
from ..record import allocations, compute_nodes, events, groups, instances, lease, projects, remains, requests, volumes
from ..record.database import Database, now
from ..record.errors import Contended, error_of
from ..record.identity import record_id
from ..schedule.view import read_hosts
from . import quota, room
from .attachments import from_data, to_data
from .model import PARTS, Instance, seconds_to_launch
from .plan import Recorded, check_group

# Fields of an Instance that are columns of the same name; metadata is not, SQLAlchemy keeps that word.
COLUMNS = (
    "uuid", "name", "project_id", "project_name", "user_id", "user_name", "vm_state", "task_state",
    "host", "attempted_hosts", "flavor", "image", "ports", "volumes", "ssh_keys", "user_data_digest",
    "fault", "last_error", "availability_zone", "scheduler_hints", "target_state", "power_state",
    "rebuild_id",
)  # fmt: skip


def connect(params: dict[str, Any]) -> Record:
    """The record behind params["database"] for one project, as this run begins to drive its instances."""
    limits = quota.limits(params, params["project_id"])
    record = Record(Database(params["database"]), params["project_id"], lease.driver(params), limits)
    record.request_id = params.get("request_id") or record.request_id
    return record


def conductor(params: dict[str, Any]) -> Record:
    """The same, as this run writes what became of them, and lets go of those that are settled."""
    return Record(Database(params["database"]), params["project_id"], lease.driver(params), {}, concludes=True)


class Record:
    """The rows of a project's instances; one call is one transaction."""

    def __init__(
        self, database: Database, project_id: str, driver: lease.Driver, limits: dict, concludes: bool = False
    ):
        self.database = database
        self.project_id = project_id
        self.driver = driver
        self.limits = limits
        self.concludes = concludes
        self.request_id = new_request_id()
        self.user_id: str | None = None  # who asks, where that may be another than whose the instance is

    def read(self, wanted: Iterable[Any]) -> Recorded:
        """The living instances of the wanted names, the volumes of the wanted ids, groups and quotas of the project."""
        wanted = list(wanted)
        asked = [volume for item in wanted for volume in getattr(item, "volumes", None) or []]
        growing = {item.key for item in wanted if getattr(item, "volumes", None) or getattr(item, "rebuild", False)}
        with self.database.reading() as connection:
            moment = now(connection)
            rows = self._living(connection, [item.key for item in wanted])
            known = groups.read(self.database, connection, self.project_id)
            mine = record_id(self.database, connection)
            named = [item.instance.uuid for item in wanted if hasattr(item, "instance")]
            left = remains.hosts_of(self.database, connection, [row.uuid for row in rows])
            found = [instance_of(row, known, mine, self.driver.lease(row, moment)) for row in rows]
            return Recorded(
                instances={each.name: replace(each, remains=left.get(each.uuid, [])) for each in found},
                volumes=volumes.find(self.database, connection, self.project_id, asked),
                groups=known,
                limits=self.limits,
                used=projects.used(self.database, connection, self.project_id) if self.limits else quota.NOTHING,
                record_id=mine,
                room=self._room(connection, [row.host for row in rows if row.launched_at and row.name in growing]),
                deleted=instances.deleted(self.database, connection, named),
                living=self._names(connection) if any(getattr(item, "counted", None) for item in wanted) else (),
            )

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Write the changes; each applies to the state it was planned from, or is a Conflict."""
        if not changes:
            return {}
        return self.database.write(lambda connection: Writing(self, connection).all(changes))

    def _room(self, connection, names: Iterable[str]) -> dict[str, float]:
        """The GiB that these hosts have left of their disks for instances and their volumes."""
        hosts = sorted(set(filter(None, names)))
        found = read_hosts(self.database, lambda query: connection.execute(query).all(), hosts) if hosts else {}
        return {host: state.disk_inventory.left for host, state in found.items()}

    def _names(self, connection) -> tuple[str, ...]:
        """The names of the project's living instances."""
        table = self.database.tables.instances
        living = (table.c.project_id == self.project_id, table.c.deleted == 0)
        return tuple(connection.execute(self.database.sql.select(table.c.name).where(*living)).scalars())

    def _living(self, connection, names: list[str]) -> list:
        table = self.database.tables.instances
        living = (table.c.project_id == self.project_id, table.c.name.in_(names), table.c.deleted == 0)
        return list(connection.execute(table.select().where(*living)))


class Writing:
    """One transaction on a record. An item that fails is undone alone; hosts are written last, in the order of
    their names, as every transaction does that writes several, so that no two wait for each other."""

    def __init__(self, record: Record, connection):
        self.record = record
        self.database = record.database
        self.tables = record.database.tables
        self.connection = connection
        self.request_id = record.request_id
        self.moment = now(connection)
        self.ahead = self.moment - datetime.now(timezone.utc).replace(tzinfo=None)
        self.groups = groups.read(self.database, connection, record.project_id)
        self.record_id = record_id(self.database, connection)
        self.used = quota.NOTHING
        self.released: list[dict[str, Any]] = []
        self.growing: set[str] = set()
        self.built: list[str] = []
        self.failed: list[str] = []

    def all(self, changes: list[Change]) -> dict[str, Any]:
        """The outcome of each change by its key."""
        if self.record.limits:
            projects.lock(self.database, self.connection, self.record.project_id)
            self.used = projects.used(self.database, self.connection, self.record.project_id)
        noted = [event for change in changes for event in getattr(change.wanted, "events", ())]
        actions = events.open_actions(self.database, self.connection, noted)
        outcome: dict[str, Any] = {}
        for change in sorted(changes, key=lambda change: change.key):
            try:
                with self.connection.begin_nested():
                    outcome[change.key], admitted, released = self._one(change)
            except LaunchError as error:
                outcome[change.key] = error
                continue
            except self.database.sql.exc.IntegrityError as error:
                outcome[change.key] = error_of(error, self.database.url)
                continue
            self.used, groups_joined = admitted
            self.groups.update(groups_joined)
            self.released += filter(None, [released])
            if change.changed:
                self._count_builds(change.before, change.after)
            noted = getattr(change.wanted, "events", ())
            events.record_events(self.database, self.connection, noted, self.moment, actions, self.ahead)
        compute_nodes.settle(self.database, self.connection, self.released, self.built, self.failed)
        if any(left < 0 for left in self.record._room(self.connection, self.growing).values()):
            raise Contended("another run has claimed the room that disks were to have: run again")
        return outcome

    def _one(self, change: Change) -> tuple[Any, tuple, dict | None]:
        """Write one change: the instance as it now is, what it was admitted with, the allocation that it gave back."""
        before, after = change.before, change.after
        if self.record.concludes and before and before.lease.owner != self.record.driver.run_id:
            raise change.wanted.refused(before, "this run does not drive it any more: run again")
        if not change.changed:
            self._set(before, {**self._lease(change), **self._give_up(change)})
            return change.error or before, (self.used, {}), None
        asked = not self.record.concludes and after.task_state != "deleting"
        admitted = self._admitted(before, after) if asked else (self.used, {})
        if before is None:
            self._insert(change)
        else:
            self._update(change)
        deleted = after.vm_state == "deleted"
        (volumes.detach if deleted else volumes.attach)(self.database, self.connection, after)
        self._tell(change)
        if before and before.host and getattr(change.wanted, "lost", False) and (deleted or after.host is None):
            remains.note(self.database, self.connection, before, before.host, self.moment)
        released = self._give_back(before, after, asked)
        row = self.connection.execute(self._row(after)).one()
        groups_known = {**self.groups, **admitted[1]}
        written = instance_of(row, groups_known, self.record_id, self.record.driver.lease(row, self.moment))
        return replace(written, remains=before.remains if before else []), admitted, released

    def _give_up(self, change: Change) -> dict[str, Any]:
        """What is written of an instance that this run fails to stop, start or restart: nobody is at it any more.

        What a worker is still to do stays open, for that worker.
        """
        before = change.before
        if not (self.record.concludes and change.error) or before.task_state not in PASSING_TASKS:
            return {}
        if requests.actions(self.database, self.connection, [before.uuid]):
            return {}
        action, fault = ACTIONS[before.task_state], str(change.error)
        events.finish_action(self.database, self.connection, before, action, self.moment, fault)
        return {"task_state": None, "updated_at": self.moment}

    def _give_back(self, before: Instance | None, after: Instance, asked: bool) -> dict | None:
        """What the instance gives back of its host by this change: below 0 is what its volumes take more.

        One that is still to be built, and is asked for otherwise, is claimed for anew, on the host that it has begun.
        """
        if before is None:
            return None
        if after.vm_state == "deleted" or (before.host and after.host is None):
            return allocations.release(self.database, self.connection, after.uuid)
        if before.host is None:
            return None
        if not before.launched and asked and _claimed(before) != _claimed(after):
            return allocations.release(self.database, self.connection, after.uuid)
        more = room.disk_gb(after) - room.disk_gb(before) if before.launched else 0
        return allocations.resize(self.database, self.connection, after.uuid, more) if more else None

    def _admitted(self, before: Instance | None, after: Instance) -> tuple[dict[str, int], dict[str, dict]]:
        """What the project uses with this, and the group that it joins with its members; else Conflict."""
        used = self.used
        grows = before is not None and before.launched and room.disk_gb(after) > room.disk_gb(before)
        if self.record.limits or grows:
            known = volumes.read(self.database, self.connection, [volume.id for volume in after.volumes])
            used = quota.add(self.record.limits, used, quota.increase(before, after, known))
            if grows and room.increase(before, after, known) > 0:
                self.growing.add(before.host)
        group = after.group
        if not group or group == (before and before.group):
            return used, {}
        check_group(after, self.groups)
        known = self.groups.get(group["name"]) or {"members": 0}
        if {**known, **group} != known:
            groups.write(self.database, self.connection, self.record.project_id, group)
        return used, {group["name"]: {**group, "members": known["members"] + 1}}

    def _insert(self, change: Change) -> None:
        times = dict.fromkeys(("created_at", "requested_at", "updated_at"), self.moment)
        values = {**_values(change.after), **times, **self._lease(change), "request_id": self.request_id, "deleted": 0}
        if change.after.launched:  # it runs, and is taken into the record as it is
            values["launched_at"] = self.moment
        instances.add(self.database, self.connection, values)

    def _update(self, change: Change) -> None:
        before, after = change.before, change.after
        values = {**_values(after), **self._lease(change), "updated_at": self.moment}
        if after.launched and not before.launched:
            values["launched_at"] = self.moment
        if before.vm_state == "error" and after.vm_state == "building":
            values["requested_at"] = self.moment
        if after.vm_state == "deleted":
            values.update(deleted_at=self.moment, deleted=self.tables.instances.c.id)
        self._set(before, values)

    def _set(self, before: Instance, values: dict[str, Any]) -> None:
        instances.update(self.database, self.connection, before.uuid, before.lease.generation, values)

    def _lease(self, change: Change) -> dict[str, Any]:
        """The lease is taken when a run begins, renewed while it goes on, given back when the instance is settled."""
        before, after = change.before, change.after
        if self.record.concludes:
            goes_on = after.task_state == "scheduling" or not change.wanted.ended
        else:
            goes_on = after.task_state == "deleting" or after.launched or after.vm_state != "error"
        return self.record.driver.values(before and before.lease, self.moment) if goes_on else lease.NOBODY

    def _tell(self, change: Change) -> None:
        """Keep the instance's actions (create, start, stop, delete): when each began, how it ended; and its faults."""
        before, after = change.before, change.after
        tasks = (after.task_state, before and before.task_state)
        action = next((ACTIONS[task] for task in tasks if task in ACTIONS), "create")
        if before is None or after.task_state == "scheduling" or after.task_state in ACTIONS:
            who = (self.request_id, self.record.user_id or after.user_id)
            own = isinstance(self.record.driver, lease.Acceptor)
            events.start_action(self.database, self.connection, after.uuid, action, *who, self.moment, own)
        if after.task_state is None:
            events.finish_action(self.database, self.connection, after, action, self.moment, after.fault)
        error = getattr(change.wanted, "error", None)
        message = str(error) if error else after.fault
        if message and (error or not before or before.fault != after.fault):
            fault = {
                "code": 500 if self.record.concludes else 400,
                "message": message,
                "public": error.public if error else message,
                "details": getattr(error, "details", None),
                "host": change.wanted.instance.host if error else None,
            }
            events.record_fault(self.database, self.connection, after.uuid, fault, self.moment)

    def _count_builds(self, before: Instance | None, after: Instance) -> None:
        """Remember the host that has built the instance, or has failed to when another may do better."""
        if before is not None and len(after.attempted_hosts or []) > len(before.attempted_hosts or []):
            self.failed.append(after.attempted_hosts[-1])
        elif after.launched and not (before and before.launched) and after.host:
            self.built.append(after.host)

    def _row(self, instance: Instance):
        table = self.tables.instances
        return table.select().where(table.c.uuid == instance.uuid)


def _claimed(instance: Instance) -> tuple:
    """What a claim for an instance rests on."""
    return instance.flavor, (instance.image or {}).get("properties"), room.disk_gb(instance)


def instance_of(row, known: dict[str, dict], record: str | None, held: lease.Lease | None = None) -> Instance:
    """The instance in a row of the table, with the rules of its group of those known."""
    values = {column: getattr(row, column) for column in COLUMNS}
    values["scheduler_hints"] = row.scheduler_hints or {}
    values["ssh_keys"] = row.ssh_keys or []
    values.update({name: from_data(kind, values[name] or ()) for name, kind in PARTS.items()})
    group = known.get(row.group_name)
    values["group"] = group and {rule: group[rule] for rule in groups.RULES}
    seconds = seconds_to_launch(row.requested_at, row.launched_at)
    launched = row.launched_at is not None
    return Instance(
        **values, metadata=row.instance_metadata, launched=launched, seconds=seconds, record_id=record, lease=held
    )


def _values(instance: Instance) -> dict[str, Any]:
    values = {column: getattr(instance, column) for column in COLUMNS}
    flavor = instance.flavor or {}
    return {
        **values,
        **{name: to_data(values[name]) for name in PARTS},
        "instance_metadata": instance.metadata,
        "group_name": instance.group and instance.group["name"],
        "vcpus": flavor.get("vcpus"),
        "memory_mb": flavor.get("ram"),
    }
