# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The flat payload of nova's older notifications, as Ceilometer reads it; pure."""

from __future__ import annotations

import hashlib
from typing import Any

from ..core.names import reservation_id
from .event import Event

# What nova tells of every instance and here is the same for all.
CONSTANT = {
    "architecture": None, "ephemeral_gb": 0, "cell_name": "", "os_type": None, "kernel_id": "", "ramdisk_id": "",
    "progress": "", "access_ip_v4": None, "access_ip_v6": None,
}  # fmt: skip


def instance_fields(event: Event) -> dict[str, Any]:
    """The fields that every one has."""
    row = event.row
    return {
        **CONSTANT,
        **_flavor(event),
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "instance_id": row.uuid,
        "display_name": row.name,
        "hostname": row.name,
        "reservation_id": reservation_id(row.request_id),
        "host": row.host,
        "node": row.host,
        "availability_zone": row.availability_zone,
        "created_at": str(row.created_at),
        "terminated_at": str(row.deleted_at or ""),
        "deleted_at": str(row.deleted_at or ""),
        "launched_at": str(row.launched_at or ""),
        "image_ref_url": event.image,
        "image_meta": {"base_image_ref": event.image},
        "state": event.state,
        "state_description": row.task_state or "",
        "metadata": dict(row.instance_metadata or {}),
    }


def _flavor(event: Event) -> dict[str, Any]:
    flavor = event.flavor
    name = flavor.get("name", "")
    return {
        "instance_type": name,
        "instance_type_id": _number(name),
        "instance_flavor_id": name,
        "memory_mb": flavor.get("ram", 0),
        "disk_gb": flavor.get("disk") or 0,
        "root_gb": flavor.get("disk") or 0,
        "vcpus": flavor.get("vcpus", 0),
    }


def _number(name: str) -> int:
    """A number for a flavor, which here has a name only; the same everywhere."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1
