# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server as each microversion tells it, from what the record has; pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable, Mapping

from ...core.names import reservation_id
from ...instance.attachments import BlockDeviceMapping, NetworkRequest, boot_volume
from ...instance.model import Instance
from ..context import RequestContext
from ..filters import POWER_STATES
from ..identifiers import definition_id, host_id, identity
from ..model import Server
from ..policies import HOST_ATTRIBUTES, HOST_STATUS
from ..versions import exact
from .faults import fault

# What a server has only where it is in this state.
WITH_FAULT = ("ERROR", "DELETED")
WITH_PROGRESS = ("ACTIVE", "BUILD", "DELETED", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")
# A reply to PUT has none of these before version 75.
NOT_AFTER_UPDATE = (
    "OS-EXT-AZ:availability_zone", "config_drive", "key_name", "os-extended-volumes:volumes_attached",
    "security_groups", "host_status",
)  # fmt: skip
MANUAL = "MANUAL"  # guests partition their disks themselves
NOT_BEGINNING = ("OS-EXT-SRV-ATTR:", "OS-EXT-STS:", "OS-SRV-USG:")


def basic(context: RequestContext, identity_: str, name: str) -> dict[str, Any]:
    """What a list without details has of a server."""
    return {"id": identity_, "name": name, "links": context.links("servers", identity_)}


def created(context: RequestContext, instance: Instance, disk_config: str | None) -> dict[str, Any]:
    """The reply to its request. There is no password: guests are reached by keys."""
    return {
        "id": instance.uuid,
        "links": context.links("servers", instance.uuid),
        "OS-DCF:diskConfig": disk_config or MANUAL,
        "security_groups": security_groups(instance.ports) or [{"name": "default"}],
    }


def shown(context: RequestContext, server: Server, is_list: bool = False) -> dict[str, Any]:
    """All of a server that this version has; of one in a list a little less."""
    told = {**_common(context, server), **_placed(server), **_states(server), **_since(context, server)}
    if server.status in WITH_FAULT and server.fault:
        told["fault"] = fault(context, server)
    if server.status in WITH_PROGRESS:
        told["progress"] = 100 if server.status == "ACTIVE" else 0
    groups = security_groups(server.instance.ports)
    if groups:
        told["security_groups"] = groups
    if is_list:
        del told["server_groups"]
    if not context.identity.may(HOST_ATTRIBUTES):
        told = {key: value for key, value in told.items() if not key.startswith("OS-EXT-SRV-ATTR:")}
        if context.version >= 90:
            told["OS-EXT-SRV-ATTR:hostname"] = server.instance.name
    if not context.identity.may(HOST_STATUS):
        told.pop("host_status")
    return exact("server", told, context.version)


def updated(context: RequestContext, server: Server) -> dict[str, Any]:
    """The reply to a change of it: as it is shown since version 75, and less before."""
    told = shown(context, server)
    if context.version >= 75:
        return told
    less = {
        key: value
        for key, value in told.items()
        if key not in NOT_AFTER_UPDATE and not key.startswith(NOT_BEGINNING)
    }  # fmt: skip
    return {**less, "addresses": addresses(server.instance.ports, extended=False)}


def rebuilt(context: RequestContext, server: Server) -> dict[str, Any]:
    """The reply to a rebuild: that to a change of it, and what may be changed by that too. Nobody is told user data."""
    told = updated(context, server)
    told.pop("OS-EXT-SRV-ATTR:user_data", None)
    return {
        **told,
        **exact("rebuilt server", {"key_name": server.extras["key_name"], "user_data": None}, context.version),
    }


def addresses(ports: Iterable[NetworkRequest], extended: bool = True) -> dict[str, list[dict[str, Any]]]:
    """The addresses by network; before their port is made, what is asked for is no address yet."""
    found: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        if port.leaving or not port.mac_address:
            continue
        for address, kind in _of_port(port):
            each = {"addr": address, "version": 6 if ":" in address else 4}
            if extended:
                each.update({"OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac_address})
            name = (port.network_info or {}).get("network_name") or port.network or str(port.port)
            found.setdefault(name, []).append(each)
    return found


def _of_port(port: NetworkRequest) -> list[tuple[str, str]]:
    info = port.network_info or {}
    fixed = [*(port.fixed_ips or [port.fixed_ip]), info.get("ipv6_address")]
    told = [(address, "fixed") for address in dict.fromkeys(fixed) if address]
    return told + [(address, "floating") for address in [info.get("floating_ip_address")] if address]


def security_groups(ports: Iterable[NetworkRequest]) -> list[dict[str, str]]:
    """The groups of all its interfaces; one that mentions none has the group default."""
    names = [
        name
        for port in ports
        if port.port_security is not False and port.parent is None
        for name in (["default"] if port.security_groups is None else port.security_groups)
    ]
    return [{"name": name} for name in dict.fromkeys(names)]


def moment(value: datetime | None) -> str | None:
    """A time as the API tells it."""
    return value and value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _common(context: RequestContext, server: Server) -> dict[str, Any]:
    instance = server.instance
    return {
        "accessIPv4": server.extras["access_ip_v4"] or "",
        "accessIPv6": server.extras["access_ip_v6"] or "",
        "addresses": addresses(instance.ports),
        "created": moment(server.created_at),
        "flavor": _flavor(context, instance.flavor or {}),
        "hostId": host_id(instance.project_id, instance.host),
        "id": server.id,
        "image": _image(context, instance.image, boot_volume(instance.volumes)),
        "links": context.links("servers", server.id),
        "metadata": instance.metadata,
        "name": instance.name,
        "status": server.status,
        "tenant_id": instance.project_id,
        "user_id": instance.user_id or "",
        "updated": moment(server.updated_at),
        "OS-DCF:diskConfig": server.extras["disk_config"] or MANUAL,
    }


def _placed(server: Server) -> dict[str, Any]:
    return {
        "OS-EXT-AZ:availability_zone": server.zone or "",
        "config_drive": "True",  # every guest has one
        "key_name": server.extras["key_name"],
    }


def _states(server: Server) -> dict[str, Any]:
    instance = server.instance
    return {
        "OS-SRV-USG:launched_at": server.launched_at and server.launched_at.isoformat(),
        "OS-SRV-USG:terminated_at": server.deleted_at and server.deleted_at.isoformat(),
        "OS-EXT-SRV-ATTR:host": instance.host,
        "OS-EXT-SRV-ATTR:instance_name": instance.name,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": instance.host,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": instance.vm_state,
        "OS-EXT-STS:power_state": POWER_STATES.get(instance.power_state or "", 0),
    }


def _since(context: RequestContext, server: Server) -> dict[str, Any]:
    """What has come after the first version."""
    instance = server.instance
    group = instance.group and identity("server group", instance.group["name"], instance.project_id)
    return {
        "os-extended-volumes:volumes_attached": [_volume(context, volume) for volume in instance.volumes],
        "OS-EXT-SRV-ATTR:hostname": instance.name,
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:reservation_id": reservation_id(server.request_id),
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:user_data": None,  # the record has no more than its digest
        "locked": server.locked,
        "host_status": _host_status(server),
        "description": server.extras["description"],
        "tags": server.extras["tags"],
        "trusted_image_certificates": None,
        "server_groups": [group] if group else [],
        "locked_reason": server.extras["locked_reason"],
        "pinned_availability_zone": instance.availability_zone,
    }


def _host_status(server: Server) -> str:
    if not server.instance.host:
        return ""
    return "UNKNOWN" if server.silent else "UP"


def _flavor(context: RequestContext, flavor: Mapping[str, Any]) -> dict[str, Any]:
    name = flavor.get("name", "")
    if context.version < 47:
        return {"id": name, "links": [{"rel": "bookmark", "href": "/".join((context.base, "flavors", name))}]}
    return {
        "vcpus": flavor.get("vcpus", 0),
        "ram": flavor.get("ram", 0),
        "disk": flavor.get("disk", 0),
        "ephemeral": 0,
        "swap": 0,
        "original_name": name,
        "extra_specs": flavor.get("extra_specs") or {},
    }


def _image(context: RequestContext, image: Mapping[str, Any] | None, boot: BlockDeviceMapping | None) -> Any:
    """Its image, and nothing where it boots from a volume."""
    if not image or boot is not None:
        return ""
    known = definition_id("image", image["name"], image)
    return {"id": known, "links": [{"rel": "bookmark", "href": "/".join((context.base, "images", known))}]}


def _volume(context: RequestContext, volume: BlockDeviceMapping) -> dict[str, Any]:
    told = {"id": volume.public_id, "delete_on_termination": volume.delete_on_termination}
    return exact("volume of a server", told, context.version)
