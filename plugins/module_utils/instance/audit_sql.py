# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record as an audit needs it: every project's living instances, volumes and claims; and claims given back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.change import Change
from ..core.errors import Conflict, InvalidRequest
from ..record import allocations, compute_nodes, instances, remains
from ..record.database import Database
from ..record.identity import record_id
from .audit import THINGS, Existing, Found, Recorded, compare
from .sql import instance_of


def parse(params: dict[str, Any]) -> list[Existing]:
    """What exists, as it is to be compared."""
    hosts = {host: things if isinstance(things, dict) else {} for host, things in params["hosts"].items()}
    unseen = {host: str(things["msg"]) for host, things in hosts.items() if set(things) == {"msg"}}
    seen = {host: things for host, things in hosts.items() if host not in unseen}
    wrong = sorted(host for host, things in seen.items() if set(THINGS) - set(things))
    if wrong:
        raise InvalidRequest("hosts: of %s there must be %s; or msg, why not" % (", ".join(wrong), ", ".join(THINGS)))
    return [Existing(seen, params["ports"], params["project_id"], unseen, params.get("networks") or [])]


def connect(params: dict[str, Any]) -> Audit:
    """The record behind params["database"]."""
    return Audit(Database(params["database"]))


class Audit:
    """What disagrees, and the claims of it given back."""

    def __init__(self, database: Database):
        self.database = database

    def read(self, wanted: list[Existing]) -> list[Found]:
        """What exists and is not recorded, and the reverse."""
        [existing] = wanted
        return compare(_recorded(self.database, _owners(existing)), existing)

    def apply(self, changes: list[Change]) -> dict[tuple, Any]:
        """Give back the claims of instances that do not live."""
        return self.database.write(lambda connection: self._release(connection, changes)) if changes else {}

    def _release(self, connection, changes: list[Change]) -> dict[tuple, Any]:
        living = instances.lock(self.database, connection, [change.wanted.id for change in changes])
        gone = [change for change in changes if change.wanted.id not in living]
        released = [allocations.release(self.database, connection, change.wanted.id) for change in gone]
        compute_nodes.settle(self.database, connection, filter(None, released))
        recorded = Conflict("its instance is recorded again: audit once more")
        return {change.key: recorded if change.wanted.id in living else change.before for change in changes}


def _owners(existing: Existing) -> set[str]:
    """The instances that what was found belongs to, as its marks say."""
    things = [thing for here in existing.hosts.values() for name in THINGS for thing in here[name]]
    owners = {thing.get("instance_uuid") or thing.get("uuid") for thing in [*things, *(existing.ports or [])]}
    owners |= {
        user for here in existing.hosts.values() for gateway in here["gateways"] for user in gateway["instances"]
    }
    return {owner for owner in owners if owner}


def _recorded(database: Database, owners: set[str]) -> Recorded:
    tables = database.tables
    rows = tables.instances
    with database.reading() as connection:
        living = connection.execute(rows.select().where(rows.c.deleted == 0))
        left = remains.hosts_of(database, connection, owners)
        return Recorded(
            instances=[replace(instance_of(row, {}, None), remains=left.get(row.uuid, [])) for row in living],
            volumes={row.id: row._asdict() for row in connection.execute(tables.volumes.select())},
            claims={row.instance_uuid: row.host for row in connection.execute(tables.allocations.select())},
            record_id=record_id(database, connection),
            deleted=instances.deleted(database, connection, owners),
        )
