# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which gateways instances use, every value checked; pure."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any, Mapping

from ..core.convert import shown
from ..core.errors import InvalidRequest
from ..core.request import parse_all
from ..core.specs import REQUIRED
from ..network.addresses import checked_mac
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
            **dict.fromkeys(("port", "mac", "network", "address"), REQUIRED),
            "mtu": {"type": "int", "default": 1442},
            "domain": {"type": "str"},
        },
    },
}


def parse(params: Mapping[str, Any]) -> list[Any]:
    """What each instance uses."""
    return parse_all(params["gateways"], _use)


def _use(entry: Mapping[str, Any]) -> Use:
    gateways = {each["port"]: _gateway(each) for each in entry.get("gateways") or ()}
    return Use(entry["instance_uuid"], tuple(gateways.values()), entry.get("name"))


def _gateway(asked: Mapping[str, Any]) -> Gateway:
    try:
        address = str(ip_interface(asked["address"]))
    except ValueError as error:
        raise InvalidRequest("address %s is not one with a prefix length" % shown(asked["address"])) from error
    known = {key: asked.get(key) for key in ("port", "network", "mtu", "domain")}
    return Gateway(mac=checked_mac(asked["mac"], "mac"), address=address, **known)
