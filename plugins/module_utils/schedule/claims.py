# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims in the record, written whole or not at all.

Every transaction takes its locks in one order: instances, server groups, hosts, each by name. So two controllers
wait for each other, and never block each other.
"""

from __future__ import annotations

from typing import Any, Iterable

from ..record import allocations, compute_nodes, groups, instances
from ..record.database import now
from .choice import group_key
from .model import Host, Placement, Request


def lock_instances(connection, database, requests: Iterable[Request]) -> set[str]:
    """Keep other transactions from these instances; the UUIDs of those that live."""
    return set(instances.lock(database, connection, [request.key for request in requests]))


def lock_groups(connection, database, requests: Iterable[Request]) -> None:
    """Keep other transactions from claiming for the same server groups."""
    wanted = {group_key(request): request.group for request in requests if request.group}
    for project, name in sorted(wanted):
        rules = {rule: getattr(wanted[project, name], rule) for rule in groups.RULES}
        groups.lock(database, connection, project, rules)


def write(connection, database, before: dict[str, Host], placements: list[Placement]) -> None:
    """Write these placements' claims on their hosts as they were before, or Contended."""
    moment = now()
    claims = [_claim(placement, before[placement.host]) for placement in placements]
    compute_nodes.take(database, connection, claims, {name: host.generation for name, host in before.items()})
    allocations.add(database, connection, claims, moment)
    instances.place(database, connection, {placement.request.key: placement.host for placement in placements}, moment)


def _claim(placement: Placement, host: Host) -> dict[str, Any]:
    request = placement.request
    return {
        "instance_uuid": request.key,
        "host": placement.host,
        "vcpus": host.charge(request),
        "memory_mb": request.memory_mb,
        "disk_gb": request.disk_gb,
        "resources": placement.resources and dict(placement.resources),
    }
