# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims in the record, written whole or not at all.

Every transaction takes its locks in one order: instances, server groups, hosts, each by name. So two controllers
wait for each other, and never deadlock.
"""

from __future__ import annotations

from typing import Any, Iterable

from ..core.errors import Conflict
from ..record import allocations, compute_nodes, groups, instances
from ..record.database import now
from ..record.lease import Driver
from .affinity import group_key
from .host_state import HostState
from .model import Request, Selection


def lock_instances(connection, database, requests: Iterable[Request], driver: Driver) -> dict[str, Conflict]:
    """Keep other transactions from these instances; by UUID, why some are not this run's to claim for (any more)."""
    identities = [request.key for request in requests]
    rows = instances.lock(database, connection, identities)
    reasons = {identity: driver.refusal(row) for identity, row in rows.items()}
    reasons.update(dict.fromkeys(set(identities) - set(rows), "it has been destroyed by another run"))
    return {identity: Conflict(reason) for identity, reason in reasons.items() if reason}


def lock_groups(connection, database, requests: Iterable[Request]) -> None:
    """Keep other transactions from claiming for the same server groups."""
    wanted = {group_key(request): request.group for request in requests if request.group}
    for project, name in sorted(wanted):
        rules = {rule: getattr(wanted[project, name], rule) for rule in groups.RULES}
        groups.lock(database, connection, project, rules)


def write(connection, database, before: dict[str, HostState], selections: list[Selection]) -> None:
    """Write these selections' claims on their hosts as they were before, or Contended."""
    moment = now(connection)
    claims = [_claim(selection, before[selection.host]) for selection in selections]
    compute_nodes.take(database, connection, claims, {name: host.generation for name, host in before.items()})
    allocations.add(database, connection, claims, moment)
    instances.place(database, connection, {selection.request.key: selection.host for selection in selections}, moment)


def _claim(selection: Selection, host: HostState) -> dict[str, Any]:
    request = selection.request
    return {
        "instance_uuid": request.key,
        "host": selection.host,
        "vcpus": host.charge(request),
        "memory_mb": request.memory_mb,
        "disk_gb": request.disk_gb,
        "resources": selection.allocation and dict(selection.allocation),
    }
