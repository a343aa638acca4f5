# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in the queue, how old it is, and who works on it; a few statements, however long it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Mapping, Sequence

from ..record import requests, workers
from ..record.database import Database, now

# Of a request: nobody has it; it was tried, and is put off; a worker has it; its worker is not heard of any more.
STATES = ("waiting", "put_off", "running", "lost")


def find(params: Mapping[str, Any]) -> dict[str, Any]:
    """The results of the module queue_info, for a project or for all."""
    database = Database(params["database"])
    found = look(database, None if params["all_projects"] else params["project_id"])
    return {**found, "workers": [_told(each) for each in found["workers"]]}


def look(database: Database, project_id: str | None = None) -> dict[str, Any]:
    """{queue, requests, workers} as they are now; project_id: of this project's requests only.

    queue: the number of requests of each of STATES, their length, oldest (the age of the oldest in seconds; None where
    there is none) and workers_alive. requests, the oldest first: instance_uuid, project_id, name, action, request_id,
    state, since (UTC), age (seconds), attempts, last_error, worker, until (when it is tried again, or its lease ends;
    UTC). workers: as record/workers.py's read() gives them.
    """
    with database.reading() as connection:
        moment = now(connection)
        rows = requests.read(database, connection, project_id)
        known = workers.read(database, connection, moment)
    told = [_request(row, moment) for row in rows]
    return {"queue": _summary(told, known), "requests": told, "workers": known}


def _request(row: Mapping[str, Any], moment: datetime) -> dict[str, Any]:
    kept = ("instance_uuid", "project_id", "name", "action", "request_id", "attempts", "last_error")
    return {
        **{key: row[key] for key in kept},
        "state": _state(row, moment),
        "since": _time(row["created_at"]),
        "age": max(round((moment - row["created_at"]).total_seconds(), 1), 0.0),
        "worker": row["lease_owner"],
        "until": _time(row["lease_expires"]),
    }


def _state(row: Mapping[str, Any], moment: datetime) -> str:
    until = row["lease_expires"]
    if row["lease_owner"]:
        return "running" if until and until > moment else "lost"
    return "put_off" if until and until > moment else "waiting"


def _summary(told: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = {state: sum(each["state"] == state for each in told) for state in STATES}
    oldest = max((each["age"] for each in told), default=None)
    return {"length": len(told), **counts, "oldest": oldest, "workers_alive": sum(each["alive"] for each in known)}


def _told(worker: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _time(value) if isinstance(value, datetime) else value for key, value in worker.items()}


def _time(moment: datetime | None) -> str | None:
    return moment and moment.isoformat() + "Z"
