# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users' public keys in the record, as nova's table of this name has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..core.errors import Conflict

FIELDS = ("id", "name", "type", "public_key", "fingerprint", "created_at")


def read(database, connection, user_id: str) -> list[dict[str, Any]]:
    """A user's keys, by name."""
    table = database.tables.key_pairs
    rows = connection.execute(table.select().where(table.c.user_id == user_id).order_by(table.c.name))
    return [{name: getattr(row, name) for name in FIELDS} for row in rows]


def add(database, connection, user_id: str, key: dict[str, Any], moment: datetime) -> None:
    """Keep a key {name, type, public_key, fingerprint}; Conflict where the user has one of this name."""
    try:
        with connection.begin_nested():
            values = {**key, "user_id": user_id, "created_at": moment}
            connection.execute(database.tables.key_pairs.insert().values(values))
    except database.sql.exc.IntegrityError:
        raise Conflict("Key pair '%s' already exists." % key["name"]) from None


def remove(database, connection, user_id: str, name: str) -> bool:
    """Whether there was one of this name."""
    table = database.tables.key_pairs
    same = (table.c.user_id == user_id, table.c.name == name)
    return bool(connection.execute(table.delete().where(*same)).rowcount)
