# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which gateways instances use, every value checked; pure."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any, Mapping

from ..core.convert import shown
from ..core.documents import Document, goes_on, is_deleting
from ..core.errors import InvalidRequest
from ..core.request import parse_all
from ..core.specs import REQUIRED
from ..network.addresses import checked_address, checked_mac
from .model import Gateway, Use

# An item, as an argument spec has it.
OPTIONS = {
    "instance_uuid": REQUIRED,
    "name": {"type": "str"},
    "gateways": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            **dict.fromkeys(("port", "mac", "network"), REQUIRED),
            "address": {"type": "str"},
            "mtu": {"type": "int", "default": 1442},
            "domain": {"type": "str"},
            "ipv6_address": {"type": "str"},
            "rdnss": {"type": "list", "elements": "str"},
        },
    },
}


def parse(params: Mapping[str, Any]) -> list[Any]:
    """What each instance uses."""
    return parse_all(params["gateways"], _use)


def items_of(document: Document, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an instance uses: the gateways of its ports that stay, none once it goes.

    One that was launched may have used others before, of which the ports that it loses do not tell.
    """
    going, ports = is_deleting(document), document.get("ports") or ()
    used = [_of_port(port) for port in ports if port.get("gateway_port") and not port.get("leaving")]
    concerned = going or used or document.get("launched")
    if not goes_on(document) or going != (params["state"] == "absent") or not concerned:
        return []
    return [{"instance_uuid": document["uuid"], "name": document.get("name"), "gateways": used}]


def _of_port(port: Mapping[str, Any]) -> dict[str, Any]:
    """The gateway of a port's network."""
    return {
        "port": port["gateway_port"],
        "mac": port["gateway_mac"],
        "address": "%s/%s" % (port["gateway"], port["cidr"].partition("/")[2]) if port.get("gateway") else None,
        **_announced(port),
        **{key: port.get(key) for key in ("network", "mtu", "domain")},
    }


def _announced(port: Mapping[str, Any]) -> dict[str, Any]:
    """What a gateway is of IPv6, where the port's network has any."""
    if not port.get("ipv6_gateway"):
        return {}
    servers = [server for server in port.get("dns") or () if ":" in server]
    return {"ipv6_address": "%s/%s" % (port["ipv6_gateway"], port["ipv6_cidr"].partition("/")[2]), "rdnss": servers}


def _use(entry: Mapping[str, Any]) -> Use:
    gateways = {each["port"]: _gateway(each) for each in entry.get("gateways") or ()}
    return Use(entry["instance_uuid"], tuple(gateways.values()), entry.get("name"))


def _gateway(asked: Mapping[str, Any]) -> Gateway:
    known = {key: asked.get(key) for key in ("port", "network", "mtu", "domain")}
    if not asked.get("address") and not asked.get("ipv6_address"):
        raise InvalidRequest("the gateway of network %s has neither address nor ipv6_address" % known["network"])
    return Gateway(
        mac=checked_mac(asked["mac"], "mac"),
        address=str(_interface(asked["address"], "address")) if asked.get("address") else None,
        ipv6_address=_ipv6_address(asked["ipv6_address"]) if asked.get("ipv6_address") else None,
        rdnss=tuple(_server(server) for server in asked.get("rdnss") or ()),
        **known,
    )


def _ipv6_address(text: str) -> str:
    """The address of a router of a /64, in which guests make their own addresses."""
    found = _interface(text, "ipv6_address")
    if found.version != 6 or found.network.prefixlen != 64:
        raise InvalidRequest("ipv6_address %s is not one in an IPv6 /64" % found)
    return str(found)


def _server(text: str) -> str:
    server = checked_address(text, "rdnss")
    if server.version != 6:
        raise InvalidRequest("rdnss %s is not an IPv6 address" % server)
    return str(server)


def _interface(text: str, what: str) -> Any:
    """An address with its prefix length."""
    try:
        if "%" in text:
            raise ValueError
        return ip_interface(text)
    except ValueError as error:
        raise InvalidRequest("%s %s is not one with a prefix length" % (what, shown(text))) from error
