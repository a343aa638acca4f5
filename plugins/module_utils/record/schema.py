# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of the persistent record: what nova keeps in its nova, nova_api and placement databases.

Times are UTC without a zone. `deleted` is 0 for a live row and the row's own id for a deleted one,
nova's way to keep a unique name among the living on every database.
"""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace


@lru_cache(maxsize=None)
def schema() -> SimpleNamespace:
    """The tables by name, and their `metadata`. Built on first use: importing this file needs no library."""
    from sqlalchemy import (
        JSON,
        Boolean,
        Column,
        DateTime,
        Float,
        Index,
        Integer,
        MetaData,
        String,
        Table,
        Text,
        UniqueConstraint,
    )
    from sqlalchemy.dialects import mysql

    metadata = MetaData()
    when = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    records = Table("records", metadata, Column("id", String(36), primary_key=True))
    instances = Table(
        "instances",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("uuid", String(36), nullable=False, unique=True),
        Column("name", String(63), nullable=False),
        Column("project_id", String(255), nullable=False),
        Column("user_id", String(255)),
        Column("user_name", String(255)),
        Column("project_name", String(255)),
        Column("request_id", String(64)),
        Column("vm_state", String(16), nullable=False),
        Column("task_state", String(16)),
        Column("target_state", String(16), nullable=False, server_default="started"),
        Column("power_state", String(16)),
        Column("host", String(255)),
        Column("attempted_hosts", JSON, nullable=False),
        Column("flavor", JSON),
        Column("image", JSON),
        Column("ports", JSON, nullable=False),
        Column("volumes", JSON, nullable=False),
        Column("instance_metadata", JSON, nullable=False),
        Column("ssh_keys", JSON),
        Column("user_data_digest", String(64)),
        Column("fault", Text),
        Column("last_error", Text),
        Column("vcpus", Integer),
        Column("memory_mb", Integer),
        Column("group_name", String(255)),
        Column("availability_zone", String(255)),
        Column("scheduler_hints", JSON),
        Column("generation", Integer, nullable=False, server_default="0"),
        Column("lease_owner", String(255)),
        Column("leased_at", when),
        Column("lease_expires", when),
        Column("created_at", when, nullable=False),
        Column("requested_at", when, nullable=False),
        Column("updated_at", when, nullable=False),
        Column("launched_at", when),
        Column("deleted_at", when),
        Column("deleted", Integer, nullable=False),
        UniqueConstraint("project_id", "name", "deleted", name="uniq_instances_project_name"),
        Index("ix_instances_living", "deleted", "project_id", "name"),
        Index("ix_instances_host", "host", "deleted"),
        Index("ix_instances_group", "project_id", "group_name", "deleted"),
        Index("ix_instances_state", "vm_state", "host"),
    )
    instance_actions = Table(
        "instance_actions",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("instance_uuid", String(36), nullable=False, index=True),
        Column("request_id", String(64), nullable=False),
        Column("action", String(32), nullable=False),
        Column("user_id", String(255)),
        Column("host", String(255)),
        Column("start_time", when, nullable=False),
        Column("finish_time", when),
        Column("result", String(16)),
        Column("message", Text),
    )
    instance_action_events = Table(
        "instance_action_events",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("action_id", Integer, nullable=False, index=True),
        Column("event", String(32), nullable=False),
        Column("start_time", when, nullable=False),
        Column("finish_time", when),
        Column("result", String(16)),
        Column("host", String(255)),
        Column("message", Text),
        Column("details", Text),
    )
    instance_faults = Table(
        "instance_faults",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("instance_uuid", String(36), nullable=False, index=True),
        Column("code", Integer, nullable=False),
        Column("message", Text, nullable=False),
        Column("details", Text),
        Column("host", String(255)),
        Column("created_at", when, nullable=False),
    )
    instance_groups = Table(
        "instance_groups",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("project_id", String(255), nullable=False),
        Column("name", String(255), nullable=False),
        Column("policy", String(32), nullable=False),
        Column("max_server_per_host", Integer),
        Column("generation", Integer, nullable=False, server_default="0"),
        UniqueConstraint("project_id", "name", name="uniq_instance_groups_project_name"),
    )
    projects = Table(
        "projects",
        metadata,
        Column("id", String(255), primary_key=True),
        Column("generation", Integer, nullable=False),
    )
    volumes = Table(
        "volumes",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("name", String(255), nullable=False),
        Column("project_id", String(255), nullable=False),
        Column("host", String(255)),
        Column("size", Integer, nullable=False),
        Column("format", String(16), nullable=False),
        Column("instance_uuid", String(36), index=True),
        Column("delete_on_termination", Boolean, nullable=False),
        UniqueConstraint("project_id", "name", name="uniq_volumes_project_name"),
    )
    compute_nodes = Table(
        "compute_nodes",
        metadata,
        Column("host", String(255), primary_key=True),
        Column("generation", Integer, nullable=False),
        Column("enabled", Boolean, nullable=False),
        Column("disabled_reason", String(255)),
        Column("vcpus", Integer, nullable=False),
        Column("memory_mb", Integer, nullable=False),
        Column("disk_gb", Integer, nullable=False),
        Column("vcpus_reserved", Integer, nullable=False),
        Column("memory_mb_reserved", Integer, nullable=False),
        Column("disk_gb_reserved", Integer, nullable=False),
        Column("cpu_allocation_ratio", Float, nullable=False),
        Column("ram_allocation_ratio", Float, nullable=False),
        Column("disk_allocation_ratio", Float, nullable=False),
        Column("vcpus_used", Integer, nullable=False),
        Column("memory_mb_used", Integer, nullable=False),
        Column("disk_gb_used", Integer, nullable=False),
        Column("facts", JSON, nullable=False),
        Column("availability_zone", String(255)),
        Column("aggregates", JSON),
        Column("units", JSON),
        Column("traits", JSON),
        Column("metrics", JSON),
        Column("cpu_dedicated_set", String(255)),
        Column("bridge_mappings", JSON),
        Column("failed_builds", Integer, nullable=False, server_default="0"),
        Column("num_instances", Integer, nullable=False, server_default="0"),
        Column("updated_at", when, nullable=False),
        Column("silent_since", when),
        Column("machine", String(36)),
    )
    allocations = Table(
        "allocations",
        metadata,
        Column("instance_uuid", String(36), primary_key=True),
        Column("host", String(255), nullable=False, index=True),
        Column("vcpus", Integer, nullable=False),
        Column("memory_mb", Integer, nullable=False),
        Column("disk_gb", Integer, nullable=False),
        Column("resources", JSON),
        Column("created_at", when, nullable=False),
    )
    remains = Table(
        "remains",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("instance_uuid", String(36), nullable=False),
        Column("host", String(255), nullable=False),
        Column("name", String(63), nullable=False),
        Column("parts", JSON, nullable=False),
        Column("created_at", when, nullable=False),
        UniqueConstraint("instance_uuid", "host", name="uniq_remains_instance_host"),
    )
    requests = Table(
        "requests",
        metadata,
        Column("instance_uuid", String(36), primary_key=True),
        Column("project_id", String(255), nullable=False),
        Column("name", String(63), nullable=False),
        Column("action", String(32), nullable=False),
        Column("entry", JSON, nullable=False),
        Column("user_data", Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")),
        Column("request_id", String(64), nullable=False),
        Column("generation", Integer, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("last_error", Text),
        Column("lease_owner", String(255)),
        Column("lease_expires", when),
        Column("created_at", when, nullable=False),
        Index("ix_requests_created", "created_at"),
    )
    return SimpleNamespace(
        metadata=metadata,
        records=records,
        instances=instances,
        instance_actions=instance_actions,
        instance_action_events=instance_action_events,
        instance_faults=instance_faults,
        instance_groups=instance_groups,
        projects=projects,
        volumes=volumes,
        compute_nodes=compute_nodes,
        allocations=allocations,
        remains=remains,
        requests=requests,
    )
