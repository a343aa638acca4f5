# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of what is given piece by piece: CPUs and pages of NUMA cells, PCI devices."""

from __future__ import annotations

from ..hardware.fit import fit, free_devices
from ..model import Host, Request
from .rule import rule


@rule(applies=lambda request: request.topology, shows=lambda host, request: fit(host, request).reason)
def numa_topology(host: Host, request: Request) -> str | None:
    """The host's cells have the CPUs, memory and pages that the flavor asks for, where it asks for them."""
    return (
        None
        if fit(host, request).resources is not None
        else "have no room for its NUMA topology (%s)" % request.topology
    )


@rule(
    applies=lambda request: request.devices,
    shows=lambda host, request: (
        "has %d free" % len({each["address"] for wish in request.devices for each in free_devices(host, wish)})
    ),
)
def pci_passthrough(host: Host, request: Request) -> str | None:
    """The host has so many free devices of each alias, near enough to the NUMA cells."""
    if fit(host, request).resources is not None:
        return None
    return "lack PCI devices %s" % ", ".join("%s:%d" % (wish.alias, wish.count) for wish in request.devices)
