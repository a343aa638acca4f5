# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute nodes in the record: the resource tracker's table (the seed's step 5)."""

from __future__ import annotations

from typing import Any

from ..core.change import Change
from ..record import compute_nodes
from ..record.database import Database, now
from .record import ROOM, SETTINGS, HostRecord


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

        def written(connection):
            for change in sorted(changes, key=lambda change: change.key):
                self._write(connection, change)
            return {}

        return self.database.write(written)

    def _write(self, connection, change: Change) -> None:
        """A host's row; another room or other settings count as a change to what claims are decided on."""
        before, after = change.before, change.after
        values: dict[str, Any] = dict(after.settings)
        if change.wanted.room is not None:
            values.update(after.room, facts=after.facts, updated_at=now())
        if before is None and compute_nodes.add(self.database, connection, after.host, values):
            return
        counts = before is None or (before.room, before.settings) != (after.room, after.settings)
        compute_nodes.update(self.database, connection, after.host, values, counts)


def _record_of(row, moment) -> HostRecord:
    values = row._asdict()
    return HostRecord(
        host=row.host,
        room={key: values[key] for key in ROOM},
        settings={key: default if values[key] is None else values[key] for key, default in SETTINGS.items()},
        facts=row.facts,
        age=int((moment - row.updated_at).total_seconds()),
    )
