# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server has, and other small things, as each microversion tells them; pure."""

from __future__ import annotations

from typing import Any, Mapping

from ...instance.attachments import BlockDeviceMapping, NetworkRequest
from ...network.addresses import derived_mac
from ...port.neutron.names import is_id
from ..context import RequestContext
from ..identifiers import definition_id, host_id, identity
from ..model import Server
from ..policies import EVENT_DETAILS, EVENTS
from ..versions import exact


def action(context: RequestContext, server: Server, told: Mapping[str, Any]) -> dict[str, Any]:
    """An action, as record/events.py tells it."""
    view = {
        "action": told["action"],
        "instance_uuid": server.id,
        "request_id": told["request_id"],
        "user_id": told["user_id"],
        "project_id": server.instance.project_id,
        "start_time": _stamp(told["start_time"]),
        "message": "Error" if told["result"] == "Error" else None,
        "updated_at": _stamp(told["finish_time"] or told["start_time"]),
    }
    return exact("action", view, context.version)


def event(context: RequestContext, server: Server, told: Mapping[str, Any]) -> dict[str, Any]:
    """An event within an action. What went wrong in detail is for administrators."""
    view = {
        "event": told["event"],
        "start_time": _stamp(told["start_time"]),
        "finish_time": told["finish_time"] and _stamp(told["finish_time"]),
        "result": told["result"],
        "traceback": told["details"],
        "host": told["host"],
        "hostId": host_id(server.instance.project_id, told["host"]),
        "details": told["message"],
    }
    if not context.identity.may(EVENTS):
        del view["traceback"], view["host"]
    if not context.identity.may(EVENT_DETAILS):
        del view["details"]
    return exact("event", view, context.version)


def _stamp(text: str) -> str:
    """A time with microseconds and without a zone, as nova has it there."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    return "%s.%s" % (whole, (fraction or "0").ljust(6, "0"))


def attachment(context: RequestContext, server: Server, volume: BlockDeviceMapping) -> dict[str, Any]:
    """A volume of a server."""
    told = {
        "id": volume.public_id,
        "volumeId": volume.public_id,
        "serverId": server.id,
        "device": "/dev/%s" % volume.device if volume.device else None,
        "tag": None,
        "delete_on_termination": volume.delete_on_termination,
        "attachment_id": volume.attachment_id or volume.id,  # nobody else knows of a local one
        "bdm_uuid": volume.id,
    }
    return exact("attachment", told, context.version)


def interface(context: RequestContext, port: NetworkRequest, networks: Mapping[str, Any]) -> dict[str, Any]:
    """A port of a server. The addresses of a network of the settings are of one subnet, which has the network's id.

    The MAC address of a port that is still to be made follows from its id, on networks of the settings.
    """
    info = port.network_info or {}
    network = info.get("network_id") or (port.network and _network_id(port.network, networks))
    addresses = [*(port.fixed_ips or [port.fixed_ip]), info.get("ipv6_address")]
    subnet = info.get("subnet_id") or network
    told = {
        "port_state": "ACTIVE" if port.mac_address and not port.leaving else "BUILD",
        "fixed_ips": [{"subnet_id": subnet, "ip_address": each} for each in dict.fromkeys(addresses) if each],
        "port_id": port.public_id,
        "net_id": network,
        "mac_addr": port.mac_address or (derived_mac(port.id or "") if port.network in networks else None),
        "tag": None,
    }
    return exact("interface", told, context.version)


def _network_id(asked: str, networks: Mapping[str, Any]) -> str:
    """The id of a network of the settings; another was asked for by its id."""
    return asked if is_id(asked) and asked not in networks else definition_id("network", asked, networks.get(asked))


def keypair(context: RequestContext, key: Mapping[str, Any], user_id: str, whole: bool = False) -> dict[str, Any]:
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
    return exact("keypair", told, context.version)


def server_group(context: RequestContext, group: Mapping[str, Any], members: list[str]) -> dict[str, Any]:
    """A server group of a project: its rules, whose it is, and the servers in it."""
    most = group.get("max_server_per_host")
    told = {
        "id": identity("server group", group["name"], group["project_id"]),
        "name": group["name"],
        "policies": [group["policy"]],
        "members": members,
        "metadata": {},
        "project_id": group["project_id"],
        "user_id": group["user_id"] or "",
        "policy": group["policy"],
        "rules": {"max_server_per_host": most} if most else {},
    }
    return exact("server group", told, context.version)
