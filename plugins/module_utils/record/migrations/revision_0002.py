# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several controllers: leases, quotas, server groups, events and faults, and all that the scheduler asks of a host."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Every table that 0001 made.
FIRST = ("instances", "instance_actions", "volumes", "compute_nodes", "allocations")
WORDS = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    import sqlalchemy as sa
    from alembic import op
    from sqlalchemy.dialects import mysql

    when = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    for column in (
        sa.Column("vcpus", sa.Integer),
        sa.Column("memory_mb", sa.Integer),
        sa.Column("group_name", sa.String(255)),
        sa.Column("availability_zone", sa.String(255)),
        sa.Column("scheduler_hints", sa.JSON),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_owner", sa.String(255)),
        sa.Column("leased_at", when),
        sa.Column("lease_expires", when),
    ):
        op.add_column("instances", column)
    op.create_index("ix_instances_group", "instances", ["project_id", "group_name", "deleted"])
    op.create_index("ix_instances_state", "instances", ["vm_state", "host"])
    for column in (
        sa.Column("availability_zone", sa.String(255)),
        sa.Column("aggregates", sa.JSON),
        sa.Column("units", sa.JSON),
        sa.Column("traits", sa.JSON),
        sa.Column("metrics", sa.JSON),
        sa.Column("cpu_dedicated_set", sa.String(255)),
        sa.Column("failed_builds", sa.Integer, nullable=False, server_default="0"),
        sa.Column("num_instances", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("compute_nodes", column)
    op.execute(
        "update compute_nodes set num_instances ="
        " (select count(*) from allocations where allocations.host = compute_nodes.host)"
    )
    op.add_column("allocations", sa.Column("resources", sa.JSON))
    op.create_table(
        "instance_groups",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("policy", sa.String(32), nullable=False),
        sa.Column("max_server_per_host", sa.Integer),
        sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
        sa.UniqueConstraint("project_id", "name", name="uniq_instance_groups_project_name"),
        **WORDS,
    )
    op.create_table(
        "instance_action_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("action_id", sa.Integer, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("start_time", when, nullable=False),
        sa.Column("finish_time", when),
        sa.Column("result", sa.String(16)),
        sa.Column("host", sa.String(255)),
        sa.Column("message", sa.Text),
        sa.Column("details", sa.Text),
        **WORDS,
    )
    op.create_index("ix_instance_action_events_action_id", "instance_action_events", ["action_id"])
    op.create_table(
        "instance_faults",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("details", sa.Text),
        sa.Column("host", sa.String(255)),
        sa.Column("created_at", when, nullable=False),
        **WORDS,
    )
    op.create_index("ix_instance_faults_instance_uuid", "instance_faults", ["instance_uuid"])
    op.create_table(
        "projects",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        **WORDS,
    )
    _tell_letters_apart(sa, op)
    _count_what_is_used(sa, op.get_bind())


def _tell_letters_apart(sa, op) -> None:
    """MariaDB: keep fractions of seconds, and let Web and web be two names, as everywhere else."""
    from sqlalchemy.dialects import mysql

    connection = op.get_bind()
    if connection.dialect.name not in ("mysql", "mariadb"):
        return
    for table in FIRST:
        connection.exec_driver_sql("alter table %s convert to character set utf8mb4 collate utf8mb4_bin" % table)
        for column in sa.inspect(connection).get_columns(table):
            exact = {mysql.DATETIME: mysql.DATETIME(fsp=6), mysql.MEDIUMTEXT: sa.Text()}.get(type(column["type"]))
            if exact is not None:  # the conversion makes a text longer, so that it holds as many letters
                op.alter_column(table, column["name"], type_=exact, existing_nullable=column["nullable"])


def _count_what_is_used(sa, connection) -> None:
    """Quotas count columns: the flavors of the instances that are there become such. Hosts count their claims."""
    connection.exec_driver_sql(
        "update compute_nodes set num_instances ="
        " (select count(*) from allocations where allocations.host = compute_nodes.host)"
    )
    instances = sa.table(
        "instances", sa.column("id"), sa.column("flavor", sa.JSON), sa.column("vcpus"), sa.column("memory_mb")
    )
    for row in connection.execute(sa.select(instances.c.id, instances.c.flavor)).all():
        if row.flavor:
            used = {"vcpus": row.flavor["vcpus"], "memory_mb": row.flavor["ram"]}
            connection.execute(instances.update().where(instances.c.id == row.id).values(**used))
