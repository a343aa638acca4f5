# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of capacity: placement's checks, and nova's limits on how busy a host may be."""

from __future__ import annotations

from ..host_state import HostState
from ..model import Request
from .rule import rule


@rule(shows=lambda host, request: "has %g of %d vCPUs left" % (host.vcpu_inventory.left, host.vcpus))
def core(host: HostState, request: Request) -> str | None:
    """used + asked <= (total - reserved) * ratio, and never more vCPUs than the host has."""
    asked = host.charge(request) if request.numa_topology else request.vcpus
    return host.vcpu_inventory.refuses(asked, "vCPUs")


@rule(shows=lambda host, request: "has %g of %d MiB left" % (host.memory_inventory.left, host.memory_mb))
def ram(host: HostState, request: Request) -> str | None:
    """Claims, never free memory: used + asked <= (total - reserved) * ratio; total is what the host told when asked."""
    return host.memory_inventory.refuses(request.memory_mb, "MiB")


@rule(
    applies=lambda request: request.disk_gb,
    shows=lambda host, request: "has %g of %d GiB left" % (host.disk_inventory.left, host.disk_gb),
)
def disk(host: HostState, request: Request) -> str | None:
    """Root disk and new local volumes fit, as claims; volumes that wait on the host are counted there, as they will be.

    nova knows of no local volumes but its own root disks.
    """
    if request.waiting_gb and host.disk_inventory.left < request.new_disk_gb:
        return "lack %d GiB beside the volumes that wait there" % request.new_disk_gb
    return host.disk_inventory.refuses(request.new_disk_gb, "GiB")


@rule(shows=lambda host, request: "builds %d" % host.num_io_ops)
def io_ops(host: HostState, request: Request) -> str | None:
    """A host that builds many instances already takes no more for now."""
    return _busy(host.num_io_ops, request.settings.max_io_ops_per_host)


@rule(shows=lambda host, request: "builds %d" % host.num_io_ops)
def aggregate_io_ops(host: HostState, request: Request) -> str | None:
    """The same, with the limit that the host's aggregates set."""
    return _busy(
        host.num_io_ops, host.aggregate_number("max_io_ops_per_host", request.settings.max_io_ops_per_host, int)
    )


@rule(shows=lambda host, request: "has %d" % host.num_instances)
def num_instances(host: HostState, request: Request) -> str | None:
    """A host takes so many instances and no more."""
    return _full(host.num_instances, request.settings.max_instances_per_host)


@rule(shows=lambda host, request: "has %d" % host.num_instances)
def aggregate_num_instances(host: HostState, request: Request) -> str | None:
    """The same, with the limit that the host's aggregates set."""
    limit = host.aggregate_number("max_instances_per_host", request.settings.max_instances_per_host, int)
    return _full(host.num_instances, limit)


def _busy(have: int, limit: float) -> str | None:
    return None if have < limit else "build %d instances or more now" % limit


def _full(have: int, limit: float) -> str | None:
    return None if have < limit else "have %d instances or more" % limit
