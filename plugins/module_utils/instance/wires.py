# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The wires of a running instance's host, and of a network that it is to be on as well; pure.

A port on a provider network is up on any host, and reaches nobody where no bridge is mapped to its wire. An instance
that is still to be placed goes where there is one: the scheduler's PhysicalNetworkFilter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from ..core.errors import Conflict


@dataclass(frozen=True)
class Wires:
    """The physical_network of each network that has one; and by host, where the inventory says so, those it is on."""

    networks: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)


def wires(networks: Mapping[str, Any], host_settings: Mapping[str, Any]) -> Wires:
    """Those of networks as they are defined and of hosts as they are set. What makes no sense is for others to tell."""
    named = {name: said.get("physical_network") for name, said in networks.items() if isinstance(said, Mapping)}
    mapped = {host: said.get("bridge_mappings") for host, said in host_settings.items() if isinstance(said, Mapping)}
    return Wires(
        {name: str(wire) for name, wire in named.items() if wire},
        {host: frozenset(map(str, each)) for host, each in mapped.items() if isinstance(each, Mapping)},
    )


def check_wires(known: Wires, before: Any, after: Any) -> None:
    """Conflict if a running instance is to get a port on a wire that its host is not on."""
    if before is None or not before.launched or before.host not in known.hosts:
        return
    made = {port.id for port in before.ports if port.network_info is not None}
    asked = {port.network for port in after.ports if port.id not in made and not port.leaving} & set(known.networks)
    missing = [name for name in sorted(asked) if known.networks[name] not in known.hosts[before.host]]
    if missing:
        raise Conflict(
            "networks: it runs on host %s, which has no bridge mapping for %s: say its interface there in "
            "compute_host_bridge_mappings and prepare the host, or leave the network out"
            % (before.host, ", ".join("%s of network %s" % (known.networks[name], name) for name in missing)),
            public="networks: its host does not reach %s: leave that out" % ", ".join(missing),
        )
