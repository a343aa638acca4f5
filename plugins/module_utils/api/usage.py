# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What projects have used in a period: the arithmetic of nova's os-simple-tenant-usage; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Iterable, Mapping

from .context import RequestContext
from .errors import ApiError

# What a time in a query may look like (nova/api/openstack/compute/simple_tenant_usage.py).
FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
TOTALS = {
    "total_hours": None,
    "total_memory_mb_usage": "memory_mb",
    "total_vcpus_usage": "vcpus",
    "total_local_gb_usage": "local_gb",
}


@dataclass(frozen=True)
class Period:
    """From when until when, in UTC, and what is now."""

    start: datetime
    stop: datetime
    now: datetime

    def hours(self, began: datetime, ended: datetime | None) -> float:
        """How long something was there in it."""
        last = min(self.stop, self.now, ended or self.now)
        return max((last - max(self.start, began)).total_seconds(), 0) / 3600


def period(context: RequestContext, moment: datetime) -> Period:
    """The period that a query asks about; ApiError 400 for one that begins after its end."""
    start, stop = _moment(context, "start", moment), _moment(context, "end", moment)
    if start > stop:
        raise ApiError(400, "Invalid start time. The start time cannot occur after the end time.")
    return Period(start, stop, moment)


def _moment(context: RequestContext, name: str, default: datetime) -> datetime:
    text = context.one(name)
    if not text:
        return default
    for each in FORMATS:
        try:
            return datetime.strptime(text, each)
        except ValueError:
            continue
    raise ApiError(400, "Datetime is in invalid format: %s: %.80s" % (name, text))


def by_project(rows: Iterable[Mapping[str, Any]], when: Period, detailed: bool) -> list[dict[str, Any]]:
    """What each project has used, in the order of the rows."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["project_id"], []).append(server(row, when))
    return [_project(project, servers, when, detailed) for project, servers in found.items()]


def server(row: Mapping[str, Any], when: Period) -> dict[str, Any]:
    """What one server has used."""
    flavor = row["flavor"] or {}
    ended = row["deleted_at"]
    return {
        "name": row["name"],
        "instance_id": row["uuid"],
        "tenant_id": row["project_id"],
        "flavor": flavor.get("name", ""),
        "vcpus": flavor.get("vcpus", 0),
        "memory_mb": flavor.get("ram", 0),
        "local_gb": flavor.get("disk", 0),
        "hours": when.hours(row["launched_at"], ended),
        "started_at": stamp(row["launched_at"]),
        "ended_at": ended and stamp(ended),
        "state": "terminated" if ended else row["vm_state"],
        "uptime": int(((ended or when.now) - row["launched_at"]).total_seconds()),
    }


def _project(project: str, servers: list[dict[str, Any]], when: Period, detailed: bool) -> dict[str, Any]:
    sums = {name: sum(each["hours"] * (each[part] if part else 1) for each in servers) for name, part in TOTALS.items()}
    told = {"tenant_id": project, "start": stamp(when.start), "stop": stamp(when.stop), **sums}
    return {**told, "server_usages": servers} if detailed else told


def stamp(moment: datetime) -> str:
    """A time with microseconds and without a zone, as nova has it there."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
