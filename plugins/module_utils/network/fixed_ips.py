# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses the ports of a network may have, and which of them are free; pure."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from typing import Container, Iterator

from ..core.errors import Conflict, InvalidRequest
from .addresses import NetworkFull, checked_host
from .definition import Network


def check_fixed_ip(network: Network, fixed_ip: str, mac: str | None = None) -> None:
    """Raise InvalidRequest unless a port of this network may have this address; mac: the port's, if it is known."""
    if ":" in fixed_ip:
        _check_slaac(network, fixed_ip, mac)
        return
    if network.cidr is None:
        raise InvalidRequest("fixed_ip %s is IPv4, and network %s has no cidr" % (fixed_ip, network.name))
    checked_host(ip_network(network.cidr), fixed_ip, "fixed_ip")
    for what, address in (("gateway", network.gateway), ("DHCP server", network.server)):
        if fixed_ip == address:
            raise InvalidRequest("fixed_ip %s is the address of network %s's %s" % (fixed_ip, network.name, what))
    first, last = (IPv4Address(end) for end in (network.first, network.last))
    if network.physical_network and not first <= IPv4Address(fixed_ip) <= last:
        raise InvalidRequest(
            "fixed_ip %s is outside the allocation_pool of network %s, %s to %s: on physical_network %s it may be "
            "another machine's" % (fixed_ip, network.name, first, last, network.physical_network)
        )


def check_first_ip(network: Network, fixed_ip: str, mac: str | None = None) -> None:
    """Likewise of a port's first address: of IPv4 where the network has any."""
    if ":" in fixed_ip and network.cidr:
        raise InvalidRequest(
            "fixed_ip %s is IPv6: the first address of a port is an IPv4 one where its network has a cidr, as %s has, "
            "and its IPv6 one follows from its MAC address" % (fixed_ip, network.name)
        )
    check_fixed_ip(network, fixed_ip, mac)


def _check_slaac(network: Network, fixed_ip: str, mac: str | None) -> None:
    """The only IPv6 address of a port is the one that its guest gives itself."""
    if network.ipv6_cidr is None:
        raise InvalidRequest("fixed_ip %s is IPv6, and network %s has no ipv6_cidr" % (fixed_ip, network.name))
    own = network.slaac_ip(mac)
    if own not in (None, fixed_ip):
        raise InvalidRequest(
            "fixed_ip %s: the IPv6 address of a port on network %s follows from its MAC address (EUI-64): with %s it "
            "is %s; leave it out, or say another mac_address" % (fixed_ip, network.name, mac, own)
        )
    checked_host(ip_network(network.ipv6_cidr), fixed_ip, "fixed_ip")


def free_addresses(network: Network, taken: Container[str]) -> Iterator[str]:
    """The addresses of the network's pool that are free, lowest first. `taken` may grow while this runs."""
    if network.cidr is None:
        return
    for number in range(int(IPv4Address(network.first)), int(IPv4Address(network.last)) + 1):
        address = str(IPv4Address(number))
        if address not in taken and address not in (network.gateway, network.server):
            yield address


def next_free(network: Network, free: Iterator[str]) -> str:
    """The next of free_addresses(); NetworkFull after the last, for everyone who asks then."""
    for address in free:
        return address
    if network.cidr is None:
        raise InvalidRequest("network %s has no cidr: addresses of IPv4 are not given out there" % network.name)
    raise NetworkFull(
        "network %s (%s) has no free address left: all %d from %s to %s are taken; remove ports that are no longer "
        "needed, widen its allocation_pool, or use another network"
        % (network.name, network.cidr, _size(network), network.first, network.last)
    )


def claim(network: Network, what: str, address: str, taken: dict[str, str], holder: str) -> str:
    """The address asked for, now the holder's; Conflict if another one has it. taken: the holders by address."""
    owner = taken.get(address, holder)
    if owner != holder:
        # On a shared network it may be another project's.
        raise Conflict.telling(
            "%s %s of network %s belongs to %s: ask for another, or for none",
            facts=(what, address, network.name, "port %s" % owner),
            public=(what, address, network.name, "another port"),
        )
    taken[address] = holder
    return address


def _size(network: Network) -> int:
    """How many addresses its pool has."""
    return int(IPv4Address(network.last)) - int(IPv4Address(network.first)) + 1
