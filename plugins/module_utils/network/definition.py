# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network as its definition says; pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any, Mapping

from ..core.convert import shown
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from .addresses import (
    checked_address,
    checked_cidr,
    checked_host,
    checked_ipv6_cidr,
    derived_mac,
    is_link_local,
    slaac_address,
)
from .names import DEFAULT_PROJECT, Name, gateway_port, localnet_port, name_in
from .provider import check_pool, check_provider

# Who is a network's router: every compute host for the guests that it has, or nobody. Any other is one's name.
HOST, NONE = "host", "none"
# Bytes: what Geneve over IPv4 leaves of an Ethernet frame, and a whole one, which goes over a wire as it is.
MTU, MTU_OF_WIRE = 1442, 1500
# What is said of addresses that are given out, which those of IPv6 are not.
OF_CIDR = ("gateway", "allocation_pool", "dhcp")

_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


@dataclass(frozen=True)
class Network:
    """A network as its definition says; all addresses are text.

    Of cidr and ipv6_cidr it has one at least; gateway, first, last and dhcp are of cidr, None and false without it.
    port_security is what a port gets that does not say. shared: it is one network for all projects, and project_id the
    project that made it; any other network is its project's own. router: who takes packets out of it, HOST or NONE.
    ipv6_cidr: the /64 in which ports have an IPv6 address that follows from their MAC address. wire_gateway: the IPv6
    address of the machine that is its router on a wire, where that is said.
    physical_network: the wire of the hosts' that it is on, in frames of this vlan, or in untagged ones.
    `in_sync` is false when what the backend holds is not what it would write for this definition.
    """

    name: str
    cidr: str | None
    gateway: str | None
    first: str | None
    last: str | None
    dns: tuple[str, ...] = ()
    mtu: int = MTU
    dhcp: bool = True
    domain: str | None = None
    port_security: bool = True
    router: str = NONE
    in_sync: bool = True
    shared: bool = False
    project_id: str = DEFAULT_PROJECT
    ipv6_cidr: str | None = None
    physical_network: str | None = None
    vlan: int | None = None
    wire_gateway: str | None = None

    @property
    def full_name(self) -> Name:
        """What it is known by."""
        return name_in(self.project_id, self.name, self.shared)

    @property
    def full_router(self) -> Name | None:
        """What the router is known by that it is on; None if it is on none of ours. A router is its project's own."""
        return None if self.router in (HOST, NONE) else name_in(self.project_id, self.router)

    @property
    def ipv6_gateway(self) -> str | None:
        """The first address of ipv6_cidr, where a router is ours; any other router announces its own.

        On a wire what is said of it.
        """
        return str(ip_network(self.ipv6_cidr)[1]) if self.ipv6_cidr and self.router != NONE else self.wire_gateway

    @property
    def cidrs(self) -> tuple[str, ...]:
        """Its addresses of each family that it has."""
        return tuple(filter(None, (self.cidr, self.ipv6_cidr)))

    def slaac_ip(self, mac: str | None) -> str | None:
        """The IPv6 address of a port with this MAC address."""
        return slaac_address(self.ipv6_cidr, mac) if self.ipv6_cidr and mac else None

    @property
    def server(self) -> str | None:
        """The address that answers DHCP: the gateway, else the first one; None without DHCP."""
        if not self.dhcp or self.cidr is None:
            return None
        return self.gateway or str(ip_network(self.cidr)[1])

    @property
    def server_mac(self) -> str:
        """The MAC address of that, and of the gateway."""
        return derived_mac("dhcp/" + self.name, prefix="fa:16:3f")

    @property
    def gateway_port(self) -> str | None:
        """The id of the port by which every compute host is its gateway, if they are."""
        return gateway_port(self.full_name) if self.router == HOST else None

    @property
    def localnet_port(self) -> str | None:
        """The name of the port by which it is on its wire, if it is on one."""
        return localnet_port(self.full_name) if self.physical_network else None

    def definition(self) -> str:
        """The definition as one text, from which read_network() makes the network again."""
        optional = ("shared", "ipv6_cidr", "physical_network", "vlan", "wire_gateway")
        silent = (name for name in optional if not getattr(self, name))
        elsewhere = ("name", "in_sync", "project_id", *silent)
        return json.dumps({k: v for k, v in asdict(self).items() if k not in elsewhere}, sort_keys=True)


def read_network(name: str, project_id: str, definition: str) -> Network:
    """The network whose definition() this is."""
    fields = json.loads(definition)
    return Network(name=name, project_id=project_id, **{**fields, "dns": tuple(fields["dns"])})


