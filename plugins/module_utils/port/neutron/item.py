# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Neutron's ports, networks and security groups. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Mapping

from ..item import Pair, result
from .floating import Floating

# What a diff leaves out: it changes by itself.
_PASSING = ("up", "status")


@dataclass(frozen=True)
class Subnet:
    """A subnet of a network; all addresses are text."""

    id: str
    cidr: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    dhcp: bool = True


@dataclass(frozen=True)
class Network:
    """A network that the user sees. `own`: the user may do there what only a network's owner may."""

    id: str
    name: str
    own: bool = False
    shared: bool = False
    mtu: int | None = None
    domain: str | None = None
    port_security: bool = True
    subnets: tuple[Subnet, ...] = ()

    def subnet(self, address: str | None) -> Subnet | None:
        """The subnet of an address; without one the only one there is, as neutron then takes one of each family."""
        if address is None:
            return self.subnets[0] if len(self.subnets) == 1 else None
        wanted = ip_address(address)
        return next((subnet for subnet in self.subnets if wanted in ip_network(subnet.cidr)), None)


@dataclass(frozen=True)
class Group:
    """A security group; what lets through what is neutron's business."""

    id: str
    name: str


@dataclass(frozen=True)
class Port:
    """A port as it is or is to be.

    id is ours, port_id neutron's. An adopted port is the user's own and only lent to the instance. `bound` is false
    where the host cannot take the port. device is the instance's UUID, empty while nobody has the port; project_id
    owns it. trunk: it is the parent of sub-ports, by the trunk trunk_id. A sub-port has its parent (our id) and its
    vlan there; it is no device's, and instance says whose it is.
    """

    id: str
    name: str
    device: str
    network: Network
    host: str | None
    mac_address: str | None
    fixed_ip: str | None
    security_groups: tuple[Group, ...]
    port_security: bool
    allowed_address_pairs: tuple[Pair, ...] = ()
    floating: Floating | None = None
    adopted: bool = False
    marked: bool = True
    bound: bool = True
    port_id: str | None = None
    trunk: bool = False
    parent: str | None = None
    vlan: int | None = None
    trunk_id: str | None = field(default=None, compare=False)
    instance: str = field(default="", compare=False)
    status: str | None = field(default=None, compare=False)
    owner: str = field(default="", compare=False)
    project_id: str | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return self.id

    @property
    def instance_uuid(self) -> str:
        return self.device or self.instance

    def to_result(self) -> dict[str, Any]:
        """The port as the later stages and the user get it."""
        subnet = self.network.subnet(self.fixed_ip)
        address = self.floating and self.floating.address
        return result(
            self,
            network=self.network.name,
            port=self.port_id if self.adopted else None,
            security_groups=[group.name for group in self.security_groups],
            port_id=self.port_id,
            network_id=self.network.id,
            network_name=self.network.name,
            subnet_id=subnet and subnet.id,
            status=self.status,
            up=self.status == "ACTIVE",
            cidr=subnet and subnet.cidr,
            gateway=subnet and subnet.gateway,
            dns=subnet.dns if subnet else (),
            dhcp=subnet and subnet.dhcp,
            mtu=self.network.mtu,
            domain=self.network.domain,
            floating_ip=address,
            floating_ip_address=address,
            adopted=self.adopted,
        )

    def as_text(self) -> str:
        """The port for a diff."""
        shown = {key: value for key, value in self.to_result().items() if key not in _PASSING}
        return json.dumps({**shown, "bound": self.bound}, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Current:
    """What neutron has, as far as a request is concerned.

    ports are those with our mark, by our id. offered are the user's own that the request names, networks, externals
    and groups those the user sees, floatings those of the project.
    """

    project_id: str | None = None
    ports: Mapping[str, Port] = field(default_factory=dict)
    offered: tuple[Port, ...] = ()
    networks: tuple[Network, ...] = ()
    externals: tuple[Network, ...] = ()
    groups: tuple[Group, ...] = ()
    floatings: tuple[Floating, ...] = ()


def sorted_groups(groups: Any) -> tuple[Group, ...]:
    """Security groups in the order in which they are compared and shown."""
    return tuple(sorted(groups, key=lambda group: (group.name, group.id)))


def label(port: Port) -> str:
    """How messages call a port."""
    return "port %s on network %s" % (port.name, port.network.name)
