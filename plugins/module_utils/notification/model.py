# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Notifications of an instance in nova's words: versioned ones in their envelopes, and the older flat ones; pure.

Names, versions and fields are nova's (its documentation, "Notifications in Nova", and the samples there). Nothing
secret is in any: no user data, no keys, no tokens, nothing of how an image is reached. No stage: nothing is planned.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Iterable, Mapping

from ..core.names import reservation_id, tap_name
from ..core.states import TASKS
from ..instance.attachments import BlockDeviceMapping, NetworkRequest, from_data

# What nova calls the actions; of others there is only instance.update.
NAMES = {
    "create": "create", "delete": "delete", "stop": "power_off", "start": "power_on", "reboot": "reboot",
    "pause": "pause", "unpause": "unpause", "suspend": "suspend", "resume": "resume",
}  # fmt: skip
POWER_STATES = ("running", "paused", "shutdown", "crashed", "suspended")
STARTING = {"create": None, **TASKS}  # by action, the task state at its beginning
VERSIONS = {
    "InstanceCreatePayload": "1.13",
    "InstanceActionPayload": "1.9",
    "InstanceUpdatePayload": "2.1",
    "InstanceStateUpdatePayload": "1.0",
    "AuditPeriodPayload": "1.0",
    "FlavorPayload": "1.4",
    "IpPayload": "1.0",
    "BlockDevicePayload": "1.0",
    "ExceptionPayload": "1.1",
}
LONGEST = 1000  # characters of a fault


@dataclass(frozen=True)
class Event:
    """Something that happened to an instance, by the row that the record has of it then.

    action: nova's word of the request. phase: start, end, error or update. fault: what it failed with. old_state: the
    vm_state before. extras: what the Compute API keeps of it (record/server_extras.py). initiator: the user who has
    asked for it; None for the instance's own.
    """

    row: Any
    action: str
    phase: str
    request_id: str
    fault: str | None = None
    old_state: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    initiator: str | None = None

    @property
    def name(self) -> str:
        """create.start, or update."""
        return "update" if self.phase == "update" else "%s.%s" % (NAMES[self.action], self.phase)

    @property
    def priority(self) -> str:
        """As oslo.messaging calls it."""
        return "error" if self.phase == "error" else "info"


def begun(action: str, row: Any, request_id: str) -> list[Event]:
    """What is told when a worker begins a request for the first time."""
    return [Event(row, action, "start", request_id)] if action in NAMES else []


def ended(action: str, row: Any, request_id: str, before: str | None, given_up: str | None = None) -> list[Event]:
    """What is told when a request is out of the queue; before: the vm_state that it began with, where that is known.

    given_up: why, where nobody tries any more.
    """
    fault = given_up or (row.fault if row.vm_state == "error" and not row.deleted else None)
    events = []
    if action in NAMES and not fault:
        events.append(Event(row, action, "end", request_id))
    elif action == "create":
        events.append(Event(row, action, "error", request_id, fault))
    return [*events, Event(row, action, "update", request_id, fault, before)]


def versioned(event: Event, moment: datetime) -> tuple[str, dict[str, Any]]:
    """The event_type and the payload of a versioned notification."""
    data = {**_instance(event), "fault": _exception(event.fault)}
    tags = list(event.extras.get("tags") or ())
    kind = "InstanceActionPayload"
    if event.phase == "update":
        kind = "InstanceUpdatePayload"
        del data["fault"]
        states = {"old_state": event.old_state, "state": data["state"]}
        tasks = {"old_task_state": data["task_state"], "new_task_state": data["task_state"]}
        period = {"audit_period_beginning": _time(moment.replace(day=1, hour=0, minute=0, second=0))}
        data["state_update"] = _object("InstanceStateUpdatePayload", {**states, **tasks})
        data["audit_period"] = _object("AuditPeriodPayload", {**period, "audit_period_ending": _time(moment)})
        data.update(old_display_name=None, tags=tags)
    elif event.action == "create":
        kind = "InstanceCreatePayload"
        data.update(keypairs=[], tags=tags, trusted_image_certificates=None, instance_name=event.row.name)
    return "instance." + event.name, _object(kind, data)


