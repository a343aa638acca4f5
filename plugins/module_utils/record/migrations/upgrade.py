# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a database to this collection's revision, with Alembic but without a directory of scripts.

Modules travel to where they run as a zip of imported Python files, so the revisions are imported
by name here and handed to Alembic as Scripts instead of being found on disk.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager

from ...core.errors import MissingLibrary
from . import (
    revision_0001,
    revision_0002,
    revision_0003,
    revision_0004,
    revision_0005,
    revision_0006,
    revision_0007,
    revision_0008,
    revision_0009,
    revision_0010,
    revision_0011,
    revision_0012,
    revision_0013,
    revision_0014,
    revision_0015,
    revision_0016,
    revision_0017,
)

REVISIONS = [
    revision_0001,
    revision_0002,
    revision_0003,
    revision_0004,
    revision_0005,
    revision_0006,
    revision_0007,
    revision_0008,
    revision_0009,
    revision_0010,
    revision_0011,
    revision_0012,
    revision_0013,
    revision_0014,
    revision_0015,
    revision_0016,
    revision_0017,
]
HEAD = REVISIONS[-1].revision

LOCK = threading.Lock()  # Alembic's operations work on one connection at a time
CREATION = re.compile(r"^\s*(CREATE TABLE|CREATE (?:UNIQUE )?INDEX|ALTER TABLE \S+ ADD COLUMN) ")


def upgrade(connection, target: str = HEAD) -> None:
    """Run the revisions up to the target that the database behind this connection has not had yet, each once."""
    try:
        from alembic.operations import Operations
        from alembic.runtime.migration import MigrationContext, RevisionStep
        from alembic.script.base import Script
        from alembic.script.revision import RevisionMap
    except ImportError:
        raise MissingLibrary("alembic") from None
    known = RevisionMap(lambda: [Script(module, module.revision, module.__name__) for module in REVISIONS])

    def steps(heads, context):
        missing = list(known.iterate_revisions(target, heads or "base"))
        return [RevisionStep(known, revision, is_upgrade=True) for revision in reversed(missing)]

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with LOCK, Operations.context(context), _repeatable(connection):
        context.run_migrations()


@contextmanager
def _repeatable(connection):
    """MariaDB cannot undo a change of the schema: an upgrade that was killed is repeated, over what it had made."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    from sqlalchemy import event

    event.listen(connection, "before_cursor_execute", _unless_it_exists, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", _unless_it_exists)


def _unless_it_exists(_connection, _cursor, statement, parameters, _context, _executemany):
    return CREATION.sub(r"\1 IF NOT EXISTS ", statement), parameters
