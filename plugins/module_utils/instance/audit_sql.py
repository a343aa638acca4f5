# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record as an audit needs it: every project's living instances, volumes and claims."""

from __future__ import annotations

from typing import Any

from ..core.errors import InvalidRequest
from ..record.database import Database
from ..record.identity import record_id
from .audit import Existing, Found, Recorded, compare
from .sql import instance_of

THINGS = ("domains", "directories", "volumes")


def find(params: dict[str, Any]) -> list[Found]:
    """What exists and is not recorded, and the reverse."""
    hosts = params["hosts"]
    wrong = sorted(host for host, things in hosts.items() if not isinstance(things, dict) or set(THINGS) - set(things))
    if wrong:
        raise InvalidRequest("hosts: of %s there must be %s" % (", ".join(wrong), ", ".join(THINGS)))
    existing = Existing(hosts, params["ports"], params["project_id"])
    return compare(_recorded(Database(params["database"]), _owners(existing)), existing)


def _owners(existing: Existing) -> set[str]:
    """The instances that what was found belongs to, as its marks say."""
    things = [thing for here in existing.hosts.values() for name in THINGS for thing in here[name]]
    owners = {thing.get("instance_uuid") or thing.get("uuid") for thing in [*things, *(existing.ports or [])]}
    return {owner for owner in owners if owner}


def _recorded(database: Database, owners: set[str]) -> Recorded:
    tables = database.tables
    instances = tables.instances
    with database.reading() as connection:
        living = connection.execute(instances.select().where(instances.c.deleted == 0))
        gone = database.sql.select(instances.c.uuid).where(instances.c.deleted != 0, instances.c.uuid.in_(owners))
        return Recorded(
            instances=[instance_of(row, {}, None) for row in living],
            volumes={row.id: row._asdict() for row in connection.execute(tables.volumes.select())},
            claims={row.instance_uuid: row.host for row in connection.execute(tables.allocations.select())},
            record_id=record_id(database, connection),
            deleted={row.uuid for row in connection.execute(gone)},
        )
