# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a router is, and every rule about how it comes to be, changes and goes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any, Mapping

from ..core.change import Change, pair
from ..core.diff import line
from ..core.errors import Conflict, InvalidRequest, LaunchError, NotFound
from ..network.definition import Network
from ..network.model import DRIFT
from ..network.names import DEFAULT_PROJECT, Name, name_in
from ..network.request import Definitions
from . import outside
from .definition import Router, check_external_network, check_together
from .names import router_port

# So many hosts may be a router's gateway, one at a time: neutron's MAX_GW_CHASSIS.
GATEWAYS = 5


@dataclass(frozen=True)
class Item:
    """A router as it is or is to be.

    One that is not kept goes with the last network that is on it. external_ip and external_ipv6 are its addresses on
    the external network, gateways the hosts that may be the way there, the best first; record_id is the record of
    instances that it was first made for.
    """

    definition: Router
    networks: tuple[Network, ...] = ()
    external: Network | None = None
    external_ip: str | None = None
    external_ipv6: str | None = None
    gateways: tuple[str, ...] = ()
    keep: bool = True
    record_id: str | None = None
    in_sync: bool = True

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def external_mac(self) -> str:
        """That of the way out. Two routers on one wire have not one address, so not one of these, whoever made them."""
        return outside.external_mac(self.external_ip or self.external_ipv6)

    @property
    def mtu(self) -> int | None:
        """What passes to all its networks: a longer packet from outside is answered, and not lost (RFC 1191)."""
        sides = [*self.networks, *filter(None, [self.external])]
        return min((network.mtu for network in sides), default=None)

    def to_result(self) -> dict[str, Any]:
        """The router as the user gets it."""
        return {
            **described(self.definition),
            "external_ip": self.external_ip,
            "external_ipv6": self.external_ipv6,
            "networks": [network.name for network in self.networks],
            "gateways": list(self.gateways),
            "keep": self.keep,
            "record_id": self.record_id,
        }

    def as_text(self) -> str:
        """The router for a diff."""
        shown = {**self.to_result(), **({} if self.in_sync else {DRIFT: True})}
        return json.dumps(shown, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Request:
    """A router that is asked for. Without a definition it is one that is there.

    gateways are the hosts that are on each physical network. `fault` says why it makes no sense.
    """

    name: str
    definition: Router | None = None
    keep: bool = True
    record_id: str | None = None
    project_id: str = DEFAULT_PROJECT
    gateways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    definitions: Definitions = field(default=Definitions(), repr=False, compare=False)
    fault: LaunchError | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return self.full_name.name if self.project_id == DEFAULT_PROJECT else "/".join(self.full_name)

    @property
    def full_name(self) -> Name:
        """What it is known by."""
        return name_in(self.project_id, self.name)

    def to_result(self) -> dict[str, Any]:
        """What is known of a router that was not made."""
        known = {name: getattr(self, name) for name in ("name", "keep", "record_id", "project_id")}
        return {**known, **(described(self.definition) if self.definition else {})}


@dataclass(frozen=True)
class Current:
    """What is there. A LaunchError stands for what is not ours to touch.

    routers are by key; joined are the networks that name a router as theirs, by its full name; networks are those that
    there are; held maps an external network to its addresses in use, and each to what has it; floating counts the
    floating IPs of a router, where that matters.
    """

    routers: Mapping[str, Any] = field(default_factory=dict)
    joined: Mapping[Name, tuple[Network, ...]] = field(default_factory=dict)
    networks: Mapping[Name, Any] = field(default_factory=dict)
    held: Mapping[Name, Mapping[str, str]] = field(default_factory=dict)
    floating: Mapping[str, int] = field(default_factory=dict)


def described(router: Router) -> dict[str, Any]:
    """The fields of a result that a definition tells."""
    names = ("name", "project_id", "external_network", "snat", "external_ip", "external_ipv6", "distributed")
    return {**{name: getattr(router, name) for name in names}, "routes": [route._asdict() for route in router.routes]}


def as_text(item: Item, whole: bool) -> str:
    """What a diff shows of a router."""
    if whole:
        return item.as_text()
    fields = item.to_result()
    shown = ("external_network", "external_ip", "external_ipv6", "snat", "routes", "networks", "gateways")
    drift = {} if item.in_sync else {"drift": DRIFT}
    unusual = {"distributed": fields["distributed"] or None}
    return line("router %s" % item.name, {**{name: fields[name] for name in shown}, **unusual, **drift})


def plan(wanted: list[Request], current: Current, state: str) -> list[Change]:
    """Pair every router that is asked for with the one that exists, and give the new ones their addresses."""
    held = {name: dict(words) for name, words in current.held.items()}
    for request in wanted:
        _reserve(request, held)

    def after(request: Request, before: Item | None) -> Item | None:
        return _resolve(request, before, current, held) if state == "present" else _gone(request, before, current)

    return [pair(request, request.fault or current.routers.get(request.key), after) for request in wanted]


def external_of(router: Router, networks: Mapping[Name, Any], definitions: Definitions) -> Network | None:
    """The router's external network: as it is there, else as it is defined; None if the router has none."""
    if router.external is None:
        return None
    network = networks.get(router.external)
    if isinstance(network, LaunchError):
        raise network
    network = network or definitions.network(router.external_network)
    if network is None:
        raise NotFound(
            "external_network %s is neither defined nor there: define it, with a physical_network"
            % router.external_network
        )
    check_external_network(network)
    return replace(network, in_sync=True)


def _reserve(request: Request, held: dict[Name, dict[str, str]]) -> None:
    """An address that a router asks for is given to no other."""
    router = request.definition
    for asked in (router.external_ip, router.external_ipv6) if router and request.fault is None else ():
        if asked:
            held.setdefault(router.external, {}).setdefault(asked, router_port(request.full_name, router.external))


def _resolve(request: Request, before: Item | None, current: Current, held: dict[Name, dict[str, str]]) -> Item:
    """The router as it is to be."""
    router = request.definition or (before and before.definition)
    if router is None:
        raise NotFound("router %s is neither defined nor there: define it" % request.name)
    external = external_of(router, current.networks, request.definitions)
    networks = current.joined.get(request.full_name, ())
    check_together([*networks, *filter(None, [external])])
    _check_routes(router, [*networks, *filter(None, [external])], request.definitions)
    if before is not None and before.definition.external != router.external and current.floating.get(request.key):
        raise Conflict(
            "it cannot leave external_network %s, where instances have %d floating IPs: take these from them first"
            % (before.definition.external_network, current.floating[request.key])
        )
    given = outside.give(router, external, before, held, request.full_name) if external else outside.NOWHERE
    return Item(
        definition=router,
        networks=networks,
        external=external,
        external_ip=given.external_ip,
        external_ipv6=given.external_ipv6,
        gateways=_gateways(request, external) if external else (),
        keep=request.keep or bool(before and before.keep),
        record_id=(before and before.record_id) or request.record_id,
    )


def _gateways(request: Request, external: Network) -> tuple[str, ...]:
    """The hosts that can be the way out."""
    hosts = tuple(request.gateways.get(str(external.physical_network), ()))[:GATEWAYS]
    if not hosts:
        raise InvalidRequest(
            "no compute host is on physical_network %s of its external_network %s: say the interfaces that are, "
            "compute_host_bridge_mappings in the inventory, and prepare these hosts"
            % (external.physical_network, external.name)
        )
    return hosts


def _check_routes(router: Router, networks: list[Network], definitions: Definitions) -> None:
    """InvalidRequest if a route leads to where the router is not, nor will be."""
    defined = (each for each in definitions.networks.values() if isinstance(each, Network))
    reached = [*networks, *(each for each in defined if each.router == router.name)]
    for route in router.routes:
        if not any(ip_address(route.nexthop) in ip_network(cidr) for network in reached for cidr in network.cidrs):
            raise InvalidRequest(
                "routes: nexthop %s is on none of its networks (%s)"
                % (route.nexthop, ", ".join(sorted({cidr for each in reached for cidr in each.cidrs})) or "it has none")
            )


def _gone(request: Request, before: Item | None, current: Current) -> None:
    """What remains of the router: nothing; or a Conflict if a network is on it."""
    networks = current.joined.get(request.full_name, ()) if before else ()
    if networks:
        names = ", ".join(network.name for network in networks)
        raise Conflict("router %s is that of networks, %s: remove them first" % (request.name, names))
