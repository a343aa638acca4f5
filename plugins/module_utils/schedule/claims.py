# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims in the record: written whole or not at all, and given back. All arithmetic on a host's room is here.

Every transaction takes its locks in one order: instances, server groups, hosts, each by name. So two controllers
wait for each other, and never block each other.
"""

from __future__ import annotations

from typing import Any, Iterable

from ..record.database import now
from ..record.errors import Contended
from .choice import group_key
from .model import Host, Placement, Request

USED = ("vcpus_used", "memory_mb_used", "disk_gb_used", "num_instances")


def release(connection, tables, instance_uuid: str) -> None:
    """Give back an instance's claim, and its host the room; nothing if it holds none."""
    claims, hosts = tables.allocations, tables.compute_nodes
    mine = claims.c.instance_uuid == instance_uuid
    claim = connection.execute(claims.select().where(mine).with_for_update()).first()
    if claim is None:
        return
    connection.execute(claims.delete().where(mine))
    room = {
        "vcpus_used": hosts.c.vcpus_used - claim.vcpus,
        "memory_mb_used": hosts.c.memory_mb_used - claim.memory_mb,
        "disk_gb_used": hosts.c.disk_gb_used - claim.disk_gb,
        "num_instances": hosts.c.num_instances - 1,
        "generation": hosts.c.generation + 1,
    }
    connection.execute(hosts.update().where(hosts.c.host == claim.host).values(room))


def lock_instances(connection, database, requests: Iterable[Request]) -> set[str]:
    """Keep other transactions from these instances; the UUIDs of those that live."""
    table = database.tables.instances
    mine = (table.c.uuid.in_(sorted(request.key for request in requests)), table.c.deleted == 0)
    statement = database.sql.select(table.c.uuid).where(*mine).order_by(table.c.uuid).with_for_update()
    return {row.uuid for row in connection.execute(statement)}


def lock_groups(connection, database, requests: Iterable[Request]) -> None:
    """Keep other transactions from claiming for the same server groups, so that what is seen of their hosts holds.

    The generation counts the transactions that have claimed for a group.
    """
    table = database.tables.instance_groups
    groups = {group_key(request): request.group for request in requests if request.group}
    for project, name in sorted(groups):
        same = (table.c.project_id == project, table.c.name == name)
        counted = table.update().where(*same).values(generation=table.c.generation + 1)
        if connection.execute(counted).rowcount == 1:
            continue
        group = groups[project, name]
        rules = {"policy": group.policy, "max_server_per_host": group.max_server_per_host, "generation": 1}
        try:
            with connection.begin_nested():
                connection.execute(table.insert().values(project_id=project, name=name, **rules))
        except database.sql.exc.IntegrityError:  # another transaction has made it just now
            connection.execute(counted)


def write(connection, database, before: dict[str, Host], after: dict[str, Host], placements: list[Placement]) -> None:
    """Write these placements' claims, and their hosts' room: compare and set, on the generation that was seen."""
    if not placements:
        return
    tables, sql, moment = database.tables, database.sql, now()
    nodes, instances = tables.compute_nodes, tables.instances
    touched = sorted({placement.host for placement in placements})
    same = (nodes.c.host == sql.bindparam("name"), nodes.c.generation == sql.bindparam("seen"))
    room = {column: sql.bindparam("new_" + column) for column in USED}
    statement = nodes.update().where(*same).values(**room, generation=nodes.c.generation + 1)
    values = [
        {"name": name, "seen": before[name].generation, **{"new_" + each: getattr(after[name], each) for each in USED}}
        for name in touched
    ]
    result = connection.execute(statement, values)
    if result.supports_sane_multi_rowcount() and result.rowcount != len(touched):
        raise Contended("another controller has claimed on the same hosts at the same moment: run again")
    connection.execute(
        tables.allocations.insert(), [_row(placement, before[placement.host], moment) for placement in placements]
    )
    placed = instances.update().where(instances.c.uuid == sql.bindparam("identity"))
    rows = [{"identity": placement.request.key, "place": placement.host} for placement in placements]
    connection.execute(placed.values(host=sql.bindparam("place"), updated_at=moment), rows)


def _row(placement: Placement, host: Host, moment: Any) -> dict[str, Any]:
    request = placement.request
    return {
        "instance_uuid": request.key,
        "host": placement.host,
        "vcpus": host.charge(request),
        "memory_mb": request.memory_mb,
        "disk_gb": request.disk_gb,
        "resources": placement.resources and dict(placement.resources),
        "created_at": moment,
    }
