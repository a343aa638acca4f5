# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The queue of the front door: what was accepted and is still to be done, one request an instance.

The row is the request; a message only wakes a worker. A worker claims rows for a while (a lease) and renews that while
it works. Whoever dies loses its lease: at once where another worker can see that, else when it expires.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Iterable

from .lease import is_alive


@dataclass(frozen=True)
class Request:
    """What is to be done for one instance, whose row the record has already.

    entry is its entry of launch_instances, with its state. user_data may hold secrets, and is kept no longer than the
    request. action is nova's word: create, delete, stop, start, reboot and so on. generation counts the requests for
    the instance that have replaced each other, attempts how often a worker has begun this one. taken_from
    is the worker that had it before this one, and was not heard of any more.
    """

    instance_uuid: str
    project_id: str
    name: str
    action: str
    entry: dict[str, Any] = field(repr=False)
    request_id: str
    user_data: str | None = field(default=None, repr=False)
    generation: int = 0
    attempts: int = 0
    last_error: str | None = None
    lease_owner: str | None = None
    lease_expires: datetime | None = None
    created_at: datetime | None = None
    taken_from: str | None = None

    @classmethod
    def of(cls, instance: Any, action: str, entry: dict[str, Any], user_data: str | None, request_id: str) -> Request:
        """What somebody asks for an instance of the record."""
        return cls(instance.uuid, instance.project_id, instance.name, action, entry, request_id, user_data)


ASKED = ("project_id", "name", "action", "entry", "user_data", "request_id")
SHOWN = (
    "instance_uuid", "project_id", "name", "action", "request_id", "attempts", "last_error", "lease_owner",
    "lease_expires", "created_at",
)  # fmt: skip
FREE = {"lease_owner": None, "lease_expires": None}


def add(database, connection, request: Request, moment: datetime) -> None:
    """Ask for something. It replaces what is still to be done for the instance, and leaves its lease as it is.

    A worker that has begun the earlier one ends that, finds the later one in its place, and lets it be claimed.
    """
    table = database.tables.requests
    asked = {**{name: getattr(request, name) for name in ASKED}, "attempts": 0, "last_error": None}
    same = table.c.instance_uuid == request.instance_uuid
    replace = table.update().where(same).values(**asked, created_at=moment, generation=table.c.generation + 1)
    if connection.execute(replace).rowcount:
        connection.execute(table.update().where(same, table.c.lease_owner.is_(None)).values(FREE))
        return
    row = {**asked, "instance_uuid": request.instance_uuid, "generation": 0, "created_at": moment}
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(row))
    except database.sql.exc.IntegrityError:
        if not connection.execute(replace).rowcount:  # it is not that another transaction has added it just now
            raise


def claim(database, connection, owner: str, seconds: int, most: int, moment: datetime) -> list[Request]:
    """Take for so many seconds what nobody has, at most so many requests, the oldest first; each is an attempt."""
    table = database.tables.requests
    free = _free(database, connection, moment)
    order = (table.c.created_at, table.c.instance_uuid)
    oldest = database.sql.select(table.c.instance_uuid, table.c.lease_owner).where(free).order_by(*order)
    rows = connection.execute(oldest.limit(most).with_for_update(skip_locked=True)).all()
    if not rows:
        return []
    before = {row.instance_uuid: row.lease_owner for row in rows}
    taken = {"lease_owner": owner, "lease_expires": moment + timedelta(seconds=seconds)}
    mine = table.c.instance_uuid.in_(list(before))
    connection.execute(table.update().where(mine).values(**taken, attempts=table.c.attempts + 1))
    found = connection.execute(table.select().where(mine).order_by(*order))
    return [Request(**row._mapping, taken_from=before[row.instance_uuid]) for row in found]


def is_waiting(database, connection, moment: datetime) -> bool:
    """Whether there is something to claim; reading that keeps no other worker waiting."""
    table = database.tables.requests
    free = database.sql.select(table.c.instance_uuid).where(_free(database, connection, moment))
    return connection.execute(free.limit(1)).first() is not None


