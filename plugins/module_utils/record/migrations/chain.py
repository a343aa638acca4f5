# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a database to this collection's revision, with Alembic but without a directory of scripts.

Modules travel to where they run as a zip of imported Python files, so the revisions are imported
by name here and handed to Alembic as Scripts instead of being found on disk.
"""

from __future__ import annotations

from . import revision_0001

REVISIONS = [revision_0001]
HEAD = REVISIONS[-1].revision


def upgrade(connection) -> None:
    """Run the revisions that the database behind this SQLAlchemy connection has not had yet, each once."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script.base import Script
    from alembic.script.revision import RevisionMap

    known = RevisionMap(lambda: [Script(module, module.revision, module.__name__) for module in REVISIONS])

    def steps(heads, context):
        missing = list(known.iterate_revisions("heads", heads or "base"))
        return [RevisionStep(known, revision, is_upgrade=True) for revision in reversed(missing)]

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with Operations.context(context):
        context.run_migrations()
