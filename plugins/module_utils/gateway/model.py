# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a compute host is to its guests as the gateway of their networks, and every rule about it; pure.

An instance uses the gateways of its ports' networks; a gateway is on a host as long as an instance there uses it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any, Iterable, Mapping

from ..core.change import Change
from ..core.diff import line
from ..core.errors import Unavailable


@dataclass(frozen=True)
class Gateway:
    """A network's gateway on a host: an interface in the integration bridge, bound to the network's localport.

    port: that localport's id. mac: of the interface. address: of the interface, with the prefix length; ipv6_address:
    likewise, where it announces itself as the router of a /64; one of them at least. mtu in bytes. domain: what guests'
    names end with. rdnss: the IPv6 servers that it names to guests. up: whether it works.
    """

    port: str
    mac: str
    network: str
    address: str | None
    mtu: int
    domain: str | None = None
    up: bool = True
    ipv6_address: str | None = None
    rdnss: tuple[str, ...] = ()

    @property
    def interface(self) -> str:
        """The interface's name. Linux allows 15 characters."""
        return interface_name(self.port)

    @property
    def cidr(self) -> str | None:
        """The network's IPv4 addresses, if it has any."""
        return str(ip_interface(self.address).network) if self.address else None

    @property
    def ipv6_cidr(self) -> str | None:
        """The network's IPv6 addresses, if it has any."""
        return str(ip_interface(self.ipv6_address).network) if self.ipv6_address else None

    def to_record(self) -> dict[str, Any]:
        """What is kept on the host, from which read_gateway() makes it again. Without IPv6 it speaks of none."""
        facts = {**asdict(self), "rdnss": list(self.rdnss)}
        silent = ("up", *(() if self.ipv6_address else ("ipv6_address", "rdnss")))
        return {key: value for key, value in facts.items() if key not in silent}

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return {**self.to_record(), "interface": self.interface}


@dataclass(frozen=True)
class Use:
    """The gateways that an instance uses on this host; every network once."""

    instance_uuid: str
    gateways: tuple[Gateway, ...] = ()
    name: str | None = None

    @property
    def key(self) -> str:
        """The instance's UUID."""
        return self.instance_uuid

    def to_result(self) -> dict[str, Any]:
        """What the user gets."""
        gateways = [gateway.to_result() for gateway in self.gateways]
        return {"name": self.name or self.instance_uuid, "instance_uuid": self.instance_uuid, "gateways": gateways}


@dataclass(frozen=True)
class Listed:
    """A gateway as its host tells of it, with the UUIDs of the instances that use it."""

    gateway: Gateway
    instances: tuple[str, ...]

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return {**self.gateway.to_result(), "up": self.gateway.up, "instances": list(self.instances)}


@dataclass(frozen=True)
class Peer:
    """Whom a host talks to: the address, who that is, and the host's own address in it, where that is known."""

    address: str
    what: str
    local: str | None = None


def interface_name(port: str) -> str:
    """The interface of a gateway by its port's id."""
    return "kvg" + port.replace("-", "")[:11]


def read_gateway(facts: Mapping[str, Any], up: bool) -> Gateway:
    """The gateway that to_record() told of; what a later release says beside is not understood, and left out."""
    known = {field.name for field in fields(Gateway)}
    values = {key: value for key, value in facts.items() if key in known}
    return Gateway(**{**values, "rdnss": tuple(values.get("rdnss", ())), "up": up})


def plan(wanted: Iterable[Use], current: Mapping[str, Use], state: str) -> list[Change]:
    """An instance uses the gateways that it says, and no others; none at all once it goes."""
    return [_change(use, current.get(use.key), state) for use in wanted]


def _change(use: Use, before: Use | None, state: str) -> Change:
    after = use if state == "present" and use.gateways else None
    if before is not None and after is not None and set(before.gateways) == set(after.gateways):
        return Change(use, before, before)
    return Change(use, before, after)


def check_routes(gateway: Gateway, routes: Iterable[Mapping[str, Any]]) -> None:
    """Unavailable if the host itself reaches any of the network's addresses by another way; another host may not.

    routes: what `ip -json route` and `ip -6 -json route` tell.
    """
    cidrs = _cidrs(gateway)
    for route in routes:
        if route.get("dst") in (None, "default") or route.get("dev") == gateway.interface:
            continue
        other = ip_network(route["dst"])
        for mine in cidrs:
            if other.version == mine.version and other.overlaps(mine):
                raise Unavailable(
                    "network %s is %s, but this host reaches %s by its interface %s: give the network other addresses, "
                    "or router: none" % (gateway.network, mine, other, route.get("dev"))
                )


def check_peers(gateway: Gateway, before: Gateway | None, peers: Iterable[Peer]) -> None:
    """Unavailable if the host talks to any of the network's addresses now, by its default route: it would no more.

    before: the gateway as it is, whose addresses are guests' already. Whom the host talks to as the gateway was a guest
    while there was one.
    """
    cidrs = [cidr for cidr in _cidrs(gateway) if before is None or cidr not in _cidrs(before)]
    own = [str(ip_interface(address).ip) for address in (gateway.address, gateway.ipv6_address) if address]
    for peer in peers:
        for cidr in cidrs:
            if ip_address(peer.address) in cidr and peer.local not in own:
                raise Unavailable(
                    "network %s is %s, and this host would lose %s, %s: give the network other addresses, or "
                    "router: none" % (gateway.network, cidr, peer.address, peer.what)
                )


def _cidrs(gateway: Gateway) -> list[IPv4Network | IPv6Network]:
    return [ip_network(cidr) for cidr in (gateway.cidr, gateway.ipv6_cidr) if cidr]


def as_text(use: Use, whole: bool) -> str:
    """What a diff shows of an instance's gateways."""
    return "".join(
        line(
            "gateway of network %s" % each.network,
            {"address": each.address, "ipv6_address": each.ipv6_address, "interface": each.interface},
        )
        for each in use.gateways
    )
