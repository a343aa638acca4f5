# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers as rows of the OVN northbound, as neutron has them. Pure."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any, Dict

from ...network.addresses import is_link_local
from ...network.definition import Network
from ...network.ovn.rows import mark, project_ids, switch_name
from ..model import Item
from ..names import router_port
from .marks import EXTERNAL, JOINS, OF_ROUTER, PLUG, router_name

OPTIONS = {"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"}
# A row, by column.
Columns = Dict[str, Any]


def router_columns(item: Item) -> Columns:
    """The logical router."""
    return {"options": OPTIONS, "external_ids": router_ids(item)}


def router_ids(item: Item) -> dict[str, str]:
    """What a logical router says of the router that it is."""
    router = item.definition
    known = {
        mark("router"): router.name,
        mark("definition"): router.definition(),
        mark("keep"): json.dumps(item.keep),
        **project_ids(router.project_id),
    }
    if item.external is not None:
        known[mark(EXTERNAL)] = switch_name(item.external.full_name)
    return {**known, **({mark("record"): item.record_id} if item.record_id else {})}


def part_ids(item: Item, network: Network | None = None) -> dict[str, str]:
    """What a row says that is of a router, or of a network on it."""
    known = {mark(OF_ROUTER): router_name(item.definition.full_name), mark("router"): item.name}
    return {**known, mark(JOINS): switch_name(network.full_name)} if network else known


def router_ports(item: Item) -> dict[str, Columns]:
    """The ports of the logical router by name: the gateway of each network, and the way out."""
    ports = {lrp_name(item, network): _inner_port(item, network) for network in item.networks}
    if item.external is not None:
        ports[lrp_name(item, item.external)] = _outer_port(item, item.external)
    return ports


def switch_ports(item: Item) -> dict[str, Columns]:
    """What leads to these on the networks' switches, by name."""
    known = {lsp_name(item, network): _switch_port(item, network) for network in item.networks}
    if item.external is not None:
        # A gateway that takes over tells the wire where the addresses are now.
        outer = _switch_port(item, item.external)
        outer["options"].update({"nat-addresses": "router", "exclude-lb-vips-from-garp": "true"})
        outer["external_ids"][mark(EXTERNAL)] = "true"
        known[lsp_name(item, item.external)] = outer
    return known


def lsp_name(item: Item, network: Network) -> str:
    """The port on the network's switch."""
    return router_port(item.definition.full_name, network.full_name)


def lrp_name(item: Item, network: Network) -> str:
    """The router's own port there."""
    return "lrp-" + lsp_name(item, network)


def source_nats(item: Item) -> list[Columns]:
    """What guests leave with: the router's address."""
    if item.external_ip is None or not item.definition.snat:
        return []
    return [
        {
            "type": "snat",
            "logical_ip": network.cidr,
            "external_ip": item.external_ip,
            "external_ids": part_ids(item, network),
        }
        for network in item.networks
        if network.cidr
    ]


def static_routes(item: Item) -> list[Columns]:
    """The routes that are asked for, and the way out. An address of a link is on any: the port says which is meant."""
    routes = [(route.destination, route.nexthop) for route in item.definition.routes]
    outer = item.external
    for to, by in (("0.0.0.0/0", outer and outer.gateway), ("::/0", outer and outer.ipv6_gateway)):
        if by and to not in dict(routes):
            routes.append((to, by))
    return [
        {
            "ip_prefix": to,
            "nexthop": by,
            "output_port": [lrp_name(item, outer)] if outer and is_link_local(by) else [],
            "external_ids": part_ids(item),
        }
        for to, by in routes
    ]


def chassis(item: Item) -> list[tuple[str, int]]:
    """The hosts that are gateways with their priorities; the first has the highest."""
    return [(host, len(item.gateways) - place) for place, host in enumerate(item.gateways)]


def _inner_port(item: Item, network: Network) -> Columns:
    """A network's gateway. Its MAC address is the one that hosts have as gateways, so guests need not learn another."""
    addresses = [_interface(network.gateway, network.cidr)] if network.cidr else []
    announced: dict[str, str] = {}
    if network.ipv6_cidr:
        addresses.append(_interface(network.ipv6_gateway, network.ipv6_cidr))
        announced = {"address_mode": "slaac", "send_periodic": "true", "mtu": str(network.mtu)}
        servers = [server for server in network.dns if ":" in server]
        announced.update({"rdnss": servers[0]} if servers else {})
        announced.update({"dnssl": network.domain} if network.domain else {})
    return {
        "mac": network.server_mac,
        "networks": sorted(addresses),
        "options": {},
        "ipv6_ra_configs": announced,
        "external_ids": part_ids(item, network),
    }


def _outer_port(item: Item, external: Network) -> Columns:
    """The way out. It announces nothing there: the wire has a router."""
    sides = ((item.external_ip, external.cidr), (item.external_ipv6, external.ipv6_cidr))
    return {
        "mac": item.external_mac,
        "networks": sorted(_interface(address, str(cidr)) for address, cidr in sides if address),
        "options": {"gateway_mtu": str(item.mtu)},
        "ipv6_ra_configs": {},
        "external_ids": {**part_ids(item, external), mark(EXTERNAL): "true"},
    }


def _switch_port(item: Item, network: Network) -> Columns:
    return {
        "type": "router",
        "enabled": [],
        "addresses": ["router"],
        "options": {"router-port": lrp_name(item, network)},
        "external_ids": {**part_ids(item, network), mark(PLUG): "true"},
    }


def _interface(address: str | None, cidr: str | None) -> str:
    return "%s/%d" % (address, ip_network(str(cidr)).prefixlen)
