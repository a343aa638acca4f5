# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A router as its definition says; pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from itertools import combinations
from typing import Any, Iterable, Mapping, NamedTuple

from ..core.errors import InvalidRequest
from ..core.names import checked_name
from ..network.addresses import checked_address, checked_host, checked_prefix
from ..network.definition import HOST, NONE, Network
from ..network.names import DEFAULT_PROJECT, Name, name_in


class Route(NamedTuple):
    """A way to other networks than the router's own."""

    destination: str
    nexthop: str


@dataclass(frozen=True)
class Router:
    """What takes packets from network to network, and out by an external one, where it has any.

    snat: guests leave with the router's address on the external network; external_ip is that one if it is asked for.
    IPv6 is routed and never translated; external_ipv6 is likewise the router's address there, which others route to.
    external_shared: the external network is the one of all projects. distributed: a floating IP is translated by the
    host of its port, where that host is on the external network (neutron's enable_distributed_floating_ip).
    """

    name: str
    external_network: str | None = None
    snat: bool = True
    external_ip: str | None = None
    routes: tuple[Route, ...] = ()
    external_shared: bool = False
    distributed: bool = False
    project_id: str = DEFAULT_PROJECT
    external_ipv6: str | None = None

    @property
    def full_name(self) -> Name:
        """What it is known by: it is its project's own."""
        return name_in(self.project_id, self.name)

    @property
    def external(self) -> Name | None:
        """What its external network is known by."""
        if self.external_network is None:
            return None
        return name_in(self.project_id, self.external_network, self.external_shared)

    def definition(self) -> str:
        """The definition as one text, from which read_router() makes the router again."""
        unset = (name for name in ("external_ipv6", "distributed") if not getattr(self, name))
        elsewhere = ("name", "project_id", *unset)
        return json.dumps({key: value for key, value in asdict(self).items() if key not in elsewhere}, sort_keys=True)


def read_router(name: str, project_id: str, definition: str) -> Router:
    """The router whose definition() this is."""
    fields = json.loads(definition)
    routes = tuple(Route(*route) for route in fields["routes"])
    return Router(name=name, project_id=project_id, **{**fields, "routes": routes})


def define_router(name: str, options: Mapping[str, Any]) -> Router:
    """The router of what is said of it, each value of its type; InvalidRequest if it makes no sense."""
    checked_name(name, "router")
    if name in (HOST, NONE):
        raise InvalidRequest("a network's router: %s has a meaning of its own: give the router another name" % name)
    external = options.get("external_network")
    if external is not None:
        checked_name(external, "network")
    for what in ("snat", "external_ip", "external_ipv6", "distributed"):
        if external is None and options.get(what):
            raise InvalidRequest("%s needs an external_network, by which packets leave" % what)
    external_ip, external_ipv6 = options.get("external_ip"), options.get("external_ipv6")
    routes = tuple(sorted({_route(route) for route in options.get("routes", ())}))
    return Router(
        name=name,
        external_network=external,
        snat=options.get("snat", external is not None),
        external_ip=external_ip and str(checked_address(external_ip, "external_ip")),
        external_ipv6=external_ipv6 and str(checked_address(external_ipv6, "external_ipv6")),
        routes=routes,
        distributed=options.get("distributed", False),
    )


def _route(route: Mapping[str, str]) -> Route:
    """A route, as neutron writes it."""
    destination = checked_prefix(route["destination"], "routes: destination")
    nexthop = checked_address(route["nexthop"], "routes: nexthop")
    if destination.version != nexthop.version:
        raise InvalidRequest("routes: %s by %s: both are of IPv4, or of IPv6" % (destination, nexthop))
    return Route(str(destination), str(nexthop))


def check_together(networks: Iterable[Network]) -> None:
    """InvalidRequest if a router would not know to which of these networks an address belongs."""
    for one, other in combinations(sorted(networks, key=lambda network: network.name), 2):
        for what in ("cidr", "ipv6_cidr"):
            mine, theirs = getattr(one, what), getattr(other, what)
            if mine and theirs and ip_network(mine).overlaps(ip_network(theirs)):
                raise InvalidRequest(
                    "its networks %s (%s) and %s (%s) have addresses in common, which it could not tell apart: give "
                    "one of them another %s, or another router" % (one.name, mine, other.name, theirs, what)
                )


def check_external_network(network: Network) -> None:
    """InvalidRequest unless a router can go out by this network."""
    if not network.physical_network:
        raise InvalidRequest("external_network %s has no physical_network, so nothing outside is on it" % network.name)
    if network.router != NONE:
        raise InvalidRequest(
            "external_network %s has router: %s itself, which only a network behind a router has"
            % (network.name, network.router)
        )


def check_external_ip(network: Network, address: str, what: str) -> None:
    """InvalidRequest unless something of ours may have this address on an external network.

    Outside of the allocation pool it may be that of a machine that OVN does not know.
    """
    if network.cidr is None:
        raise InvalidRequest("%s %s is IPv4, and network %s has no cidr" % (what, address, network.name))
    host = checked_host(ip_network(network.cidr), address, what)
    ends = [checked_host(ip_network(network.cidr), end, "allocation_pool") for end in (network.first, network.last)]
    if not ends[0] <= host <= ends[1]:
        raise InvalidRequest(
            "%s %s is outside of the allocation_pool of network %s, %s to %s"
            % (what, address, network.name, network.first, network.last)
        )
    if address in (network.gateway, network.server):
        raise InvalidRequest("%s %s is the gateway of network %s" % (what, address, network.name))


def check_external_ipv6(network: Network, address: str | None) -> None:
    """InvalidRequest unless a router may have this IPv6 address on an external network; None: one that we choose.

    On IPv6 alone it is to be said: what we choose follows from the IPv4 address, which no other router on the wire has.
    """
    if address is None:
        if network.cidr is None:
            raise InvalidRequest(
                "external_network %s is of IPv6 alone: say the router's address there, an external_ipv6 in %s that no "
                "other machine has" % (network.name, network.ipv6_cidr)
            )
        return
    if network.ipv6_cidr is None:
        raise InvalidRequest("external_ipv6 %s: external_network %s has no ipv6_cidr" % (address, network.name))
    host, cidr = checked_address(address, "external_ipv6"), ip_network(network.ipv6_cidr)
    if host not in cidr or host == cidr[0]:
        raise InvalidRequest("external_ipv6 %s is no machine's in %s of network %s" % (host, cidr, network.name))
    if address == network.ipv6_gateway:
        raise InvalidRequest("external_ipv6 %s is the ipv6_gateway of network %s" % (address, network.name))
