# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute nodes in the record: the resource tracker's table (the seed's step 5)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ..core.change import Change
from ..record import compute_nodes, instances, remains
from ..record.database import Database, now
from ..record.identity import record_id
from .record import HostRecord
from .settings import ROOM, SETTINGS


def connect(params: dict[str, Any]) -> ComputeNodes:
    """The compute nodes behind params["database"]."""
    return ComputeNodes(Database(params["database"]))


class ComputeNodes:
    """The table of compute nodes. What is claimed of them is the scheduler's to write, never ours."""

    def __init__(self, database: Database):
        self.database = database

    def read(self, wanted: list[HostRecord]) -> dict[str, HostRecord]:
        """The wanted hosts that are recorded, with what may be left there of instances that are elsewhere.

        Of those that are only named, of which there may be many, their age is read beside.
        """
        table = self.database.tables.compute_nodes
        changing = [item.host for item in wanted if item.room is not None or item.settings or item.silent]
        named = sorted({item.host for item in wanted}.difference(changing))
        columns = (table.c.host, table.c.updated_at, table.c.machine)
        ages = self.database.sql.select(*columns).where(table.c.host.in_(named))
        with self.database.reading() as connection:
            moment = now(connection)
            known = {
                host: HostRecord(host, age=_age(updated, moment), machine=machine)
                for host, updated, machine in connection.execute(ages)
            }
            rows = connection.execute(table.select().where(table.c.host.in_(changing))) if changing else ()
            known.update({row.host: record_of(row, moment) for row in rows})
            return self._with_remains(connection, known)

    def _with_remains(self, connection, known: dict[str, HostRecord]) -> dict[str, HostRecord]:
        left = remains.read(self.database, connection, record_id(self.database, connection))
        return {host: replace(each, remains=left.get(host, [])) for host, each in known.items()}

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Write what the hosts have reported and the settings that are mentioned; the hosts as they now are."""
        if not changes:
            return {}
        wanted = sorted((change.wanted for change in changes), key=lambda item: item.host)
        return self.database.write(partial(self._write_all, wanted))

    def _write_all(self, wanted: list[HostRecord], connection) -> dict[str, Any]:
        """The hosts, or why their settings are not among what is written. Instances before hosts, as every transaction
        takes its locks."""
        states = {item.host: item.power_states for item in wanted if item.power_states is not None}
        instances.note_power_states(self.database, connection, states)
        for item in wanted:
            if item.cleared:
                remains.clear(self.database, connection, item.host, item.cleared)
        written = self._with_remains(connection, {item.host: self._write(connection, item) for item in wanted})
        return {**written, **{item.host: item.fault for item in wanted if item.fault is not None}}

    def _write(self, connection, wanted: HostRecord) -> HostRecord:
        """One host's row. It is read again here, where it is locked: other controllers may have written it."""
        moment, lock = now(connection), partial(compute_nodes.lock, self.database, connection, wanted.host)
        heard = {"updated_at": moment, "silent_since": None}
        told = {"facts": wanted.facts, "machine": wanted.machine}
        reported = {} if wanted.room is None else {**wanted.room, **told, **heard}
        row = lock()
        if row is None:
            after = wanted.over(None)
            if compute_nodes.add(self.database, connection, wanted.host, {**reported, **after.settings}):
                return after
            row = lock()
        before = record_of(row, moment)
        after = wanted.over(before)
        # Another room or other settings are a change of what claims are decided on.
        counts = (before.room, before.settings) != (after.room, after.settings)
        reported = {**reported, "facts": after.facts, "machine": after.machine} if reported else {}
        if wanted.silent and not before.silent:
            reported["silent_since"] = moment
        compute_nodes.update(self.database, connection, wanted.host, {**reported, **wanted.settings}, counts)
        return after


def record_of(row, moment) -> HostRecord:
    """A host as its row has it."""
    values = row._asdict()
    return HostRecord(
        host=row.host,
        room={key: values[key] for key in ROOM},
        settings={key: default if values[key] is None else values[key] for key, default in SETTINGS.items()},
        facts=row.facts,
        age=_age(row.updated_at, moment),
        machine=row.machine,
        silent=row.silent_since is not None,
    )


def _age(updated, moment) -> int:
    return int((moment - updated).total_seconds())
