# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database's error as an error of ours: which database, its own words, what to do."""

from __future__ import annotations

import re

from ..core.errors import LaunchError, Unavailable

# SQLSTATEs of PostgreSQL (serialization_failure, deadlock_detected); error numbers of MariaDB (deadlock, record
# changed, and the savepoint that went with a deadlocked transaction).
TRANSIENT = ("40001", "40P01", 1213, 1020, 1305)

# The first pattern that matches the database's words says what to do. A number is MariaDB's.
REMEDIES = (
    (r"password|\((1045|1698),|role .* does not exist|pg_hba", "check the user and the password in the URL"),
    (r"database .* does not exist|\(1049,", "create it; the tables in it are made by the first run"),
    (
        r"permission denied|must be owner|readonly database|\((1044|1142|1143|1227|1370),",
        "let this user make and change tables there",
    ),
    (r"database is locked|lock timeout|\((1205),", "another run holds it: run again"),
    (r"not a database|malformed", "choose another file, or restore it from a copy"),
    (r"too many|\((1040),", "let it serve more connections, or run again later"),
)
OTHERWISE = "is it running, and may we read and write there?"


class Contended(Unavailable):
    """The database has undone this transaction in favour of another one; the same again may do."""


def error_of(error, url) -> LaunchError:
    """Our error for a DBAPIError of SQLAlchemy's."""
    words = " ".join(str(error.orig).split())
    remedy = next((remedy for pattern, remedy in REMEDIES if re.search(pattern, words)), OTHERWISE)
    kind = Contended if _code(error.orig) in TRANSIENT else Unavailable
    return kind("database %s: %s; %s" % (place(url), words, remedy))


def place(url) -> str:
    """The database as a person knows it, without a password: the file, or `launch at db.example:5432 as launch`."""
    if url.get_backend_name() == "sqlite":
        return url.database
    host = url.host or url.query.get("host") or url.query.get("unix_socket") or "localhost"
    port = ":%s" % url.port if url.port else ""
    return "%s at %s%s as %s" % (url.database, host, port, url.username)


def _code(error):
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return code or (error.args[0] if error.args else None)
