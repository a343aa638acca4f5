# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server groups in the record: their rules, and how many living instances go by them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..core.errors import Conflict
from . import instances

RULES = ("name", "policy", "max_server_per_host")


def read(database, connection, project_id: str) -> dict[str, dict[str, Any]]:
    """The project's groups by name, each {name, policy, max_server_per_host, members}."""
    groups, table = database.tables.instance_groups, database.tables.instances
    count = database.sql.func.count()
    living = (table.c.project_id == project_id, table.c.group_name.is_not(None), table.c.deleted == 0)
    counted = database.sql.select(table.c.group_name, count).where(*living).group_by(table.c.group_name)
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


def made(database, connection, project_id: str | None) -> list[dict[str, Any]]:
    """The groups that clients of the Compute API have made, of a project or of all, by name: RULES, whose, by whom."""
    table = database.tables.instance_groups
    columns = [table.c[name] for name in (*RULES, "project_id", "user_id")]
    rows = database.sql.select(*columns).where(table.c.created_at.is_not(None)).order_by(table.c.name, table.c.id)
    if project_id is not None:
        rows = rows.where(table.c.project_id == project_id)
    return [dict(row._mapping) for row in connection.execute(rows)]


def make(database, connection, project_id: str, group: dict[str, Any], user_id: str | None, moment: datetime) -> None:
    """Record a group of a client; Conflict where the project has one of this name that somebody made, or is in."""
    table, name = database.tables.instance_groups, group["name"]
    if read(database, connection, project_id).get(name, {"members": 0})["members"]:
        raise Conflict("group %s: the project has servers in one of this name: names of groups are unique here" % name)
    values = {**{rule: group[rule] for rule in RULES}, "user_id": user_id, "created_at": moment}
    same = (table.c.project_id == project_id, table.c.name == name)
    if connection.execute(table.update().where(*same, table.c.created_at.is_(None)).values(values)).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(project_id=project_id, **values))
    except database.sql.exc.IntegrityError:
        if not connection.execute(database.sql.select(table.c.id).where(*same)).first():
            raise  # one of its values is wrong
        raise Conflict("group %s: the project has one of this name: names of groups are unique here" % name) from None


def forget(database, connection, project_id: str, name: str) -> bool:
    """Take a client's group away; its instances stay, and are in none any more. Whether there was one."""
    groups = database.tables.instance_groups
    same = (groups.c.project_id == project_id, groups.c.name == name, groups.c.created_at.is_not(None))
    if not connection.execute(groups.delete().where(*same)).rowcount:
        return False
    instances.leave_group(database, connection, project_id, name)
    return True


def members(database, connection, project_id: str | None) -> dict[tuple[str, str], list[str]]:
    """By project and name of a group the UUIDs of its living instances."""
    table = database.tables.instances
    rows = database.sql.select(table.c.project_id, table.c.group_name, table.c.uuid)
    rows = rows.where(table.c.group_name.is_not(None), table.c.deleted == 0).order_by(table.c.id)
    if project_id is not None:
        rows = rows.where(table.c.project_id == project_id)
    found: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(rows):
        found.setdefault((row.project_id, row.group_name), []).append(row.uuid)
    return found
