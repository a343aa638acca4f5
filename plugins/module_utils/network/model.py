# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a network is, and which of its addresses a port may have."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any, Container, Iterator

from ..core.errors import Exhausted, InvalidRequest
from ..core.names import checked_name

OPTIONS = {
    "cidr": {"type": "str", "required": True},
    "gateway": {"type": "str"},
    "dns": {"type": "list", "elements": "str", "default": []},
    "mtu": {"type": "int", "default": 1442},
    "allocation_pool": {
        "type": "dict",
        "options": {"start": {"type": "str", "required": True}, "end": {"type": "str", "required": True}},
    },
    "dhcp": {"type": "bool", "default": True},
    "domain": {"type": "str"},
    "port_security": {"type": "bool", "default": True},
}

_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class NetworkFull(Exhausted):
    """A network has no address left: no other host has one either."""

    abort = True


@dataclass(frozen=True)
class Network:
    """A network as its definition says; all addresses are text.

    port_security is what a port gets that does not say. `intact` is false when what the backend holds
    is not what it would write for this definition.
    """

    name: str
    cidr: str
    gateway: str | None
    first: str
    last: str
    dns: tuple[str, ...] = ()
    mtu: int = 1442
    dhcp: bool = True
    domain: str | None = None
    port_security: bool = True
    intact: bool = True

    @property
    def server(self) -> str | None:
        """The address that answers DHCP: the gateway, else the first one; None without DHCP."""
        if not self.dhcp:
            return None
        return self.gateway or str(ip_network(self.cidr)[1])

    def definition(self) -> str:
        """The definition as one text, from which read_network() makes the network again."""
        return json.dumps({k: v for k, v in asdict(self).items() if k not in ("name", "intact")}, sort_keys=True)


def read_network(name: str, definition: str) -> Network:
    """The network whose definition() this is."""
    said = json.loads(definition)
    return Network(name=name, **{**said, "dns": tuple(said["dns"])})


def define_network(name: str, said: dict[str, Any], no_gateway: bool) -> Network:
    """The network of these options (checked for type by OPTIONS); InvalidRequest if they make no sense.

    Without a gateway in the options it is the first address, as neutron does; no_gateway says that there is none.
    """
    checked_name(name, "network")
    cidr = _cidr(said["cidr"])
    gateway = None if no_gateway else said["gateway"] or str(cidr[1])
    pool = said["allocation_pool"] or {"start": str(cidr[1]), "end": str(cidr[-2])}
    if said["domain"] and not _DOMAIN.fullmatch(said["domain"]):
        raise InvalidRequest("domain %r is not a domain name" % said["domain"])
    if not 576 <= said["mtu"] <= 65535:
        raise InvalidRequest("mtu %d is not within 576 and 65535" % said["mtu"])
    first, last = (_host(cidr, pool[end], "allocation_pool.%s" % end) for end in ("start", "end"))
    if first > last:
        raise InvalidRequest("allocation_pool ends (%s) before it starts (%s)" % (last, first))
    return Network(
        name=name,
        cidr=str(cidr),
        gateway=gateway and str(_host(cidr, gateway, "gateway")),
        first=str(first),
        last=str(last),
        dns=tuple(str(_address(server, "dns")) for server in said["dns"]),
        mtu=said["mtu"],
        dhcp=said["dhcp"],
        domain=said["domain"],
        port_security=said["port_security"],
    )


def check_fixed_ip(network: Network, fixed_ip: str) -> None:
    """Raise InvalidRequest unless a port of this network may have this address."""
    _host(ip_network(network.cidr), fixed_ip, "fixed_ip")
    for what, address in (("gateway", network.gateway), ("DHCP server", network.server)):
        if fixed_ip == address:
            raise InvalidRequest("fixed_ip %s is the address of network %s's %s" % (fixed_ip, network.name, what))


def free_addresses(network: Network, taken: Container[str]) -> Iterator[str]:
    """The addresses of the network's pool that are free, lowest first; NetworkFull after the last.

    `taken` may grow while this runs.
    """
    first, last = (int(IPv4Address(end)) for end in (network.first, network.last))
    for number in range(first, last + 1):
        address = str(IPv4Address(number))
        if address not in taken and address not in (network.gateway, network.server):
            yield address
    raise NetworkFull(
        "network %s (%s) has no free address left: all %d from %s to %s are taken; remove ports that are no longer "
        "needed, widen its allocation_pool, or use another network"
        % (network.name, network.cidr, last - first + 1, network.first, network.last)
    )


def derived_mac(seed: str, taken: Container[str] = (), prefix: str = "fa:16:3e") -> str:
    """A MAC address that follows from the seed, and from a counter while it is taken."""
    for counter in range(1 << 24):
        digest = hashlib.sha256(("%s/%d" % (seed, counter)).encode()).hexdigest()
        mac = "%s:%s:%s:%s" % (prefix, digest[0:2], digest[2:4], digest[4:6])
        if mac not in taken:
            return mac
    raise NetworkFull("no MAC address is left for %s" % seed)


def checked_mac(mac: str) -> str:
    """The MAC address in lower case; InvalidRequest unless one machine can have it."""
    mac = mac.lower()
    if not _MAC.fullmatch(mac) or int(mac[1], 16) & 1 or mac == "00:00:00:00:00:00":
        raise InvalidRequest("mac_address %r is not one machine's: write it like fa:16:3e:00:00:01" % mac)
    return mac


def checked_ip(address: str) -> str:
    """The address as it is usually written; InvalidRequest unless it is one."""
    return str(_address(address, "fixed_ip"))


def _cidr(text: str) -> IPv4Network:
    """The network of a CIDR, with room for a gateway and a guest."""
    try:
        cidr = ip_network(text)
    except ValueError as error:
        raise InvalidRequest("cidr %r: %s; write it like 10.20.0.0/24" % (text, error)) from error
    if cidr.version != 4:
        raise InvalidRequest("cidr %s: IPv6 is not supported yet" % cidr)
    if cidr.prefixlen > 30:
        raise InvalidRequest("cidr %s has no room for a gateway and a guest: use /30 or larger" % cidr)
    return cidr


def _host(cidr: IPv4Network, text: str, what: str) -> Any:
    """An address that a machine on this network can have."""
    address = _address(text, what)
    if address not in cidr:
        raise InvalidRequest("%s %s is outside %s" % (what, address, cidr))
    if address in (cidr.network_address, cidr.broadcast_address):
        kind = "network" if address == cidr.network_address else "broadcast"
        raise InvalidRequest("%s %s is the %s address of %s" % (what, address, kind, cidr))
    return address


def _address(text: str, what: str) -> Any:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidRequest("%s %r is not an IP address" % (what, text)) from error
