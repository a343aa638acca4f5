# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's weighers, with nova's names: each gives a host a number, more is better.

To add one: a function here, its name in WEIGHERS with nova's default multiplier, a case in
tests/unit/schedule/test_weighers.py. Other collections' weighers are called by their full names (plugins.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable

from ..core.errors import InvalidRequest
from .hardware.fit import aliased_devices
from .host_state import HostState
from .model import Request

MOST_DEVICES = 100  # nova/scheduler/weights/pci.py, MAX_DEVS: more than these are no scarce thing


@dataclass(frozen=True)
class Weigher:
    """A weigher: its function, default multiplier, and the metadata by which aggregates override that.

    least is the value that becomes 0 when values are laid on 0..1; None for the least one there is. sign -1 turns
    the multiplier round. A weigher that is by_request looks at the request, not only at host and settings; applies
    says of a request whether the weigher's value differs at all from host to host.
    """

    weigh: Callable[[HostState, Request], float]
    multiplier: float = 1.0
    override: str | None = None
    least: float | None = None
    sign: int = 1
    by_request: bool = True
    applies: Callable[[Request], Any] | None = None

    def multiplied(self, host: HostState, multiplier: float) -> float:
        """The multiplier on this host."""
        return self.sign * (
            host.aggregate_number(self.override, multiplier) if self.override and host.aggregates else multiplier
        )


def ram(host: HostState, request: Request) -> float:
    """Hosts with more RAM left first: instances spread. As with nova the ratio does not count."""
    return host.memory_mb - host.memory_mb_reserved - host.memory_mb_used


def cpu(host: HostState, request: Request) -> float:
    """Hosts with more shared vCPUs left first. As with nova the ratio counts, what is reserved does not."""
    return host.vcpu_inventory.total * host.vcpu_inventory.ratio - host.vcpus_used


def disk(host: HostState, request: Request) -> float:
    """Hosts with more disk left first, by the claims and by what really is free."""
    return host.free_disk_gb


def io_ops(host: HostState, request: Request) -> float:
    """Instances being built; the multiplier is below 0, so that idle hosts come first."""
    return host.num_io_ops


def num_instances(host: HostState, request: Request) -> float:
    """Instances on the host."""
    return host.num_instances


def build_failure(host: HostState, request: Request) -> float:
    """Failed builds since the last good one."""
    return host.failed_builds


def hypervisor_version(host: HostState, request: Request) -> float:
    """Newer hypervisors first."""
    return host.facts.get("hypervisor_version") or 0


def pci(host: HostState, request: Request) -> float:
    """Hosts with fewer free PCI devices first: an instance that needs none leaves them to those that do."""
    free = len({each["address"] for each in aliased_devices(host, request.settings.pci_aliases)})
    return MOST_DEVICES - min(free, MOST_DEVICES - 1)


def _members(host: HostState, request: Request, policy: str) -> int:
    return request.group.hosts.get(host.host, 0) if request.group and request.group.policy == policy else 0


def soft_affinity(host: HostState, request: Request) -> float:
    """Hosts with more members of the group first."""
    return _members(host, request, "soft-affinity")


def soft_anti_affinity(host: HostState, request: Request) -> float:
    """Hosts with fewer members of the group first."""
    return -_members(host, request, "soft-anti-affinity")


def image_properties(host: HostState, request: Request) -> float:
    """How often the image's properties are those of the instances on the host, each by its weight in the settings."""
    setting = request.settings.image_props_weight_setting
    have = Counter((key, str(value)) for image in (*host.images, *host.new_images) for key, value in image.items())
    asked = [(key, str(value)) for key, value in request.image_properties.items()]
    return sum(have[each] * (setting.get(each[0], 0.0) if setting else 1.0) for each in asked)


def metrics(host: HostState, request: Request) -> float:
    """The host's metrics, each by its ratio, added up; a host that lacks one goes last, or is an error."""
    settings, known, ratios = request.settings, host.metrics or {}, request.settings.metrics_weight_setting
    missing = [name for name in ratios if name not in known]
    if missing and settings.metrics_required:
        raise InvalidRequest(
            "host %s does not tell the metric %s: filter such hosts with MetricsFilter, or set metrics_required to"
            " false" % (host.host, missing[0]),
            public="a host does not tell the metric %s" % missing[0],
        )
    if any(ratios[name] for name in missing):
        return settings.metrics_weight_of_unavailable
    return sum(float(known[name]) * ratio for name, ratio in ratios.items() if name in known)


WEIGHERS = {
    "RAMWeigher": Weigher(ram, 1.0, "ram_weight_multiplier", least=0, by_request=False),
    "CPUWeigher": Weigher(cpu, 1.0, "cpu_weight_multiplier", least=0, by_request=False),
    "DiskWeigher": Weigher(disk, 1.0, "disk_weight_multiplier", least=0, by_request=False),
    "IoOpsWeigher": Weigher(io_ops, -1.0, "io_ops_weight_multiplier", least=0, by_request=False),
    "NumInstancesWeigher": Weigher(num_instances, 0.0, "num_instances_weight_multiplier", by_request=False),
    "BuildFailureWeigher": Weigher(build_failure, 1e6, "build_failure_weight_multiplier", sign=-1, by_request=False),
    "HypervisorVersionWeigher": Weigher(
        hypervisor_version, 1.0, "hypervisor_version_weight_multiplier", by_request=False
    ),
    "PCIWeigher": Weigher(pci, 1.0, "pci_weight_multiplier", by_request=False),
    "ServerGroupSoftAffinityWeigher": Weigher(
        soft_affinity, 1.0, "soft_affinity_weight_multiplier", applies=lambda request: request.group
    ),
    "ServerGroupSoftAntiAffinityWeigher": Weigher(
        soft_anti_affinity, 1.0, "soft_anti_affinity_weight_multiplier", applies=lambda request: request.group
    ),
    "ImagePropertiesWeigher": Weigher(
        image_properties, 0.0, "image_props_weight_multiplier", applies=lambda request: request.image_properties
    ),
    "MetricsWeigher": Weigher(metrics, 1.0, "metrics_weight_multiplier", by_request=False),
}
