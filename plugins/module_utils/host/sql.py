# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute nodes in the record: the resource tracker's table (the seed's step 5)."""

from __future__ import annotations

from typing import Any

from ..core.change import Change
from ..record.database import Database, now
from .record import ROOM, SETTINGS, HostRecord

UNUSED = {"generation": 0, "vcpus_used": 0, "memory_mb_used": 0, "disk_gb_used": 0}


def connect(params: dict[str, Any]) -> ComputeNodes:
    """The compute nodes behind params["database"]."""
    return ComputeNodes(Database(params["database"]))


class ComputeNodes:
    """The table of compute nodes. What is claimed of them is the scheduler's to write, never ours."""

    def __init__(self, database: Database):
        self.database = database

    def read(self, wanted: list[HostRecord]) -> dict[str, HostRecord]:
        """The wanted hosts that are recorded."""
        table, moment = self.database.tables.compute_nodes, now()
        names = [item.host for item in wanted]
        with self.database.reading() as connection:
            rows = connection.execute(table.select().where(table.c.host.in_(names))).all()
        return {row.host: _record_of(row, moment) for row in rows}

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Write what the hosts have said."""
        if not changes:
            return {}
        table = self.database.tables.compute_nodes
        with self.database.writing() as connection:
            for change in changes:
                after = change.after
                values = {**after.room, **after.settings, "facts": after.facts, "updated_at": now()}
                if change.before is None:
                    connection.execute(table.insert().values(host=after.host, **UNUSED, **values))
                else:
                    connection.execute(table.update().where(table.c.host == after.host).values(**values))
        return {}


def _record_of(row, moment) -> HostRecord:
    values = row._asdict()
    return HostRecord(
        host=row.host,
        room={key: values[key] for key in ROOM},
        settings={key: values[key] for key in SETTINGS},
        facts=row.facts,
        age=int((moment - row.updated_at).total_seconds()),
    )
