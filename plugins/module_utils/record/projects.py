# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a project uses, and the lock under which it is counted and added to."""

from __future__ import annotations


def lock(database, connection, project_id: str) -> None:
    """Keep other transactions from counting or adding to the project's use until the end of this one."""
    table = database.tables.projects
    count = table.update().where(table.c.id == project_id).values(generation=table.c.generation + 1)
    if connection.execute(count).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(id=project_id, generation=1))
    except database.sql.exc.IntegrityError:
        if not connection.execute(count).rowcount:  # it is not that another transaction has made it just now
            raise


def used(database, connection, project_id: str) -> dict[str, int]:
    """What living instances and volumes use: instances, cores, ram (MiB), volumes, gigabytes."""
    func, select = database.sql.func, database.sql.select
    instances, volumes = database.tables.instances, database.tables.volumes
    living = (instances.c.project_id == project_id, instances.c.deleted == 0)
    sums = select(func.count(), func.sum(instances.c.vcpus), func.sum(instances.c.memory_mb)).where(*living)
    count, cores, ram = connection.execute(sums).one()
    kept = select(func.count(), func.sum(volumes.c.size)).where(volumes.c.project_id == project_id)
    number, size = connection.execute(kept).one()
    totals = {"instances": count, "cores": cores, "ram": ram, "volumes": number, "gigabytes": size}
    return {resource: int(value or 0) for resource, value in totals.items()}
