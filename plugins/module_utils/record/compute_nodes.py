# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compute nodes in the record. All arithmetic of their room, taken and given back, is here.

Every transaction takes its locks in one order: instances, server groups, hosts, each by name. So two controllers
wait for each other, and never deadlock.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from .errors import Contended

# What an allocation holds of its host, by the host's column that counts it.
USED = {"vcpus_used": "vcpus", "memory_mb_used": "memory_mb", "disk_gb_used": "disk_gb"}
UNUSED = {"generation": 0, **dict.fromkeys(USED, 0)}


def lock(database, connection, host: str):
    """The row of a host, kept from other transactions; None if it is not recorded."""
    table = database.tables.compute_nodes
    return connection.execute(table.select().where(table.c.host == host).with_for_update()).first()


def add(database, connection, host: str, values: dict[str, Any]) -> bool:
    """Record a new host, nothing of which is used; False if another transaction has just done so."""
    try:
        with connection.begin_nested():
            connection.execute(database.tables.compute_nodes.insert().values(host=host, **UNUSED, **values))
    except database.sql.exc.IntegrityError:
        if lock(database, connection, host) is None:
            raise  # one of its values is wrong
        return False
    return True


def update(database, connection, host: str, values: dict[str, Any], counts: bool) -> None:
    """Change columns of a host; counts: allocations that are being decided on the old values are to fail."""
    table = database.tables.compute_nodes
    generation = {"generation": table.c.generation + 1} if counts else {}
    connection.execute(table.update().where(table.c.host == host).values(**values, **generation))


def take(database, connection, allocations: list[dict[str, Any]], seen: Mapping[str, int]) -> None:
    """Count allocations on their hosts: compare and set, on the generation by host that was seen; else Contended."""
    if not allocations:
        return
    table, parameter = database.tables.compute_nodes, database.sql.bindparam
    same = (table.c.host == parameter("name"), table.c.generation == parameter("seen"))
    added = {column: table.c[column] + parameter("new_" + column) for column in (*USED, "num_instances")}
    statement = table.update().where(*same).values(**added, generation=table.c.generation + 1)
    rows = [
        {"name": host, "seen": seen[host], **{"new_" + column: amount for column, amount in used.items()}}
        for host, used in sorted(_sums(allocations).items())
    ]
    result = connection.execute(statement, rows)
    if result.supports_sane_multi_rowcount() and result.rowcount != len(rows):
        raise Contended("another controller has claimed on the same hosts at the same moment: run again")


def settle(
    database,
    connection,
    released: Iterable[dict[str, Any]],
    built: Iterable[str] = (),
    failed: Iterable[str] = (),
) -> None:
    """Give hosts back what was allocated, and count the builds that failed on them (nova's stats:failed_builds).

    A host that has built an instance is forgiven the failures before.
    """
    sums, built, failed = _sums(released), set(built), list(failed)
    table = database.tables.compute_nodes
    for host in sorted({*sums, *built, *failed}):
        values: dict[str, Any] = {}
        if host in sums:
            values = {column: table.c[column] - amount for column, amount in sums[host].items()}
            values["generation"] = table.c.generation + 1
        if host in built:
            values["failed_builds"] = failed.count(host)
        elif host in failed:
            values["failed_builds"] = table.c.failed_builds + failed.count(host)
        connection.execute(table.update().where(table.c.host == host).values(values))


def _sums(allocations: Iterable[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """What allocations use of each host; one is of an instance, unless it says how many it is of."""
    sums: dict[str, dict[str, int]] = {}
    for allocation in allocations:
        used = sums.setdefault(allocation["host"], dict.fromkeys((*USED, "num_instances"), 0))
        used["num_instances"] += allocation.get("num_instances", 1)
        for column, kind in USED.items():
            used[column] += allocation[kind]
    return sums
