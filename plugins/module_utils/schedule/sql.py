# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's view of the record: hosts and claims are read, claims are written against the generation seen."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Callable

from ..core.change import Change
from ..core.errors import LaunchError, Unavailable
from ..host.record import parse as parse_hosts
from ..host.sql import UNUSED
from ..record.database import Database, now
from . import policy
from .model import Cluster, Host, Request

TRIES = 10  # nova's placement: allocation_conflict_retry_count


def connect(params: dict[str, Any]) -> Claims:
    """The claims behind params["database"]; params["nodes"] are hosts that the record may not know yet."""
    names = [node["host"] for node in params["nodes"]]
    told = parse_hosts({"hosts": names, "nodes": params["nodes"], "settings": {}})
    unrecorded = [Host(host=item.host, **UNUSED, **item.room, **item.settings, facts=item.facts) for item in told]
    return Claims(Database(params["database"]), params["candidates"], unrecorded, policy.plan(params))


class Claims:
    """Claims on the compute nodes of one database, among the candidates that this run can reach."""

    def __init__(self, database: Database, candidates: list[str] | None, unrecorded: list[Host], plan: Callable):
        self.database = database
        self.candidates = candidates
        self.unrecorded = unrecorded
        self.plan = plan

    def read(self, wanted: list[Request]) -> Cluster:
        """The candidates as the record has them; hosts not recorded yet (in check mode) as they say they are."""
        with self.database.reading() as connection:
            cluster = self._cluster(connection, wanted)
        known = {host.host: host for host in self.unrecorded}
        return Cluster({**known, **cluster.hosts}, cluster.claims)

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Claim; where another controller was quicker on a host, decide anew for the instances that lost it."""
        outcome: dict[str, Any] = {}
        pending = changes
        for _try in range(TRIES):
            if not pending:
                return outcome
            with self.database.writing() as connection:
                hosts = self._cluster(connection, []).hosts
                lost = self._claim(connection, pending, hosts, outcome)
            pending = []
            for change in self.plan(lost, self.read(lost), "present") if lost else []:
                if change.error:
                    outcome[change.key] = change.error
                elif change.action == "keep":
                    outcome[change.key] = change.after
                else:
                    pending.append(change)
        for change in pending:
            outcome[change.key] = Unavailable("other controllers kept claiming the same hosts: run again")
        return outcome

    def _claim(self, connection, changes: list[Change], current: dict[str, Host], outcome: dict[str, Any]) -> list[Request]:
        """Write the claims of every host whose room still suffices; the requests of the others are returned."""
        lost, claimed = [], dict(current)
        by_host: dict[str, list[Change]] = {}
        for change in changes:
            request, host = change.wanted, claimed.get(change.after.host)
            try:
                fits = host is not None and not self.plan([request], Cluster({host.host: host}, {}), "present")[0].error
            except LaunchError:
                fits = False
            if not fits:
                lost.append(request)
                continue
            claimed[host.host] = host.claimed(request)
            by_host.setdefault(host.host, []).append(change)
        for name, taken in by_host.items():
            requests = [change.wanted for change in taken]
            if self._take(connection, current[name], claimed[name]):
                self._write(connection, name, requests)
                outcome.update({change.key: change.after for change in taken})
            else:
                lost += requests
        return lost

    def _take(self, connection, before: Host, after: Host) -> bool:
        """Compare and set: the host's room goes down only if nobody has claimed there since."""
        table = self.database.tables.compute_nodes
        same = (table.c.host == before.host, table.c.generation == before.generation)
        room = {name: getattr(after, name) for name in ("vcpus_used", "memory_mb_used", "disk_gb_used")}
        statement = table.update().where(*same).values(**room, generation=before.generation + 1)
        return connection.execute(statement).rowcount == 1

    def _write(self, connection, host: str, requests: list[Request]) -> None:
        tables, moment = self.database.tables, now()
        rows = [
            {
                "instance_uuid": request.key,
                "host": host,
                "vcpus": request.vcpus,
                "memory_mb": request.memory_mb,
                "disk_gb": request.disk_gb,
                "created_at": moment,
            }
            for request in requests
        ]
        connection.execute(tables.allocations.insert(), rows)
        mine = tables.instances.c.uuid.in_([request.key for request in requests])
        connection.execute(tables.instances.update().where(mine).values(host=host, updated_at=moment))

    def _cluster(self, connection, wanted: list[Request]) -> Cluster:
        tables = self.database.tables
        columns = [tables.compute_nodes.c[field.name] for field in fields(Host)]
        rows = connection.execute(self.database.sql.select(*columns)).all()
        hosts = {row.host: Host(*row) for row in rows if self.candidates is None or row.host in self.candidates}
        claims = tables.allocations
        mine = claims.select().where(claims.c.instance_uuid.in_([request.key for request in wanted]))
        return Cluster(hosts, {row.instance_uuid: row.host for row in connection.execute(mine)})
