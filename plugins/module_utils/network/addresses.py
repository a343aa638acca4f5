# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of networks and machines, as they are written and checked."""

from __future__ import annotations

import hashlib
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Container

from ..core.convert import shown
from ..core.errors import Exhausted, InvalidRequest

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class NetworkFull(Exhausted):
    """A network has no address left: no other host has one either."""

    abort = True


def derived_mac(seed: str, taken: Container[str] = (), prefix: str = "fa:16:3e") -> str:
    """A MAC address that follows from the seed, and from a counter while it is taken."""
    for counter in range(1 << 24):
        digest = hashlib.sha256(("%s/%d" % (seed, counter)).encode()).hexdigest()
        mac = "%s:%s:%s:%s" % (prefix, digest[0:2], digest[2:4], digest[4:6])
        if mac not in taken:
            return mac
    raise NetworkFull("no MAC address is left for %s" % seed)


def checked_mac(text: str, what: str = "mac_address") -> str:
    """The MAC address in lower case; InvalidRequest unless one machine can have it."""
    mac = text.lower()
    if not _MAC.fullmatch(mac) or int(mac[1], 16) & 1 or mac == "00:00:00:00:00:00":
        raise InvalidRequest("%s %s is not one machine's: write it like fa:16:3e:00:00:01" % (what, shown(text)))
    return mac


def checked_ip(address: str) -> str:
    """The address as it is usually written; InvalidRequest unless it is one."""
    return str(checked_address(address, "fixed_ip"))


def checked_cidr(text: str) -> IPv4Network:
    """The network of a CIDR, with room for a gateway and a guest."""
    try:
        cidr = checked_prefix(text, "cidr")
    except InvalidRequest as error:
        raise InvalidRequest("%s; write it like 10.20.0.0/24" % error) from error
    if cidr.version != 4:
        raise InvalidRequest("cidr %s is IPv6: write it as ipv6_cidr, beside a cidr of IPv4 or alone" % cidr)
    if cidr.prefixlen > 30:
        raise InvalidRequest("cidr %s has no room for a gateway and a guest: use /30 or larger" % cidr)
    return cidr


def checked_ipv6_cidr(text: str) -> IPv6Network:
    """The IPv6 network of a CIDR: a /64, as guests make their addresses in it themselves (RFC 4862, SLAAC)."""
    try:
        cidr = checked_prefix(text, "ipv6_cidr")
    except InvalidRequest as error:
        raise InvalidRequest("%s; write it like fd00:20::/64" % error) from error
    if cidr.version != 6 or cidr.prefixlen != 64:
        raise InvalidRequest("ipv6_cidr %s is not an IPv6 /64, in which guests make their own addresses" % cidr)
    if cidr.is_link_local or cidr.is_multicast or int(cidr[0]) == 0:
        raise InvalidRequest("ipv6_cidr %s is not for networks of machines: take one of yours, or of fd00::/8" % cidr)
    return cidr


def slaac_address(cidr: str, mac: str) -> str:
    """The address that a machine gives itself in a /64: EUI-64 of its MAC address (RFC 4291), as neutron has it."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ip_network(cidr)[int.from_bytes(identifier, "big")])


def checked_host(cidr: IPv4Network, text: str, what: str) -> Any:
    """An address that a machine on this network can have."""
    address = checked_address(text, what)
    if address not in cidr:
        raise InvalidRequest("%s %s is outside %s" % (what, address, cidr))
    if address in (cidr.network_address, cidr.broadcast_address):
        kind = "network" if address == cidr.network_address else "broadcast"
        raise InvalidRequest("%s %s is the %s address of %s" % (what, address, kind, cidr))
    return address


def checked_address(text: str, what: str) -> Any:
    """An IP address; `what` is what messages call it."""
    try:
        return ip_address(_without_scope(text, what))
    except ValueError as error:
        raise InvalidRequest("%s %s is not an IP address" % (what, shown(text))) from error


def is_link_local(text: str) -> bool:
    """Whether an address is an IPv6 one of its link alone (RFC 4291): it tells who, and not on which link."""
    address = ip_address(text)
    return address.version == 6 and address.is_link_local


def checked_prefix(text: str, what: str, strict: bool = True) -> Any:
    """The addresses of a CIDR, or of an address alone; strict refuses a CIDR with bits beyond its length."""
    try:
        return ip_network(_without_scope(text, what), strict=strict)
    except ValueError as error:
        raise InvalidRequest("%s %s: %.200s" % (what, shown(text), error)) from error


def _without_scope(text: str, what: str) -> str:
    """The text itself. What follows a '%' Python takes for a scope, whatever it is, and gives back as it came."""
    if "%" in str(text):
        raise InvalidRequest("%s %s: an address with a scope is of one machine only" % (what, shown(text)))
    return text
