# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the pages show that the API does not tell so: hosts with their room, claims, and why they were refused."""

from __future__ import annotations

from typing import Any

from ..api.errors import ApiError
from ..api.site import Site
from ..schedule.host_state import HostState, Inventory
from ..schedule.refusals import BEGINNING, reasons_of_hosts
from ..schedule.view import read_hosts

REFUSALS = 50  # of the last faults that are looked through for what the scheduler has refused
MOST = 500  # claims of a host that are shown
OF_HOST = ("host", "enabled", "disabled_reason", "num_instances", "failed_builds", "silent_since", "updated_at")


def hosts(site: Site) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All hosts by name, each with why it was last refused; and the last refusals of the scheduler."""
    database = site.database
    table = database.tables.compute_nodes
    statement = database.sql.select(*(table.c[name] for name in OF_HOST)).order_by(table.c.host)
    with database.reading() as connection:
        rows = connection.execute(statement).mappings().all()
        states = read_hosts(database, lambda query: connection.execute(query).all(), None)
        refusals = _refusals(database, connection)
    reasons: dict[str, dict[str, Any]] = {}
    for each in refusals:
        for host, reason in reasons_of_hosts(each["message"]).items():
            reasons.setdefault(host, {**each, "message": reason})
    known = [(row, states[row["host"]]) for row in rows if row["host"] in states]
    return [{**_host(*each), "refusal": reasons.get(each[0]["host"])} for each in known], refusals[:5]


def host(site: Site, name: str) -> dict[str, Any]:
    """One host with the claims of the instances there; ApiError 404 if there is none."""
    database = site.database
    nodes, claims = database.tables.compute_nodes, database.tables.allocations
    instances = database.tables.instances
    columns = [nodes.c[each] for each in (*OF_HOST, "facts")]
    claimed_columns = (instances.c.uuid, instances.c.name, instances.c.vm_state, claims.c.vcpus, claims.c.memory_mb)
    claimed = (
        database.sql.select(*claimed_columns, claims.c.disk_gb, claims.c.created_at)
        .join(instances, instances.c.uuid == claims.c.instance_uuid)
        .where(claims.c.host == name)
        .order_by(instances.c.name, instances.c.uuid)
        .limit(MOST)
    )
    with database.reading() as connection:
        row = connection.execute(database.sql.select(*columns).where(nodes.c.host == name)).mappings().first()
        states = read_hosts(database, lambda query: connection.execute(query).all(), [name])
        if row is None or name not in states:
            raise ApiError(404, "Host %.80s could not be found." % name)
        found = [dict(each) for each in connection.execute(claimed).mappings()]
    return {**_host(row, states[name]), "facts": row["facts"] or {}, "claims": found}


def _host(row: Any, host: HostState) -> dict[str, Any]:
    """A host's row with its room, as the scheduler counts it."""
    room = [
        _room("vCPUs", "", host.vcpu_inventory),
        _room("Memory", "MiB", host.memory_inventory),
        _room("Disk", "GiB", host.disk_inventory),
    ]
    state = "down" if row["silent_since"] else "up" if row["enabled"] else "disabled"
    return {**row, "room": room, "state": state, "zone": host.zone}


def _room(label: str, unit: str, inventory: Inventory) -> dict[str, Any]:
    """How much of one kind a host has, and how much of it is claimed."""
    used, capacity = inventory.used, inventory.capacity
    return {
        "label": label,
        "unit": unit,
        "used": used,
        "capacity": int(capacity),
        "total": inventory.total,
        "reserved": inventory.reserved,
        "ratio": inventory.ratio,
        "percent": round(min(100.0, 100 * used / capacity), 1) if capacity > 0 else 100.0 * bool(used),
    }


def _refusals(database, connection) -> list[dict[str, Any]]:
    """The last launches that found no host, the newest first."""
    faults, instances = database.tables.instance_faults, database.tables.instances
    last = database.sql.select(faults).order_by(faults.c.id.desc()).limit(REFUSALS).subquery()
    statement = (
        database.sql.select(last.c.message, last.c.details, last.c.created_at, last.c.instance_uuid, instances.c.name)
        .join(instances, instances.c.uuid == last.c.instance_uuid)
        .order_by(last.c.id.desc())
    )
    rows = [{**row, "message": row["details"] or row["message"]} for row in connection.execute(statement).mappings()]
    return [row for row in rows if row["message"].startswith(BEGINNING)]
