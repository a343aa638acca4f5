# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record says of instances to those who ask: their documents, or a table of thousands of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.table import table as as_table
from ..record import events, groups
from ..record.database import Database
from ..record.identity import record_id
from .model import Instance, seconds_to_launch, status_of
from .sql import instance_of


@dataclass(frozen=True)
class InstanceHistory:
    """An instance and what has happened to it."""

    instance: Instance
    history: dict[str, list]
    look: Look

    def to_result(self) -> dict[str, Any]:
        """The instance's document, with its actions and faults if they were asked for."""
        told, silent = self.instance.to_result(), bool(self.look.silent_since)
        status = status_of(self.instance.vm_state, self.instance.power_state, silent)
        return {**told, "status": status, **self.look.to_result(), **self.history}


@dataclass(frozen=True)
class Look:
    """When a host was last asked what runs there, and since when it does not answer; None for no host, and for one that
    answers."""

    seen: datetime | None
    silent_since: datetime | None

    def to_result(self) -> dict[str, str | None]:
        """Both as texts, in UTC."""
        moments = {"seen": self.seen, "unknown_since": self.silent_since}
        return {name: moment and moment.strftime("%Y-%m-%d %H:%M:%S") for name, moment in moments.items()}


def find(params: dict[str, Any]) -> tuple[list[InstanceHistory], str | None]:
    """The living instances of params["project_id"], or of all; those of the given names and hosts if any are given.

    And the identity of the record; None of one that was never written.
    """
    database = Database(params["database"])
    with database.reading() as connection:
        rows = connection.execute(_living(_with_look(database, database.tables.instances), database, params)).all()
        known = {project: groups.read(database, connection, project) for project in {row.project_id for row in rows}}
        histories = events.history(database, connection, [row.uuid for row in rows]) if params["actions"] else {}
        mine = record_id(database, connection)
    found = [
        InstanceHistory(
            instance_of(row, known[row.project_id], mine),
            histories.get(row.uuid, {}),
            Look(row.seen, row.silent_since),
        )
        for row in rows
    ]
    return found, mine


def find_table(params: dict[str, Any]) -> str:
    """The same instances as a table of params["columns"]; no more is read of them than that shows."""
    database, columns = Database(params["database"]), params["columns"]
    table = database.tables.instances
    states = ("vm_state", "power_state", "target_state")
    read = ("uuid", *states, "requested_at", "launched_at", "ports", "volumes", *columns)
    chosen = [column for column in table.c if column.name in read]
    with database.reading() as connection:
        rows = connection.execute(_living(_with_look(database, *chosen), database, params))
        summaries = [{**row, **_shown(row)} for row in rows.mappings()]
    return "\n".join(as_table(summaries, columns))


def _shown(row: Any) -> dict[str, Any]:
    """What a table calls what is asked for, and what is."""
    look = Look(row["seen"], row["silent_since"])
    status = status_of(row["vm_state"], row["power_state"], bool(look.silent_since))
    seconds = seconds_to_launch(row["requested_at"], row["launched_at"])
    return {"state": row["target_state"], "status": status, "seconds": seconds, **look.to_result()}


def _with_look(database: Database, *columns: Any) -> Any:
    """A select of these columns of instances, with when their hosts were last asked, and since when one is silent."""
    hosts, instances = database.tables.compute_nodes, database.tables.instances
    look = (hosts.c.updated_at.label("seen"), hosts.c.silent_since)
    return database.sql.select(*columns, *look).select_from(
        instances.outerjoin(hosts, hosts.c.host == instances.c.host)
    )


def _living(statement, database: Database, params: dict[str, Any]):
    """A select of the living instances that are asked for, in the order of their names."""
    table = database.tables.instances
    wanted = [table.c.deleted == 0]
    if not params["all_projects"]:
        wanted.append(table.c.project_id == params["project_id"])
    for column, values in ((table.c.name, params["names"]), (table.c.host, params["hosts"])):
        if values is not None:
            wanted.append(column.in_(values))
    return statement.where(*wanted).order_by(table.c.name, table.c.project_id)
