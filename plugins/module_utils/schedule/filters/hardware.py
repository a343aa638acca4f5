# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of what is allocated one by one: CPUs and pages of NUMA cells, PCI devices."""

from __future__ import annotations

from ..hardware.fit import fit, free_devices
from ..host_state import HostState
from ..model import Request
from .rule import rule


@rule(applies=lambda request: request.numa_topology, shows=lambda host, request: fit(host, request).reason)
def numa_topology(host: HostState, request: Request) -> str | None:
    """The host's cells have the CPUs, memory and pages that the flavor asks for, where it asks for them."""
    if fit(host, request).allocation is not None:
        return None
    return "have no room for its NUMA topology (%s)" % request.numa_topology


@rule(
    applies=lambda request: request.pci_requests,
    shows=lambda host, request: (
        "has %d free" % len({each["address"] for wanted in request.pci_requests for each in free_devices(host, wanted)})
    ),
)
def pci_passthrough(host: HostState, request: Request) -> str | None:
    """The host has so many free devices of each alias, near enough to the NUMA cells."""
    if fit(host, request).allocation is not None:
        return None
    return "lack PCI devices %s" % ", ".join("%s:%d" % (each.alias, each.count) for each in request.pci_requests)
