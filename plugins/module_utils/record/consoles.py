# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests have said on their consoles, for the moments in which a client of the Compute API asks: text that may be
secret, and is kept for minutes only.

A row is a request until it is told, and then its answer. Who claims it reads the console on its host.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

KEEP = 120  # seconds after it was asked for that an answer is kept
FRESH = 5  # seconds after which a console is read anew
PATIENCE = 20  # seconds after which what was asked for, and not told, may be claimed again

ANSWER = {"output": None, "error": None, "told_at": None, "lease_owner": None}


def ask(database, connection, instance_uuid: str, host: str, moment: datetime) -> dict[str, Any] | None:
    """The answer, where there is a fresh one. Else it is asked for, unless somebody waits for it already."""
    table = database.tables.console_outputs
    same = table.c.instance_uuid == instance_uuid
    row = connection.execute(table.select().where(same)).first()
    asked = {**ANSWER, "host": host, "asked_at": moment}
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(table.insert().values(instance_uuid=instance_uuid, **asked))
        except database.sql.exc.IntegrityError:
            if connection.execute(table.select().where(same)).first() is None:  # nobody else has asked just now
                raise
        return None
    fresh = row.told_at is not None and row.told_at > moment - timedelta(seconds=FRESH)
    waits = row.told_at is None and row.asked_at > moment - timedelta(seconds=PATIENCE)
    if row.host != host or not (fresh or waits):
        connection.execute(table.update().where(same).values(asked))
        return None
    return _answer(row) if fresh else None


def answer(database, connection, instance_uuid: str) -> dict[str, Any] | None:
    """What was told: output, or the error in its place; None where nothing was yet."""
    table = database.tables.console_outputs
    row = connection.execute(table.select().where(table.c.instance_uuid == instance_uuid)).first()
    return _answer(row) if row is not None and row.told_at is not None else None


def claim(database, connection, owner: str) -> dict[str, list[str]]:
    """Take what is asked for and nobody has taken: the instances by host."""
    table = database.tables.console_outputs
    free = (table.c.told_at.is_(None), table.c.lease_owner.is_(None))
    rows = connection.execute(table.select().where(*free).with_for_update(skip_locked=True)).all()
    mine = table.c.instance_uuid.in_([row.instance_uuid for row in rows])
    if rows:
        connection.execute(table.update().where(mine).values(lease_owner=owner))
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.host, []).append(row.instance_uuid)
    return found


def tell(database, connection, told: dict[str, dict[str, Any]], owner: str, moment: datetime) -> None:
    """Answer what this owner has taken, by instance {output} or {error}."""
    table = database.tables.console_outputs
    for identity, said in sorted(told.items()):
        mine = (table.c.instance_uuid == identity, table.c.lease_owner == owner)
        connection.execute(table.update().where(*mine).values({**ANSWER, **said, "told_at": moment}))


def is_due(database, connection, moment: datetime) -> bool:
    """Whether there is something to claim, or to forget; reading that keeps nobody waiting."""
    table = database.tables.console_outputs
    free = table.c.told_at.is_(None) & table.c.lease_owner.is_(None)
    found = database.sql.select(table.c.instance_uuid).where(free | _old(table, moment))
    return connection.execute(found.limit(1)).first() is not None


def forget(database, connection, moment: datetime) -> None:
    """Let go of what was asked for some time ago."""
    table = database.tables.console_outputs
    connection.execute(table.delete().where(_old(table, moment)))


def _old(table, moment: datetime):
    return table.c.asked_at < moment - timedelta(seconds=KEEP)


def _answer(row: Any) -> dict[str, Any]:
    return {"output": row.output, "error": row.error}
