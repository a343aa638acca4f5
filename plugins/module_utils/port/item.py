# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port as it is asked for, and the fields that every backend answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..core.diff import line
from ..core.errors import LaunchError
from ..core.names import tap_name
from ..network.model import DRIFT, Network
from ..network.names import DEFAULT_PROJECT, SHARED, Name, name_in
from ..network.request import Definitions

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
    "security_groups",
    "port_security",
    "allowed_address_pairs",
    "floating_ip",
    "record_id",
)
ADDED = ("port_id", "status", "tap", "cidr", "gateway", "dns", "mtu", "dhcp", "domain", "up")
ADDED += ("gateway_port", "gateway_mac")
ADDED += ("floating_ip_address", "adopted")


class Pair(NamedTuple):
    """An address beside its own that a port may use; without a MAC address, with the port's own."""

    ip_address: str
    mac_address: str | None = None


@dataclass(frozen=True)
class Request:
    """A port as it is asked for; None means not mentioned.

    network, port and security_groups are names or, where the backend has any, ids. floating_ip is True (from the only
    external network), False (none), or the name or id of an external network, an address or a floating IP's id.
    record_id is the record of instances that the port belongs to. project_id is whose it is, and its groups are;
    shared: its network is the one of all projects. `fault` says why the request makes no sense.
    """

    id: str
    name: str
    instance_uuid: str
    network: str | None = None
    port: str | None = None
    host: str | None = None
    mac_address: str | None = None
    fixed_ip: str | None = None
    security_groups: tuple[str, ...] | None = None
    port_security: bool | None = None
    allowed_address_pairs: tuple[Pair, ...] | None = None
    floating_ip: str | bool | None = None
    availability_zone: str | None = None
    record_id: str | None = None
    project_id: str = DEFAULT_PROJECT
    shared: bool = False
    definitions: Definitions = field(default=Definitions(), repr=False, compare=False)
    fault: LaunchError | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return self.id

    @property
    def full_network(self) -> Name:
        """What its network is known by."""
        return name_in(self.project_id, self.network, self.shared)

    def to_result(self) -> dict[str, Any]:
        """What is known of a port that was not made."""
        network = self.definitions.networks.get(str(self.network))
        return result(self, **(definition(network) if isinstance(network, Network) else {}))


def called(network: Name) -> str:
    """A network's full name for people."""
    if network.project == SHARED:
        return "%s of all projects" % network.name
    return network.name if network.project == DEFAULT_PROJECT else "%s of project %s" % (network.name, network.project)


def definition(network: Network) -> dict[str, Any]:
    """The fields of a result that a network's definition tells."""
    names = ("cidr", "gateway", "gateway_port", "dns", "mtu", "dhcp", "domain")
    mac = network.server_mac if network.gateway_port else None
    return {**{name: getattr(network, name) for name in names}, "gateway_mac": mac}


def result(item: Any, **known: Any) -> dict[str, Any]:
    """The fields of a result, the same whatever the backend and whether the port was made or not."""
    fields = {name: getattr(item, name, None) for name in ASKED}
    fields.update(dict.fromkeys(ADDED), dns=[], up=False, adopted=False)
    fields.update(known)
    for name in ("security_groups", "dns"):
        fields[name] = fields[name] if fields[name] is None else list(fields[name])
    if fields["allowed_address_pairs"] is not None:
        fields["allowed_address_pairs"] = [Pair(*pair)._asdict() for pair in fields["allowed_address_pairs"]]
    fields["tap"] = fields["port_id"] and tap_name(fields["port_id"])
    return fields


def as_text(port: Any, whole: bool) -> str:
    """What a diff shows of a port, whoever has it."""
    if whole:
        return port.as_text()
    fields = port.to_result()
    shown = ("network", "fixed_ip", "mac_address", "security_groups", "floating_ip_address", "host")
    drift = {} if getattr(port, "in_sync", True) else {"drift": DRIFT}
    return line("port %s" % fields["name"], {**{name: fields.get(name) for name in shown}, **drift})
