# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nova's versioned objects that its notifications are made of, each in its envelope; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Mapping

from ..core.names import reservation_id
from ..core.states import TASKS
from ..instance.attachments import BlockDeviceMapping, from_data
from .event import LONGEST, Event, addresses

POWER_STATES = ("running", "paused", "shutdown", "crashed", "suspended")
TASKS_AT_START = {"create": None, **TASKS}
VERSIONS = {
    "InstanceCreatePayload": "1.13",
    "InstanceActionPayload": "1.9",
    "InstanceActionRebuildPayload": "1.10",
    "InstanceUpdatePayload": "2.1",
    "InstanceStateUpdatePayload": "1.0",
    "AuditPeriodPayload": "1.0",
    "FlavorPayload": "1.4",
    "IpPayload": "1.0",
    "BlockDevicePayload": "1.0",
    "ExceptionPayload": "1.1",
}
# What nova tells of every instance and here is the same for all.
CONSTANT = {
    "os_type": None, "architecture": None, "kernel_id": "", "ramdisk_id": "", "progress": 0, "shares": [],
}  # fmt: skip


def instance_fields(event: Event) -> dict[str, Any]:
    """The fields that all payloads of an instance have."""
    row, extras = event.row, event.extras
    return {
        **CONSTANT,
        **_state(event),
        **_place(event),
        "uuid": row.uuid,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "display_name": row.name,
        "display_description": extras.get("description") or row.name,
        "host_name": row.name,
        "image_uuid": event.image,
        "key_name": extras.get("key_name"),
        "metadata": dict(row.instance_metadata or {}),
        "locked": extras.get("locked_by") is not None,
        "locked_reason": extras.get("locked_reason"),
        "auto_disk_config": extras.get("disk_config") or "MANUAL",
        "reservation_id": reservation_id(row.request_id),
        "flavor": _flavor(event.flavor),
        "request_id": event.request_id,
        "action_initiator_user": event.initiator or row.user_id,
        "action_initiator_project": row.project_id,
    }


def _state(event: Event) -> dict[str, Any]:
    """What the instance is doing, and since when."""
    row = event.row
    task = None if event.gone else row.task_state
    power = row.power_state if row.power_state in POWER_STATES and not event.gone else "pending"
    return {
        "state": event.state,
        "task_state": TASKS_AT_START.get(event.action, row.task_state) if event.phase == "start" else task,
        "power_state": power,
        "created_at": as_time(row.created_at),
        "launched_at": as_time(row.launched_at),
        "terminated_at": as_time(row.deleted_at),
        "deleted_at": as_time(row.deleted_at),
        "updated_at": as_time(row.updated_at),
    }


def _place(event: Event) -> dict[str, Any]:
    """Where the instance is and what it has there: nothing yet when it begins, nothing any more when it is gone."""
    row, new = event.row, event.action == "create" and event.phase == "start"
    nothing = new or event.gone
    volumes = () if nothing else from_data(BlockDeviceMapping, row.volumes or ())
    return {
        "host": None if new else row.host,
        "node": None if new else row.host,
        "availability_zone": row.availability_zone,
        "ip_addresses": [enveloped("IpPayload", each) for each in (() if nothing else addresses(row.ports))],
        "block_devices": [_volume(each) for each in volumes],
    }


def enveloped(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An object in its envelope."""
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": VERSIONS[name],
        "nova_object.data": dict(data),
    }


def _flavor(flavor: Mapping[str, Any]) -> dict[str, Any]:
    name = flavor.get("name", "")
    return enveloped(
        "FlavorPayload",
        {
            "flavorid": name,
            "name": name,
            "memory_mb": flavor.get("ram", 0),
            "vcpus": flavor.get("vcpus", 0),
            "root_gb": flavor.get("disk") or 0,
            "ephemeral_gb": 0,
            "swap": 0,
            "rxtx_factor": 1.0,
            "vcpu_weight": 0,
            "disabled": False,
            "is_public": True,
            "extra_specs": dict(flavor.get("extra_specs") or {}),
            "projects": None,
            "description": None,
        },
    )


def _volume(volume: BlockDeviceMapping) -> dict[str, Any]:
    kept = {"volume_id": volume.public_id, "delete_on_termination": volume.delete_on_termination}
    return enveloped("BlockDevicePayload", {**kept, "boot_index": None, "device_name": None, "tag": None})


def exception(fault: str | None) -> dict[str, Any] | None:
    """A fault as nova tells of the exception that it was."""
    if not fault:
        return None
    known = {"exception": "BuildAbortException", "exception_message": fault[:LONGEST]}
    place = {"function_name": "launch", "module_name": "kvmstack", "traceback": ""}
    return enveloped("ExceptionPayload", {**known, **place})


def as_time(moment: datetime | None) -> str | None:
    """A time as nova's objects write it."""
    return moment and moment.strftime("%Y-%m-%dT%H:%M:%SZ")
