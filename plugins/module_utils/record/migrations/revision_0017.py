# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The message of a fault is for users: of faults until now, whose messages may name hosts, it is in the details."""

from __future__ import annotations

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UNTOLD = "it has failed; the details are for administrators"


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op

    types = {"code": sa.Integer, "message": sa.Text, "details": sa.Text}
    faults = sa.table("instance_faults", *(sa.column(name, kind) for name, kind in types.items()))
    failed = faults.update().where(faults.c.code == 500)
    op.execute(failed.values(details=sa.func.coalesce(faults.c.message + "\n\n" + faults.c.details, faults.c.message)))
    op.execute(failed.values(message=UNTOLD))
