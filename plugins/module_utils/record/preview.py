# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record as it would be after its upgrade, in memory: what check mode sees of an older or an empty database."""

from __future__ import annotations

import json

from .migrations.upgrade import upgrade
from .schema import schema


def preview(sql, source=None, revision: str | None = None):
    """An engine on a database in memory at our revision: empty, or a copy of an older source upgraded."""
    engine = sql.create_engine("sqlite://", poolclass=sql.pool.StaticPool)
    with engine.begin() as connection:
        if source is None:
            schema().metadata.create_all(connection)
            return engine
        upgrade(connection, revision)
        names = set(sql.inspect(connection).get_table_names()) - {"alembic_version"}
        for name in sorted(names):
            _copy(sql, source, connection, name)
        upgrade(connection)
        if "records" not in names:  # the identity that the upgrade has made here is nobody's
            connection.execute(schema().records.delete())
    return engine


def _copy(sql, source, target, name: str) -> None:
    """Replace a table's rows by those of the source, as plain texts and numbers, as the reader knows the columns."""
    names = [column["name"] for column in sql.inspect(target).get_columns(name)]
    table = sql.table(name, *map(sql.column, names))
    rows = [{key: _plain(value) for key, value in row._mapping.items()} for row in source.execute(table.select())]
    target.execute(table.delete())
    if rows:
        target.execute(table.insert(), rows)


def _plain(value):
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return value if value is None or isinstance(value, (int, float, str)) else str(value)
