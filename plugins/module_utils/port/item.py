# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port as it is asked for, and the fields that every backend answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, NamedTuple

from ..core.diff import line
from ..core.errors import InvalidRequest, LaunchError
from ..core.names import tap_name
from ..network.definition import Network
from ..network.model import DRIFT
from ..network.names import DEFAULT_PROJECT, SHARED, Name, name_in
from ..network.request import Definitions
from .qos import Limit

# What a result repeats of the item, and what it adds to it. `id` is ours, `port_id` the service's.
ASKED = (
    "id",
    "name",
    "instance_uuid",
    "network",
    "port",
    "host",
    "mac_address",
    "fixed_ip",
    "fixed_ips",
    "security_groups",
    "port_security",
    "allowed_address_pairs",
    "qos",
    "floating_ip",
    "parent",
    "vlan",
    "record_id",
    "dns_name",
)
ADDED = ("port_id", "status", "tap", "cidr", "gateway", "dns", "mtu", "dhcp", "domain", "up")
ADDED += ("gateway_port", "gateway_mac", "ipv6_address", "ipv6_cidr", "ipv6_gateway", "physical_network", "router")
ADDED += ("floating_ip_address", "floating_ip_mac", "adopted", "network_id", "network_name", "subnet_id")


class Pair(NamedTuple):
    """An address beside its own that a port may use; without a MAC address, with the port's own."""

    ip_address: str
    mac_address: str | None = None


@dataclass(frozen=True)
class Request:
    """A port as it is asked for; None means not mentioned.

    network, port and security_groups are names or, where the backend has any, ids. further_ips are the addresses
    beside fixed_ip. floating_ip is True (from the only external network), False (none), or the name or id of an
    external network, an address or a floating IP's id. parent is the id of the port whose sub-port it is (neutron's
    trunk), and vlan the tag by which its guest tells it from others there. dns_name is what the network's other guests
    find it by. record_id is the record of instances that the port belongs to. project_id is whose it is, and its
    groups are; shared: its network is the one of all projects. gateways are the hosts that are on each physical
    network, None if nothing is said of them. left: the port is gone, and its floating IP is still there.
    `fault` says why the request makes no sense.
    """

    id: str
    name: str
    instance_uuid: str
    network: str | None = None
    port: str | None = None
    host: str | None = None
    mac_address: str | None = None
    fixed_ip: str | None = None
    further_ips: tuple[str, ...] | None = None
    security_groups: tuple[str, ...] | None = None
    port_security: bool | None = None
    allowed_address_pairs: tuple[Pair, ...] | None = None
    qos: tuple[Limit, ...] | None = None
    floating_ip: str | bool | None = None
    parent: str | None = None
    vlan: int | None = None
    availability_zone: str | None = None
    record_id: str | None = None
    dns_name: str | None = None
    project_id: str = DEFAULT_PROJECT
    shared: bool = False
    left: bool = False
    gateways: Mapping[str, tuple[str, ...]] | None = field(default=None, repr=False, compare=False)
    definitions: Definitions = field(default=Definitions(), repr=False, compare=False)
    fault: LaunchError | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return self.id

    @property
    def full_network(self) -> Name:
        """What its network is known by."""
        return name_in(self.project_id, self.network, self.shared)

    @property
    def fixed_ips(self) -> tuple[str, ...] | None:
        """All its addresses; None if it says of its first one alone, or of none."""
        return None if self.further_ips is None else (str(self.fixed_ip), *self.further_ips)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What it asks for that only one port of a network can have."""
        return tuple(filter(None, (self.fixed_ip, *(self.further_ips or ()), self.mac_address)))

    def to_result(self) -> dict[str, Any]:
        """What is known of a port that was not made."""
        network = self.definitions.networks.get(str(self.network))
        left = {"left": True} if self.left else {}
        return {**result(self, **(definition(network) if isinstance(network, Network) else {})), **left}


def own_pairs(pairs: Iterable[Pair], mac: str | None) -> tuple[Pair, ...]:
    """Address pairs as they are compared: what has the port's own MAC address says none."""
    return tuple(
        sorted(
            {Pair(pair.ip_address, None if pair.mac_address == mac else pair.mac_address) for pair in pairs}, key=str
        )
    )


def allowed_pairs(request: Request, before: Any, secured: bool, mac: str | None) -> tuple[Pair, ...]:
    """The address pairs that the port is to have: those asked for, else those it has, none without port security."""
    if not secured:
        if request.allowed_address_pairs:
            raise InvalidRequest("a port without port security can have no address pairs")
        return ()
    if request.allowed_address_pairs is None:
        return before.allowed_address_pairs if before else ()
    return own_pairs(request.allowed_address_pairs, mac)


def called(network: Name) -> str:
    """A network's full name for people."""
    if network.project == SHARED:
        return "%s of all projects" % network.name
    return network.name if network.project == DEFAULT_PROJECT else "%s of project %s" % (network.name, network.project)


def definition(network: Network) -> dict[str, Any]:
    """The fields of a result that a network's definition tells."""
    names = ("cidr", "gateway", "gateway_port", "ipv6_cidr", "ipv6_gateway", "dns", "mtu", "dhcp", "domain")
    names += ("physical_network", "router")
    mac = network.server_mac if network.gateway_port else None
    return {**{name: getattr(network, name) for name in names}, "gateway_mac": mac}


def result(item: Any, **known: Any) -> dict[str, Any]:
    """The fields of a result, the same whatever the backend and whether the port was made or not."""
    fields = {name: getattr(item, name, None) for name in ASKED}
    fields.update(dict.fromkeys(ADDED), dns=[], up=False, adopted=False)
    fields.update(known)
    for name in ("security_groups", "dns", "fixed_ips"):
        fields[name] = fields[name] if fields[name] is None else list(fields[name])
    if fields["allowed_address_pairs"] is not None:
        fields["allowed_address_pairs"] = [Pair(*pair)._asdict() for pair in fields["allowed_address_pairs"]]
    if fields["qos"] is not None:
        fields["qos"] = [limit._asdict() for limit in fields["qos"]]
    # A sub-port has no interface on the host: its frames come by its parent's.
    fields["tap"] = tap_name(fields["port_id"]) if fields["port_id"] and not fields["parent"] else None
    return fields


def as_text(port: Any, whole: bool) -> str:
    """What a diff shows of a port, whoever has it."""
    if whole:
        return port.as_text()
    fields = port.to_result()
    shown = ("network", "fixed_ip", "fixed_ips", "mac_address", "security_groups", "port_security")
    shown += ("allowed_address_pairs", "qos", "floating_ip_address", "floating_ip_mac", "parent", "vlan", "host")
    known = {name: fields.get(name) for name in shown}
    # What is as of most ports, or said already, is not said.
    known.update({"port_security": None} if fields["port_security"] else {})
    known.update({"fixed_ip": None} if len(fields["fixed_ips"] or ()) > 1 else {"fixed_ips": None})
    drift = {} if getattr(port, "in_sync", True) else {"drift": DRIFT}
    return line("port %s" % fields["name"], {**known, **drift})
