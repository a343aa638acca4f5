# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record's database: one SQLAlchemy URL, opened for reading or for writing.

Reading changes nothing, not even an empty or older database: what is missing is seen as the
upgrade would make it, in memory. Writing upgrades first and is one transaction that excludes
other writers of the same rows (SQLite: of the whole file).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import datetime, timezone

from ..core.errors import Conflict, InvalidRequest, MissingLibrary, Unavailable
from .migrations import chain
from .schema import schema

BUSY_TIMEOUT = 30  # seconds that a writer waits for another one's transaction


def now() -> datetime:
    """The time as the record keeps it: UTC, without a zone."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


class Database:
    """The record behind one URL. `sql` is SQLAlchemy, `tables` the schema's tables."""

    def __init__(self, url: str):
        try:
            import sqlalchemy
        except ImportError:
            raise MissingLibrary("SQLAlchemy") from None
        self.sql = sqlalchemy
        self.tables = schema()
        try:
            self.url = sqlalchemy.make_url(url)
            self.engine = sqlalchemy.create_engine(self.url, **self._options())
        except sqlalchemy.exc.ArgumentError:
            raise InvalidRequest("database: this is not a SQLAlchemy URL such as sqlite:////var/lib/launch.db") from None
        except ImportError as error:
            raise MissingLibrary(error.name or str(error)) from None
        if self._is_sqlite:
            _take_transactions_in_hand(sqlalchemy, self.engine)

    @contextmanager
    def reading(self):
        """A connection that sees the record at this collection's revision and writes nothing."""
        if self._is_sqlite and not os.path.exists(self.url.database):
            with self._imagined().connect() as connection:
                yield connection
            return
        with self._connected() as connection:
            revision = self._revision(connection)
            if revision == chain.HEAD:
                yield connection
                return
            with self._imagined(connection if revision else None).connect() as imagined:
                yield imagined

    @contextmanager
    def writing(self):
        """A connection in a transaction that is committed at the end, undone when an error passes."""
        if self._is_sqlite:
            _create_private(self.url.database)
        with self._connected() as connection:
            connection.execution_options(launch_writes=True)
            with connection.begin():
                if self._revision(connection) != chain.HEAD:
                    chain.upgrade(connection)
                yield connection

    @property
    def _is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    def _options(self) -> dict:
        return {"connect_args": {"timeout": BUSY_TIMEOUT}} if self._is_sqlite else {}

    @contextmanager
    def _connected(self):
        try:
            connection = self.engine.connect()
        except self.sql.exc.DBAPIError as error:
            shown = self.url.render_as_string(hide_password=True)
            raise Unavailable("database %s: %s; is it running, and may we read and write there?" % (shown, error.orig))
        with connection:
            try:
                yield connection
            except self.sql.exc.OperationalError as error:
                raise Unavailable("database %r: %s" % (self.url, error.orig)) from None

    def _revision(self, connection) -> str | None:
        """The database's revision; None if it has no tables of ours yet. Conflict if it is newer than we are."""
        if not self.sql.inspect(connection).has_table("alembic_version"):
            return None
        revision = connection.exec_driver_sql("select version_num from alembic_version").scalar()
        if revision is not None and revision > chain.HEAD:
            raise Conflict(
                "database %r is at revision %s, this collection knows only %s: use the newer collection"
                % (self.url, revision, chain.HEAD)
            )
        return revision

    def _imagined(self, source=None):
        """An engine on a database in memory: empty, or a copy of an older SQLite source; at our revision."""
        imagined = self.sql.create_engine("sqlite://", poolclass=self.sql.pool.StaticPool)
        if source is not None and not self._is_sqlite:
            raise Conflict("database %r is of an older revision: the next run without --check upgrades it" % self.url)
        with imagined.begin() as connection:
            if source is not None:
                source.connection.driver_connection.backup(connection.connection.driver_connection)
                chain.upgrade(connection)
            else:
                self.tables.metadata.create_all(connection)
        return imagined


def _create_private(path: str) -> None:
    """Make the SQLite file, readable by its owner alone, before anything is in it."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable("database %s: %s: choose another place or mend its permissions" % (path, error.strerror)) from None


def _take_transactions_in_hand(sqlalchemy, engine) -> None:
    """Let SQLite begin where we begin: a writer takes its lock at once, so what it has read still holds.

    (SQLAlchemy's documentation of the pysqlite dialect, "Serializable isolation / Savepoints / Transactional DDL".)
    """

    @sqlalchemy.event.listens_for(engine, "connect")
    def _connect(connection, _record):
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection):
        writes = connection.get_execution_options().get("launch_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