def _instance(event: Event) -> dict[str, Any]:
    row, starts = event.row, event.phase == "start"
    created = event.action == "create" and starts
    gone = bool(row.deleted)
    return {
        "uuid": row.uuid,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "display_name": row.name,
        "display_description": event.extras.get("description") or row.name,
        "host_name": row.name,
        "host": None if created else row.host,
        "node": None if created else row.host,
        "os_type": None,
        "architecture": None,
        "availability_zone": row.availability_zone,
        "image_uuid": _image(row.image),
        "kernel_id": "",
        "ramdisk_id": "",
        "key_name": event.extras.get("key_name"),
        "metadata": dict(row.instance_metadata or {}),
        "locked": event.extras.get("locked_by") is not None,
        "locked_reason": event.extras.get("locked_reason"),
        "state": "deleted" if gone else row.vm_state,
        "task_state": STARTING.get(event.action, row.task_state) if starts else (None if gone else row.task_state),
        "power_state": row.power_state if row.power_state in POWER_STATES and not gone else "pending",
        "progress": 0,
        "reservation_id": reservation_id(event.row.request_id),
        "auto_disk_config": "MANUAL",
        "created_at": _time(row.created_at),
        "launched_at": _time(row.launched_at),
        "terminated_at": _time(row.deleted_at),
        "deleted_at": _time(row.deleted_at),
        "updated_at": _time(row.updated_at),
        "flavor": _flavor(row.flavor or {}),
        "ip_addresses": [] if created or gone else [_object("IpPayload", each) for each in _addresses(row.ports)],
        "block_devices": []
        if created or gone
        else [_volume(each) for each in from_data(BlockDeviceMapping, row.volumes or ())],
        "request_id": event.request_id,
        "action_initiator_user": event.initiator or row.user_id,
        "action_initiator_project": row.project_id,
        "shares": [],
    }


def _object(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An object in its envelope."""
    return {
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": VERSIONS[name],
        "nova_object.data": dict(data),
    }


def _flavor(flavor: Mapping[str, Any]) -> dict[str, Any]:
    name = flavor.get("name", "")
    return _object(
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


def _addresses(ports: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The addresses of ports as the record has them, once they are made."""
    found = []
    for port in from_data(NetworkRequest, ports or ()):
        info, identity = port.network_info or {}, port.public_id or ""
        if port.leaving or not port.mac_address:
            continue
        addresses = [*(port.fixed_ips or [port.fixed_ip]), info.get("ipv6_address")]
        label = info.get("network_name") or port.network or str(port.port)
        beside = {"label": label, "mac": port.mac_address, "meta": {}, "port_uuid": identity}
        beside["device_name"] = tap_name(identity)
        found += [
            {**beside, "address": each, "version": 6 if ":" in each else 4} for each in dict.fromkeys(addresses) if each
        ]
    return found


def _volume(volume: BlockDeviceMapping) -> dict[str, Any]:
    kept = {"volume_id": volume.public_id, "delete_on_termination": volume.delete_on_termination}
    return _object("BlockDevicePayload", {**kept, "boot_index": None, "device_name": None, "tag": None})


def _image(image: Mapping[str, Any] | None) -> str:
    """The id of a service's image, else its name."""
    return str((image or {}).get("id") or (image or {}).get("name") or "")


def _exception(fault: str | None) -> dict[str, Any] | None:
    if not fault:
        return None
    told = {"exception": "BuildAbortException", "exception_message": fault[:LONGEST]}
    return _object("ExceptionPayload", {**told, "function_name": "launch", "module_name": "kvmstack", "traceback": ""})


def legacy(event: Event, moment: datetime) -> tuple[str, dict[str, Any]]:
    """The event_type and the payload of an unversioned notification, as Ceilometer reads it."""
    row, flavor, gone = event.row, event.row.flavor or {}, bool(event.row.deleted)
    payload = {
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "instance_id": row.uuid,
        "display_name": row.name,
        "hostname": row.name,
        "reservation_id": reservation_id(event.row.request_id),
        "instance_type": flavor.get("name", ""),
        "instance_type_id": _number(flavor.get("name", "")),
        "instance_flavor_id": flavor.get("name", ""),
        "architecture": None,
        "memory_mb": flavor.get("ram", 0),
        "disk_gb": flavor.get("disk") or 0,
        "root_gb": flavor.get("disk") or 0,
        "ephemeral_gb": 0,
        "vcpus": flavor.get("vcpus", 0),
        "host": row.host,
        "node": row.host,
        "availability_zone": row.availability_zone,
        "cell_name": "",
        "created_at": str(row.created_at),
        "terminated_at": str(row.deleted_at or ""),
        "deleted_at": str(row.deleted_at or ""),
        "launched_at": str(row.launched_at or ""),
        "image_ref_url": _image(row.image),
        "os_type": None,
        "kernel_id": "",
        "ramdisk_id": "",
        "state": "deleted" if gone else row.vm_state,
        "state_description": row.task_state or "",
        "progress": "",
        "access_ip_v4": None,
        "access_ip_v6": None,
        "image_meta": {"base_image_ref": _image(row.image)},
        "metadata": dict(row.instance_metadata or {}),
    }
    if event.phase == "end" and event.action == "create":
        payload.update(fixed_ips=_addresses(row.ports), message="Success")
    if event.phase == "error":
        payload.update(message=(event.fault or "")[:LONGEST], code=500)
    if event.phase == "update":
        period = {"audit_period_beginning": str(moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0))}
        payload.update(old_state=event.old_state, **period, audit_period_ending=str(moment), bandwidth={})
    return "compute.instance." + event.name, payload


def _number(name: str) -> int:
    """A number for a flavor, which here has a name only; the same everywhere."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") >> 1


def _time(moment: datetime | None) -> str | None:
    return moment and moment.strftime("%Y-%m-%dT%H:%M:%SZ")
