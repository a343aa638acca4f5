# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record's database: one SQLAlchemy URL, opened for reading or for writing.

Reading changes nothing, not even an empty or older database: what is missing is seen as the
upgrade would make it, in memory. Writing upgrades first and is one transaction; another one's
transaction on the same rows is waited for (SQLite: on the whole file), and `write` begins again
where the database has had to break a deadlock.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Callable

from ..core.errors import Conflict, InvalidRequest, MissingLibrary, Unavailable
from .errors import Contended, error_of, place
from .migrations.upgrade import HEAD, upgrade
from .preview import preview
from .schema import schema

BUSY_TIMEOUT = 30  # seconds that a writer waits for another one's transaction
CONNECT_TIMEOUT = 10  # seconds
RETRIES = 8  # of a transaction that met a deadlock; nova's db_retry does 5
LIBRARIES = {"psycopg": "psycopg[binary]", "pymysql": "PyMySQL"}


# The time in UTC, by SQLAlchemy's name of the dialect.
CLOCKS = {
    "sqlite": "select strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "select clock_timestamp() at time zone 'utc'",
    "mysql": "select utc_timestamp(6)",
    "mariadb": "select utc_timestamp(6)",
}


def now(connection) -> datetime:
    """The time as the record keeps it, UTC without a zone, by the database's clock: controllers' clocks may differ."""
    moment = connection.exec_driver_sql(CLOCKS[connection.dialect.name]).scalar()
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


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
            raise InvalidRequest(
                "database: this is not a SQLAlchemy URL such as sqlite:////var/lib/launch.db"
            ) from None
        except ImportError as error:
            name = error.name or str(error)
            raise MissingLibrary(LIBRARIES.get(name.lower(), name)) from None
        if "@" in (self.url.host or ""):  # what is before it is of the password: neither is to be told
            raise InvalidRequest("database: write @, / and % in its URL's password as %40, %2F and %25")
        if self._is_sqlite:
            _begin_transactions_here(sqlalchemy, self.engine)

    @property
    def backend(self) -> str:
        """One of sqlite, postgresql, mariadb."""
        name = self.url.get_backend_name()
        return "mariadb" if name == "mysql" else name

    @contextmanager
    def reading(self):
        """A connection that sees the record at this collection's revision and writes nothing."""
        if self._is_sqlite and not os.path.exists(self.url.database):
            with preview(self.sql).connect() as connection:
                yield connection
            return
        with self._connected() as connection:
            revision = self._revision(connection)
            if revision == HEAD:
                yield connection
                return
            with preview(self.sql, revision and connection, revision).connect() as copy:
                yield copy

    @contextmanager
    def writing(self):
        """A connection in a transaction that is committed at the end, undone when an error passes."""
        if self._is_sqlite:
            _create_private(self.url.database)
        with self._connected() as connection:
            connection.execution_options(launch_writes=True)
            with connection.begin():
                if self._revision(connection) != HEAD:
                    self._upgrade(connection)
                yield connection

    def write(self, function: Callable[[Any], Any]) -> Any:
        """What function(connection) returns, done in one transaction; begun anew, with nothing done, after a deadlock.

        The function must therefore change nothing but the database.
        """
        for attempt in range(RETRIES):
            try:
                with self.writing() as connection:
                    return function(connection)
            except Contended:
                time.sleep(random.uniform(0, 0.02 * 2**attempt))
        with self.writing() as connection:
            return function(connection)

    @property
    def _is_sqlite(self) -> bool:
        return self.backend == "sqlite"

    def _options(self) -> dict:
        if self.backend == "sqlite":
            if self.url.database in (None, "", ":memory:"):
                raise InvalidRequest("database: the record needs a file, such as sqlite:////var/lib/launch.db")
            return {"connect_args": {"timeout": BUSY_TIMEOUT}}
        if self.backend not in ("postgresql", "mariadb"):
            raise InvalidRequest("database: %s is not one of sqlite, postgresql and mariadb" % self.backend)
        options: dict[str, Any] = {"isolation_level": "READ COMMITTED", "pool_pre_ping": True}
        if self.url.get_driver_name().startswith(("psycopg", "pymysql")) and "connect_timeout" not in self.url.query:
            options["connect_args"] = {"connect_timeout": CONNECT_TIMEOUT}
        return options

    @contextmanager
    def _connected(self):
        """A connection; an error of the database while it is open becomes an error of ours."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except self.sql.exc.DBAPIError as error:
            raise error_of(error, self.url) from None

    def _revision(self, connection) -> str | None:
        """The database's revision; None if it has no tables of ours yet. Conflict if it is newer than we are."""
        if not self.sql.inspect(connection).has_table("alembic_version"):
            return None
        revision = connection.exec_driver_sql("select version_num from alembic_version").scalar()
        if revision is not None and revision > HEAD:
            raise Conflict(
                "database %s is at revision %s, this collection knows only %s: use the newer collection"
                % (place(self.url), revision, HEAD)
            )
        return revision

    def _upgrade(self, connection) -> None:
        """Upgrade, one controller at a time; who had to wait finds it done."""
        with self._alone(connection):
            if self._revision(connection) != HEAD:
                upgrade(connection)

    @contextmanager
    def _alone(self, connection):
        """Keep other controllers out until the end of the transaction (SQLite's has done so from its beginning)."""
        if self.backend == "postgresql":
            connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('kvmstack.launch'))")
        if self.backend != "mariadb":
            yield
            return
        # MariaDB ends a transaction at every change of the schema, so the lock is the session's, and the server's.
        name = "concat('kvmstack.launch/', left(sha1(database()), 16))"
        if not connection.exec_driver_sql("select get_lock(%s, %d)" % (name, BUSY_TIMEOUT)).scalar():
            raise Unavailable("database %s: another run is upgrading it: run again" % place(self.url))
        try:
            yield
            connection.exec_driver_sql("commit")
        finally:
            connection.exec_driver_sql("select release_lock(%s)" % name)


def _create_private(path: str) -> None:
    """Make the SQLite file, readable by its owner alone, before anything is in it."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable(
            "database %s: %s: choose another place or mend its permissions" % (path, error.strerror)
        ) from None


def _begin_transactions_here(sqlalchemy, engine) -> None:
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