def renew(database, connection, owner: str, instance_uuids: Iterable[str], seconds: int, moment: datetime) -> None:
    """Keep what this worker has of these for so many seconds from now."""
    table = database.tables.requests
    statement = table.update().where(table.c.lease_owner == owner, table.c.instance_uuid.in_(list(instance_uuids)))
    connection.execute(statement.values(lease_expires=moment + timedelta(seconds=seconds)))


def unwanted(database, connection, owner: str, asked: Iterable[Request]) -> set[str]:
    """The instances of these requests, which this worker has, that somebody wants to be deleted since."""
    table = database.tables.requests
    mine = table.c.instance_uuid.in_([each.instance_uuid for each in asked if each.action != "delete"])
    statement = database.sql.select(table.c.instance_uuid)
    found = connection.execute(statement.where(table.c.lease_owner == owner, table.c.action == "delete", mine))
    return set(found.scalars())


def finish(database, connection, request: Request, owner: str) -> bool:
    """Take a request that is done out of the queue; False if a later one is in its place, which can be claimed now.

    Where another worker has claimed it since, it is left to that one.
    """
    table = database.tables.requests
    same = _had(table, request, owner)
    if connection.execute(table.delete().where(*same)).rowcount:
        return True
    connection.execute(table.update().where(*same[:2]).values(FREE))
    return False


def release(
    database, connection, request: Request, owner: str, until: datetime | None = None, error: str | None = None
) -> bool:
    """Give a request back, for whoever comes first, but not before a moment. Without an error it was no attempt.

    Without a moment it goes back as it came: as that of the worker that it was taken from.
    False if a later one is in its place, which can be claimed now.
    """
    table = database.tables.requests
    same = _had(table, request, owner)
    told = {"last_error": error} if error else {"attempts": request.attempts - 1}
    values = {**told, "lease_owner": None if until else request.taken_from, "lease_expires": until}
    if connection.execute(table.update().where(*same).values(values)).rowcount:
        return True
    connection.execute(table.update().where(*same[:2]).values(FREE))
    return False


def read(database, connection, project_id: str | None = None) -> list[dict[str, Any]]:
    """What is still to be done, for a project or for all, the oldest first: no entries, and nothing secret."""
    table = database.tables.requests
    rows = database.sql.select(*(table.c[name] for name in SHOWN)).order_by(table.c.created_at, table.c.instance_uuid)
    if project_id is not None:
        rows = rows.where(table.c.project_id == project_id)
    return [dict(row._mapping) for row in connection.execute(rows)]


def actions(database, connection, instance_uuids: Iterable[str]) -> dict[str, str]:
    """By instance the action that is still to be done for it, of these."""
    table = database.tables.requests
    named = table.c.instance_uuid.in_(list(instance_uuids))
    rows = connection.execute(database.sql.select(table.c.instance_uuid, table.c.action).where(named))
    return {row.instance_uuid: row.action for row in rows}


def settled(database, connection, asked: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these, each an instance and the id of a request for it, of which the record has an outcome.

    That is: done, replaced by a later request, or tried and put off.
    """
    asked = set(asked)
    table = database.tables.requests
    columns = (table.c.instance_uuid, table.c.request_id)
    open_still = table.c.lease_owner.is_not(None) | table.c.last_error.is_(None)
    mine = table.c.instance_uuid.in_({instance_uuid for instance_uuid, _request in asked})
    return asked - {tuple(row) for row in connection.execute(database.sql.select(*columns).where(mine, open_still))}


def _free(database, connection, moment: datetime):
    """The condition of what can be claimed: nobody has it, or its worker's lease has expired, or that is dead.

    A lease that expires and has no owner puts a request off.
    """
    table = database.tables.requests
    held = database.sql.select(table.c.lease_owner).where(table.c.lease_owner.is_not(None)).distinct()
    dead = [owner for owner in connection.execute(held).scalars() if is_alive(owner) is False]
    return table.c.lease_expires.is_(None) | (table.c.lease_expires <= moment) | table.c.lease_owner.in_(dead)


def _had(table, request: Request, owner: str) -> tuple:
    """The conditions of a request that this worker has, the last of them that no later one is in its place."""
    return (
        table.c.instance_uuid == request.instance_uuid,
        table.c.lease_owner == owner,
        table.c.generation == request.generation,
    )
