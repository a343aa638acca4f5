# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which routers are asked for, and how they are defined."""

from __future__ import annotations

from typing import Any, Mapping

from ..core.carry import items, parts_of
from ..core.convert import mapping, sequence, text
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from ..core.specs import REQUIRED
from ..network.definition import HOST, NONE
from ..network.names import DEFAULT_PROJECT
from ..network.request import Definitions, definitions
from .model import Request

# An item, as an argument spec has it.
WANTED = {
    "name": REQUIRED,
    "keep": {"type": "bool", "default": True},
    "record_id": {"type": "str"},
    "project_id": {"type": "str"},
}


def parse(params: Mapping[str, Any]) -> list[Request]:
    """The routers that are asked for; if none are named, all that are defined."""
    present = params.get("state", "present") == "present"
    defined, gateways = definitions(params), hosts_of(params.get("gateways"))
    asked = params.get("wanted")
    if asked is None:
        asked = [{"name": name} for name in defined.routers]
    requests = [_request(each, params.get("project_id"), defined, gateways, present) for each in asked]
    keys = [request.key for request in requests]
    repeated = sorted({each.name for each in requests if keys.count(each.key) > 1})
    if repeated:
        raise InvalidRequest("asked for several times: %s" % ", ".join(repeated))
    return requests


def items_of(document: Mapping[str, Any], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The routers of the networks that an instance's ports are on."""
    return wanted_for(items([document], parts_of("port")), params.get("networks") or {})


def wanted_for(ports: Any, networks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The option `wanted` for a launch of these ports: routers that go with the last of their networks."""
    asked = {}
    for port in ports:
        router = router_of(networks.get(str(port.get("network"))))
        if router is not None:
            common = {"keep": False, **{key: port.get(key) for key in ("record_id", "project_id")}}
            asked.setdefault((router, common["project_id"]), {"name": router, **common})
    return list(asked.values())


def router_of(options: Any) -> str | None:
    """The name of the router that a network's definition, as the user wrote it, puts it on."""
    router = options.get("router") if isinstance(options, dict) else None
    return router if isinstance(router, str) and router.strip() not in ("", HOST, NONE) else None


def hosts_of(gateways: Any) -> dict[str, tuple[str, ...]]:
    """The hosts on each physical network."""
    return {
        text(name, "gateways"): tuple(
            text(host, "gateways: %s" % name) for host in sequence(hosts, "gateways: %s" % name)
        )
        for name, hosts in mapping(gateways or {}, "gateways").items()
    }


def _request(
    asked: Mapping[str, Any], project_id: str | None, defined: Definitions, gateways: Mapping, present: bool
) -> Request:
    """One router that is asked for; what is to go needs no definition."""
    name = asked["name"]
    known = {
        "keep": asked.get("keep") is None or asked["keep"],
        "record_id": asked.get("record_id") or None,
        "project_id": asked.get("project_id") or project_id or DEFAULT_PROJECT,
    }
    try:
        checked_name(name, "router")
        definition = defined.router(name, known["project_id"]) if present else None
    except InvalidRequest as error:
        return Request(name, fault=error, **known)
    return Request(name, definition, gateways=gateways, definitions=defined, **known)
