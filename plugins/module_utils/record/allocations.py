# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Allocations in the record: what each instance holds of its host, as in nova's placement.

What it takes of its host, or gives back, compute_nodes.py counts in the same transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any


def add(database, connection, allocations: list[dict[str, Any]], moment: datetime) -> None:
    """Record allocations, each {instance_uuid, host, vcpus, memory_mb (MiB), disk_gb (GiB), resources}."""
    if allocations:
        rows = [{**allocation, "created_at": moment} for allocation in allocations]
        connection.execute(database.tables.allocations.insert(), rows)


def release(database, connection, instance_uuid: str) -> dict[str, Any] | None:
    """Delete the allocation of an instance that this transaction has written or locked; what it was, None if none."""
    table = database.tables.allocations
    mine = table.c.instance_uuid == instance_uuid
    row = connection.execute(table.select().where(mine)).first()
    if row is None:
        return None
    connection.execute(table.delete().where(mine))
    return row._asdict()


def resize(database, connection, instance_uuid: str, disk_gb: int) -> dict[str, Any] | None:
    """Let an instance hold so many GiB more of its host's disk, or less; what it gives back by that, None if it holds
    nothing."""
    table = database.tables.allocations
    mine = table.c.instance_uuid == instance_uuid
    row = connection.execute(table.select().where(mine)).first()
    if row is None:
        return None
    connection.execute(table.update().where(mine).values(disk_gb=table.c.disk_gb + disk_gb))
    return {"host": row.host, "vcpus": 0, "memory_mb": 0, "disk_gb": -disk_gb, "num_instances": 0}
