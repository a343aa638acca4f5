# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server groups in the record: their rules, and how many living instances go by them."""

from __future__ import annotations

from typing import Any

RULES = ("name", "policy", "max_server_per_host")


def read(database, connection, project_id: str) -> dict[str, dict[str, Any]]:
    """The project's groups by name, each {name, policy, max_server_per_host, members}."""
    groups, instances = database.tables.instance_groups, database.tables.instances
    count = database.sql.func.count()
    living = (instances.c.project_id == project_id, instances.c.group_name.is_not(None), instances.c.deleted == 0)
    counted = database.sql.select(instances.c.group_name, count).where(*living).group_by(instances.c.group_name)
    members = {row[0]: row[1] for row in connection.execute(counted)}
    rows = connection.execute(groups.select().where(groups.c.project_id == project_id))
    return {
        row.name: {**{rule: getattr(row, rule) for rule in RULES}, "members": members.get(row.name, 0)} for row in rows
    }


def write(database, connection, project_id: str, group: dict[str, Any]) -> None:
    """Record a group's rules, over those that it had."""
    table = database.tables.instance_groups
    same = (table.c.project_id == project_id, table.c.name == group["name"])
    rules = {rule: group[rule] for rule in RULES}
    if connection.execute(table.select().where(*same)).first():
        connection.execute(table.update().where(*same).values(**rules))
        return
    connection.execute(table.insert().values(project_id=project_id, **rules))


def lock(database, connection, project_id: str, group: dict[str, Any]) -> None:
    """Keep other transactions from claiming for a group, so that what is seen of its hosts holds; make it if needed.

    The generation counts the transactions that have claimed for the group.
    """
    table = database.tables.instance_groups
    same = (table.c.project_id == project_id, table.c.name == group["name"])
    count = table.update().where(*same).values(generation=table.c.generation + 1)
    if connection.execute(count).rowcount:
        return
    rules = {rule: group[rule] for rule in RULES}
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(project_id=project_id, generation=1, **rules))
    except database.sql.exc.IntegrityError:
        if not connection.execute(count).rowcount:  # it is not that another transaction has made it just now
            raise
