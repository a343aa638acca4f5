# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record as an audit needs it: every project's living instances, volumes and claims."""

from __future__ import annotations

from typing import Any

from ..core.errors import InvalidRequest
from ..record.database import Database
from .audit import Existing, Found, Recorded, compare
from .sql import instance_of

THINGS = ("domains", "disks", "volumes")


def find(params: dict[str, Any]) -> list[Found]:
    """What exists and is not recorded, and the reverse."""
    hosts = params["hosts"]
    wrong = sorted(host for host, things in hosts.items() if not isinstance(things, dict) or set(THINGS) - set(things))
    if wrong:
        raise InvalidRequest("hosts: of %s there must be %s" % (", ".join(wrong), ", ".join(THINGS)))
    return compare(_recorded(Database(params["database"])), Existing(hosts, params["ports"], params["project_id"]))


def _recorded(database: Database) -> Recorded:
    tables = database.tables
    with database.reading() as connection:
        living = connection.execute(tables.instances.select().where(tables.instances.c.deleted == 0))
        return Recorded(
            instances=[instance_of(row, {}) for row in living],
            volumes={row.id: row._asdict() for row in connection.execute(tables.volumes.select())},
            claims={row.instance_uuid: row.host for row in connection.execute(tables.allocations.select())},
        )
