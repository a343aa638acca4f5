# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The workers that look for requests, as each says it of itself, again and again: what nova keeps of its services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .lease import is_alive

FIELDS = ("name", "host", "since", "seen_at", "runs", "transport")
SILENT = 30  # seconds after which a worker that says nothing counts as lost
FORGOTTEN = timedelta(days=1)  # after which nothing is told any more of one that is lost


def beat(database, connection, name: str, told: dict[str, Any], moment: datetime) -> None:
    """A worker says that it lives: its name (record/lease.py's this_process), and {host, since, runs, transport}.

    runs is how many playbooks it has now; transport whether it listens to a message queue. Those that are lost are
    forgotten with it.
    """
    table = database.tables.workers
    values = {**told, "seen_at": moment}
    if not connection.execute(table.update().where(table.c.name == name).values(values)).rowcount:
        connection.execute(table.insert().values(name=name, **values))
    connection.execute(table.delete().where(table.c.seen_at < moment - FORGOTTEN))


def leave(database, connection, name: str) -> None:
    """A worker has stopped."""
    table = database.tables.workers
    connection.execute(table.delete().where(table.c.name == name))


def read(database, connection, moment: datetime) -> list[dict[str, Any]]:
    """The workers, by host and name, each with alive: whether it was heard of just now, and is not known to be dead."""
    table = database.tables.workers
    rows = connection.execute(table.select().order_by(table.c.host, table.c.name))
    return [{**{field: getattr(row, field) for field in FIELDS}, "alive": _lives(row, moment)} for row in rows]


def _lives(row: Any, moment: datetime) -> bool:
    return row.seen_at > moment - timedelta(seconds=SILENT) and is_alive(row.name) is not False
