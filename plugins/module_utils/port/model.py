# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a port is, and every rule about how it comes to be and may change (the seed's steps 10 to 13)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Mapping

from ..core.change import Change, first, pair
from ..core.errors import Conflict, InvalidRequest, LaunchError, NotFound
from ..network.definition import Network
from ..network.fixed_ips import check_first_ip, check_fixed_ip
from ..network.model import DRIFT
from ..network.names import DEFAULT_PROJECT, Name, name_in
from .floating import Floating, gives_up, resolve_floating
from .item import Pair, Request, allowed_pairs, called, definition, result
from .pool import AddressPool
from .qos import Limit

# What a port keeps of itself where nothing is said.
KEPT = ("host", "parent", "vlan", "record_id", "dns_name")


class NotMade(NotFound):
    """A port's network or group is defined and not made, or went a moment ago with its last port: try again."""

    abort = False


@dataclass(frozen=True)
class Port:
    """A port as it is or is to be, and its groups by name. fixed_ip is what DHCP gives it, further_ips are beside it.

    Both are IPv4. The guest gives itself its IPv6 address, where its network has any: it is nobody's to choose. On a
    network of IPv6 alone that one is its fixed_ip. parent is the port whose sub-port it is, vlan its tag there.
    `in_sync` is false when what the backend holds is not what it would write.
    """

    id: str
    name: str
    instance_uuid: str
    network: Network
    host: str | None
    mac_address: str | None
    fixed_ip: str | None
    security_groups: tuple[str, ...]
    port_security: bool
    record_id: str | None = None
    dns_name: str | None = None
    further_ips: tuple[str, ...] = ()
    allowed_address_pairs: tuple[Pair, ...] = ()
    qos: tuple[Limit, ...] = ()
    floating: Floating | None = None
    parent: str | None = None
    vlan: int | None = None
    project_id: str = DEFAULT_PROJECT
    up: bool = False
    in_sync: bool = True

    @property
    def key(self) -> str:
        return self.id

    @property
    def fixed_ips(self) -> tuple[str, ...]:
        """All its addresses, the IPv4 ones first."""
        return tuple(dict.fromkeys(filter(None, (self.fixed_ip, *self.further_ips, self.ipv6_address))))

    @property
    def ipv6_address(self) -> str | None:
        """The address that its guest gives itself, where its network has IPv6."""
        return self.network.slaac_ip(self.mac_address)

    @property
    def full_groups(self) -> set[Name]:
        """What its groups are known by: they are its project's."""
        return {name_in(self.project_id, group) for group in self.security_groups}

    def to_result(self) -> dict[str, Any]:
        """The port as the later stages and the user get it."""
        return result(
            self,
            network=self.network.name,
            port_id=self.id,
            status="ACTIVE" if self.up else "DOWN",
            up=self.up,
            ipv6_address=self.ipv6_address,
            **dict.fromkeys(("floating_ip", "floating_ip_address"), self.floating and self.floating.address),
            floating_ip_mac=self.floating and self.floating.mac_address,
            **definition(self.network),
        )

    def as_text(self) -> str:
        """The port for a diff."""
        shown = {key: value for key, value in self.to_result().items() if key not in ("up", "status")}
        if not self.in_sync:
            shown[DRIFT] = True
        return json.dumps(shown, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Current:
    """What is there, as far as a request is concerned. A LaunchError stands for what is not ours to touch.

    networks are by full name, and so are the definitions of the routers that they are on; groups has True for one that
    is there. held maps a network's full name to its addresses and MAC addresses in use, and each to who has it. left
    are the floating IPs of ports that somebody removed.
    """

    ports: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[Name, Any] = field(default_factory=dict)
    groups: Mapping[Name, Any] = field(default_factory=dict)
    held: Mapping[Name, Mapping[str, str]] = field(default_factory=dict)
    routers: Mapping[Name, Any] = field(default_factory=dict)
    left: Mapping[str, Floating] = field(default_factory=dict)


def plan(wanted: list[Request], current: Current, state: str) -> list[Change]:
    """Pair every wanted port with the one that exists, and give the new ones their addresses.

    Addresses are the lowest free ones, in the order of the request; a floating IP that one gives up another may have. A
    network or a group that is not there yet is planned by as it is defined.
    """
    pool = AddressPool(wanted, current)

    def after(request: Request, before: Port | None) -> Port | None:
        return _resolve(request, before, pool) if state == "present" else None

    pairs = [(request, current.ports.get(request.key)) for request in wanted]
    # First those that give one up for none: for others to have it, they have to be sound.
    pairs.sort(key=lambda each: (not gives_up(*each), each[0].floating_ip is not False))
    planned: dict[str, Change] = {}
    for request, before in pairs:
        planned[request.key] = change = pair(request, request.fault or before, after)
        if change.error is not None and gives_up(request, before):
            pool.give_back(before.floating, request.id)
            planned = {key: _without(each, before.floating, request) for key, each in planned.items()}
    return [planned[request.key] for request in wanted]


def _without(change: Change, floating: Floating, holder: Request) -> Change:
    """A change, or a Conflict if it is to have the floating IP that its holder keeps after all."""
    after = getattr(change.after, "floating", None)
    if (
        change.wanted is holder
        or after is None
        or (after.network, after.address) != (floating.network, floating.address)
    ):
        return change
    kept = Conflict("floating_ip %s: port %s keeps it, as its own change failed" % (floating.address, holder.id))
    return Change(change.wanted, change.before, change.before, kept)


def _resolve(request: Request, before: Port | None, pool: AddressPool) -> Port:
    """The port as it is to be."""
    network = _network(request, before, pool)
    _check_same_addresses(request, before)
    secured = first(request.port_security, before and before.port_security, network.port_security)
    groups = _groups(request, before, secured, pool.current)
    mac = _mac(request, before, network, pool)
    kept = {name: getattr(request, name) or getattr(before, name, None) for name in KEPT}
    return Port(
        id=request.id,
        name=request.name,
        instance_uuid=request.instance_uuid,
        project_id=request.project_id,
        network=network,
        mac_address=mac,
        fixed_ip=_fixed_ip(request, before, network, pool, mac),
        further_ips=_further_ips(request, before, network, pool, mac),
        port_security=secured,
        security_groups=groups,
        allowed_address_pairs=allowed_pairs(request, before, secured, mac),
        qos=first(request.qos, before and before.qos, ()),
        floating=resolve_floating(request, _floating_of(request, before, pool), network, pool, kept["host"]),
        up=bool(before and before.up),
        **kept,
    )


def _network(request: Request, before: Port | None, pool: AddressPool) -> Network:
    """The port's network: as it is there, else as defined."""
    if before and before.network.full_name != request.full_network:
        raise Conflict(
            "the port is on network %s and cannot move to %s: remove it first"
            % (called(before.network.full_name), called(request.full_network))
        )
    existing = pool.current.networks.get(request.full_network)
    if isinstance(existing, LaunchError):
        raise existing
    network = existing or request.definitions.network(request.network)
    if network is None:
        raise NotFound("network %s is not there: make it first, with kvmstack.launch.network" % request.network)
    return network


def _check_same_addresses(request: Request, before: Port | None) -> None:
    """Conflict if the port is to have another first address, or another MAC address, than it has."""
    for what in ("mac_address", "fixed_ip"):
        asked, have = getattr(request, what), getattr(before, what, None)
        if asked and have and asked != have:
            raise Conflict("%s is %s and cannot become %s: remove the port first" % (what, have, asked))


def _mac(request: Request, before: Port | None, network: Network, pool: AddressPool) -> str:
    """The MAC address that the port has, else the one asked for, else one that follows from its id."""
    if before and before.mac_address:
        return before.mac_address
    if request.mac_address:
        return pool.claim(network, request.mac_address, "mac_address", request.id)
    return pool.mac(network, request.id)


def _fixed_ip(request: Request, before: Port | None, network: Network, pool: AddressPool, mac: str) -> str:
    """The first address that the port has, else the one asked for, else the lowest free one.

    On IPv6 alone it is what follows from its MAC address.
    """
    if before and before.fixed_ip:
        return before.fixed_ip
    if request.fixed_ip:
        check_first_ip(network, request.fixed_ip, mac)
        return pool.claim(network, request.fixed_ip, "fixed_ip", request.id)
    if network.cidr is None:
        return pool.claim(network, str(network.slaac_ip(mac)), "fixed_ip", request.id)
    return pool.address(network, request.id)


def _further_ips(
    request: Request, before: Port | None, network: Network, pool: AddressPool, mac: str
) -> tuple[str, ...]:
    """The addresses beside the first, which may come and go: those asked for, else those it has.

    The IPv6 address that it has anyway may be among those asked for.
    """
    have = before.further_ips if before else ()
    asked = have if request.further_ips is None else request.further_ips
    addresses = tuple(address for address in asked if address != network.slaac_ip(mac))
    for address in addresses:
        if address not in have:
            check_fixed_ip(network, address, mac)
        pool.claim(network, address, "fixed_ip", request.id)
    return addresses


def _floating_of(request: Request, before: Port | None, pool: AddressPool) -> Floating | None:
    """The floating IP that the port has, or had when somebody removed it."""
    return before.floating if before else pool.current.left.get(request.id)


def _groups(request: Request, before: Port | None, secured: bool, current: Current) -> tuple[str, ...]:
    """The port's security groups: those asked for, else those it has, else the default one."""
    if not secured:
        if request.security_groups:
            raise InvalidRequest("a port with port_security: false can have no security groups")
        return ()
    names = request.security_groups
    if names is None and before and before.port_security:
        names = before.security_groups
    names = ("default",) if names is None else names
    for name in names:
        existing = current.groups.get(name_in(request.project_id, name))
        if isinstance(existing, LaunchError):
            raise existing
        if not existing and request.definitions.group(name) is None:
            raise NotFound("security group %s is not there: make it first, with kvmstack.launch.network" % name)
    return names