def define_network(name: str, options: Mapping[str, Any], no_gateway: bool) -> Network:
    """The network of what is said of it, each value of its type; InvalidRequest if it makes no sense.

    Without a gateway in the options it is the first address, as neutron does; no_gateway says that there is none. The
    gateway is each compute host unless it is said who; where it is, it also answers for names. On a wire it is a
    machine there.
    """
    checked_name(name, "network")
    cidr, ipv6_cidr = _cidrs(options)
    physical_network = check_provider(options)
    gateway = _gateway(cidr, options, no_gateway)
    router = _router(options, gateway or (cidr is None and not no_gateway), physical_network)
    first, last = _pool(cidr, options.get("allocation_pool"))
    if physical_network and cidr:
        check_pool(gateway and ip_address(gateway), first, last)
    network = Network(
        name=name,
        cidr=cidr and str(cidr),
        gateway=gateway,
        first=first and str(first),
        last=last and str(last),
        mtu=_mtu(options, physical_network, ipv6_cidr),
        dhcp=options.get("dhcp", cidr is not None),
        domain=_domain(options),
        port_security=options.get("port_security", True),
        router=router,
        shared=options.get("shared", False),
        ipv6_cidr=ipv6_cidr and str(ipv6_cidr),
        physical_network=physical_network,
        vlan=options.get("vlan"),
        wire_gateway=_wire_gateway(options, ipv6_cidr, physical_network),
    )
    return replace(network, dns=_dns(options, network))


def _cidrs(options: Mapping[str, Any]) -> tuple[Any, Any]:
    """The network's addresses of each family, one at least. What is said of addresses that it has not is refused."""
    if not options.get("cidr") and not options.get("ipv6_cidr"):
        raise InvalidRequest("it has neither a cidr, like 10.20.0.0/24, nor an ipv6_cidr, like fd00:20::/64: say one")
    if options.get("cidr"):
        return checked_cidr(options["cidr"]), _ipv6_cidr(options)
    for what in OF_CIDR:
        if options.get(what):
            raise InvalidRequest(
                "%s is of a cidr, and it has none: on IPv6 alone guests make their addresses themselves, of what the "
                "router announces; leave it out, or say a cidr too" % what
            )
    return None, _ipv6_cidr(options)


def _ipv6_cidr(options: Mapping[str, Any]) -> Any:
    return checked_ipv6_cidr(options["ipv6_cidr"]) if options.get("ipv6_cidr") else None


def _gateway(cidr: Any, options: Mapping[str, Any], no_gateway: bool) -> str | None:
    if cidr is None or no_gateway:
        return None
    return str(checked_host(cidr, options["gateway"], "gateway")) if options.get("gateway") else str(cidr[1])


def _router(options: Mapping[str, Any], has_gateway: Any, physical_network: str | None) -> str:
    router = options.get("router", HOST if has_gateway and not physical_network else NONE)
    if router != NONE and not has_gateway:
        raise InvalidRequest("router: %s needs a gateway, which it is: leave one of them out" % router)
    if router not in (HOST, NONE) and options.get("shared"):
        raise InvalidRequest(
            "router: %s is its project's own, the network all projects': leave one of them out" % router
        )
    return router


def _dns(options: Mapping[str, Any], network: Network) -> tuple[str, ...]:
    """The name servers that are said; where each host is the gateway, it answers if none are."""
    gateways = filter(None, (network.gateway, network.ipv6_gateway)) if network.router == HOST else ()
    return tuple(str(checked_address(server, "dns")) for server in options.get("dns", gateways))


def _pool(cidr: Any, pool: Mapping[str, str] | None) -> tuple[Any, Any]:
    """The first and the last address that ports are given, if it is a network of IPv4."""
    if cidr is None:
        return None, None
    ends = pool or {"start": str(cidr[1]), "end": str(cidr[-2])}
    first, last = (checked_host(cidr, ends[end], "allocation_pool.%s" % end) for end in ("start", "end"))
    if first > last:
        raise InvalidRequest("allocation_pool ends (%s) before it starts (%s)" % (last, first))
    return first, last


def _mtu(options: Mapping[str, Any], physical_network: str | None, ipv6_cidr: Any) -> int:
    mtu = options.get("mtu", MTU_OF_WIRE if physical_network else MTU)
    if not 576 <= mtu <= 65535:
        raise InvalidRequest("mtu %s is not within 576 and 65535" % shown(mtu))
    if ipv6_cidr and mtu < 1280:
        raise InvalidRequest("mtu %d is too small for IPv6, which needs 1280: leave out ipv6_cidr" % mtu)
    return mtu


def _domain(options: Mapping[str, Any]) -> str | None:
    domain = options.get("domain") or None
    if domain and not _DOMAIN.fullmatch(domain):
        raise InvalidRequest("domain %s is not a domain name" % shown(domain))
    return domain


def _wire_gateway(options: Mapping[str, Any], ipv6_cidr: Any, physical_network: str | None) -> str | None:
    """The router of a wire, where packets of IPv6 leave by a router of ours. Many are known by the link alone."""
    text = options.get("ipv6_gateway") or None
    if text is None:
        return None
    if ipv6_cidr is None or physical_network is None:
        raise InvalidRequest(
            "ipv6_gateway %s is the router of a wire: it goes with physical_network and ipv6_cidr; elsewhere it is the "
            "first address of ipv6_cidr" % shown(text)
        )
    address = checked_address(text, "ipv6_gateway")
    on_wire = address in ipv6_cidr or is_link_local(str(address))
    if not on_wire or not int(address) % 2**64:
        raise InvalidRequest("ipv6_gateway %s is no machine's in %s, nor on its link (fe80::)" % (address, ipv6_cidr))
    return str(address)
