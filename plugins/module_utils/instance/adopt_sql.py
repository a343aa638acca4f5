# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances that run taken into the record: their rows, their volumes' and their claims, all in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.change import Change
from ..core.errors import Conflict, LaunchError
from ..record import allocations, lease, volumes
from ..record.database import Database
from ..record.identity import inherit, is_bare, record_id
from ..schedule.request import parse as parse_requests
from ..schedule.view import read_hosts
from .adopt import Seen
from .audit import Existing
from .model import InstanceRequest, to_document
from .sql import Record, Writing


def connect(params: dict[str, Any], existing: Existing) -> Adoptions:
    """The record behind params["database"], beside what was found."""
    record = Record(Database(params["database"]), params["project_id"], lease.driver(params), {})
    record.request_id = params.get("request_id") or record.request_id
    return Adoptions(record, existing, params["adopt"])


class Adoptions:
    """The record of a project, and instances taken into it."""

    def __init__(self, record: Record, existing: Existing, asked: dict[str, Any]) -> None:
        self.record = record
        self.database = record.database
        self.existing = existing
        self.lost = asked.get("record")
        self.settings = asked.get("settings") or {}

    def read(self, wanted: list[InstanceRequest]) -> Seen:
        """What the record has of the request, and of what was found."""
        found = [domain["uuid"] for here in self.existing.hosts.values() for domain in here["domains"]]
        table, recorded = self.database.tables.instances, self.record.read(wanted)
        with self.database.reading() as connection:
            rows = connection.execute(self.database.sql.select(table.c.uuid).where(table.c.uuid.in_(found)))
            bare = is_bare(self.database, connection) and recorded.record_id not in self._marks()
            return Seen(recorded, set(rows.scalars()), bare)

    def _marks(self) -> set[str]:
        """The records that the marks on what was found name."""
        hosts, ports = self.existing.hosts.values(), self.existing.ports or []
        things = [thing for here in hosts for each in here.values() for thing in each] + ports
        return {str(thing["record_id"]) for thing in things if thing.get("record_id")}

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Record the instances; those of a lost record only if this one can go on in its place."""
        return self.database.write(lambda connection: self._write(connection, changes)) if changes else {}

    def _write(self, connection, changes: list[Change]) -> dict[str, Any]:
        mine = record_id(self.database, connection)
        heirs = {change.key for change in changes if change.after.record_id not in (None, mine)}
        if heirs and not is_bare(self.database, connection):
            late = Conflict("this record has got instances of its own meanwhile")
            going_on = [change for change in changes if change.key not in heirs]
            return {**self._take(connection, going_on), **dict.fromkeys(heirs, late)}
        if heirs:
            inherit(self.database, connection, str(self.lost))
        outcome = self._take(connection, changes)
        if heirs and all(isinstance(outcome[key], LaunchError) for key in heirs):
            inherit(self.database, connection, mine)
        return outcome

    def _take(self, connection, changes: list[Change]) -> dict[str, Any]:
        return Adopting(self.record, connection, self.settings).all(changes)


class Adopting(Writing):
    """One transaction that takes instances in. They run, so nobody drives them, and no host can refuse its claim."""

    def __init__(self, record: Record, connection, settings: dict[str, Any]):
        super().__init__(record, connection)
        self.settings = settings

    def _one(self, change: Change) -> tuple[Any, tuple, dict | None]:
        written, admitted, released = super()._one(change)
        volumes.keep(self.database, self.connection, change.kept)
        claim = self._claim(change)
        allocations.add(self.database, self.connection, [claim], self.moment)
        taken = {key: -claim[key] for key in ("vcpus", "memory_mb", "disk_gb")}
        self.released.append({**taken, "host": claim["host"], "num_instances": -1})
        return replace(written, record_id=self.record_id), admitted, released

    def _claim(self, change: Change) -> dict[str, Any]:
        """What it has of its host."""
        instance = change.after
        [request] = parse_requests({"instances": [to_document(instance)], "settings": self.settings})
        if request.fault:
            raise request.fault
        allocation = change.allocation
        if (request.numa_topology or request.pci_requests) and not allocation:
            raise Conflict("its flavor asks for CPUs or devices of its own, and its guest does not say which it has")
        hosts = read_hosts(self.database, lambda query: self.connection.execute(query).all(), [instance.host])
        if instance.host not in hosts:
            raise Conflict("host %s is not recorded, as it has not said what room it has: run again" % instance.host)
        return {
            "instance_uuid": instance.uuid,
            "host": instance.host,
            "vcpus": hosts[instance.host].charge(request),
            "memory_mb": request.memory_mb,
            "disk_gb": request.disk_gb,
            "resources": allocation or None,
        }

    def _lease(self, change: Change) -> dict[str, Any]:
        return lease.NOBODY
