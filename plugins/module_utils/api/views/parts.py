# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server has, and other small things, as each microversion tells them; pure."""

from __future__ import annotations

from typing import Any, Mapping

from ...instance.attachments import BlockDeviceMapping, NetworkRequest
from ..asked import Asked
from ..identifiers import definition_id, host_id, identity
from ..model import Server
from ..versions import exact


def action(asked: Asked, server: Server, told: Mapping[str, Any]) -> dict[str, Any]:
    """An action, as record/events.py tells it."""
    latest = max([told["start_time"], *filter(None, [told["finish_time"]])])
    view = {
        "action": told["action"],
        "instance_uuid": server.id,
        "request_id": told["request_id"],
        "user_id": told["user_id"],
        "project_id": server.instance.project_id,
        "start_time": _stamp(told["start_time"]),
        "message": "Error" if told["result"] == "Error" else None,
        "updated_at": _stamp(latest),
    }
    return exact("action", view, asked.version)


def event(asked: Asked, told: Mapping[str, Any]) -> dict[str, Any]:
    """An event within an action. What went wrong in detail is for administrators."""
    view = {
        "event": told["event"],
        "start_time": _stamp(told["start_time"]),
        "finish_time": told["finish_time"] and _stamp(told["finish_time"]),
        "result": told["result"],
        "traceback": told["details"],
        "host": told["host"],
        "hostId": host_id(asked.project_id, told["host"]),
        "details": told["message"],
    }
    if not asked.identity.is_admin:
        del view["traceback"], view["host"]
    return exact("event", view, asked.version)


def _stamp(text: str) -> str:
    """A time with microseconds and without a zone, as nova has it there."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    return "%s.%s" % (whole, (fraction or "0").ljust(6, "0"))


def attachment(asked: Asked, server: Server, volume: BlockDeviceMapping) -> dict[str, Any]:
    """A volume of a server."""
    known = volume.volume_id or volume.id
    told = {
        "id": known,
        "volumeId": known,
        "serverId": server.id,
        "device": "/dev/%s" % volume.device if volume.device else None,
        "tag": None,
        "delete_on_termination": volume.delete_on_termination,
        "attachment_id": volume.attachment_id or volume.id,  # nobody else knows of a local one
        "bdm_uuid": volume.id,
    }
    return exact("attachment", told, asked.version)


def interface(asked: Asked, port: NetworkRequest, networks: Mapping[str, Any]) -> dict[str, Any]:
    """A port of a server. The addresses of a network here are of one subnet, which has the network's id."""
    network = port.network and definition_id("network", port.network, networks.get(port.network))
    addresses = [*(port.fixed_ips or [port.fixed_ip]), (port.network_info or {}).get("ipv6_address")]
    told = {
        "port_state": "ACTIVE" if port.mac_address else "BUILD",
        "fixed_ips": [{"subnet_id": network, "ip_address": each} for each in addresses if each],
        "port_id": port_id(port),
        "net_id": network,
        "mac_addr": port.mac_address,
        "tag": None,
    }
    return exact("interface", told, asked.version)


def port_id(port: NetworkRequest) -> str | None:
    """What the network service calls it, or until it has made it the record."""
    return (port.network_info or {}).get("port_id") or port.id


def keypair(asked: Asked, key: Mapping[str, Any], user_id: str, whole: bool = False) -> dict[str, Any]:
    """A public key of a user; whole: as it is shown alone."""
    told = {name: key[name] for name in ("name", "public_key", "fingerprint", "type")}
    if whole:
        told.update(
            user_id=user_id,
            id=key["id"],
            created_at=key["created_at"].isoformat(),
            deleted=False,
            deleted_at=None,
            updated_at=None,
        )
    return exact("keypair", told, asked.version)


def server_group(
    asked: Asked, name: str, rules: Mapping[str, Any], members: list[str], user_id: str | None
) -> dict[str, Any]:
    """A server group of the project."""
    most = rules.get("max_server_per_host")
    told = {
        "id": identity("server group", name, asked.project_id),
        "name": name,
        "policies": [rules["policy"]],
        "members": members,
        "metadata": {},
        "project_id": asked.project_id,
        "user_id": user_id or "",
        "policy": rules["policy"],
        "rules": {"max_server_per_host": most} if most else {},
    }
    return exact("server group", told, asked.version)
