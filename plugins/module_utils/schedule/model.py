# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of the scheduler, and what it answers: a decision instead of a resource (the seed's steps 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Callable, Mapping

from ..core.errors import LaunchError
from ..instance.model import Instance
from .settings import Settings

IMAGE_REQUIREMENTS = (
    "hw_architecture", "img_hv_type", "hw_vm_mode", "img_hv_requested_version", "hw_machine_type", "hw_firmware_type",
)  # fmt: skip


class NoValidHost(LaunchError):
    """No host can take the instance; the message counts for each filter the hosts it refused, and why."""

    abort = True

    def __init__(self, message: str, refused: dict[str, Any] | None = None, public: str | None = None):
        super().__init__(message, public)
        self.refused = refused or {}


@dataclass(frozen=True)
class Policy:
    """How hosts are chosen: filters by name, weighers by name with their multiplier.

    alternates is their number; host_subset_size how many of the best hosts the one chosen may be of.
    """

    filters: dict[str, Callable]
    weighers: dict[str, tuple[Any, float]]
    alternates: int = 2
    host_subset_size: int = 1


@dataclass(frozen=True)
class Group:
    """A server group: its policy, and how many of its members each host has."""

    name: str
    policy: str
    max_server_per_host: int | None = None
    hosts: Mapping = field(default_factory=dict)

    def add(self, host: str) -> Group:
        """The group with one member more on a host."""
        return replace(self, hosts={**self.hosts, host: self.hosts.get(host, 0) + 1})


@dataclass(frozen=True)
class Request:
    """What one instance asks of its host. attempted are hosts that failed it; pinned are those that have its volumes,
    or that have begun to build it. waiting_gb are the GiB of disk_gb that its volumes have on their host already.

    numa_topology and pci_requests (hardware/topology.py) are None and empty where any CPUs and no devices will do;
    fault is set if the flavor asks for what cannot be. group, same_host and different_host hold hosts, which are
    read from the record before a choice (affinity.py). wired are the hosts on physical_networks that are known to be
    there beside those whose own bridge_mappings say so.
    """

    instance: Instance
    vcpus: int
    memory_mb: int
    disk_gb: int
    waiting_gb: int = 0
    attempted: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    settings: Settings = Settings()
    extra_specs: Mapping = field(default_factory=dict)
    image_properties: Mapping = field(default_factory=dict)
    availability_zone: str | None = None
    physical_networks: tuple[str, ...] = ()
    wired: Mapping[str, frozenset] = field(default_factory=dict, repr=False, compare=False)
    hints: Mapping = field(default_factory=dict)
    numa_topology: Any = None
    pci_requests: tuple = ()
    group: Group | None = None
    same_host: frozenset | None = None
    different_host: frozenset | None = None
    refused: Mapping = field(default_factory=dict)
    fault: LaunchError | None = None

    @property
    def key(self) -> str:
        """The instance's UUID, the consumer of the claim."""
        return self.instance.uuid

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.instance.name

    @cached_property
    def image_requirements(self) -> dict[str, str]:
        """What the image asks of a host, and the architecture to go by where it does not say."""
        required = {name: self.image_properties.get(name) for name in IMAGE_REQUIREMENTS}
        required["hw_architecture"] = required["hw_architecture"] or self.settings.image_properties_default_architecture
        return {name: str(value).strip() for name, value in required.items() if value}

    @property
    def new_disk_gb(self) -> int:
        """The GiB that its host must still have."""
        return self.disk_gb - self.waiting_gb

    @property
    def dedicated(self) -> bool:
        """Whether its CPUs are to be its own."""
        return self.numa_topology is not None and self.numa_topology.dedicated

    def to_result(self) -> dict[str, Any]:
        """What the instance's document is told: no host, and why hosts were refused."""
        return {"name": self.name, "refused": dict(self.refused)}


@dataclass(frozen=True)
class Selection:
    """A request and its host, with the next best hosts and the weights of all of these.

    allocation has the CPUs, pages and PCI devices of the host (hardware/fit.py), None where any will
    do. limits are what the host itself holds the claim to when it builds; empty for a claim of before. zone is the
    host's availability zone, which its guest is told.
    refused tells, for each filter, how many hosts it removed and why.
    """

    request: Request
    host: str | None
    alternates: tuple[str, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    allocation: Mapping | None = None
    refused: Mapping = field(default_factory=dict)
    limits: Mapping = field(default_factory=dict, compare=False)
    zone: str | None = None

    def to_result(self) -> dict[str, Any]:
        """What the instance's document is told: its host, the alternates, their weights, and what it is given."""
        return {
            "name": self.request.name,
            "host": self.host,
            "zone": self.zone,
            "alternates": list(self.alternates),
            "weights": dict(self.weights),
            "allocation": self.allocation,
            "limits": dict(self.limits),
            "refused": dict(self.refused),
        }
