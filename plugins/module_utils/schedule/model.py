# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host and a request are to the scheduler: a decision instead of a resource (the seed's steps 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Mapping, NamedTuple

from ..core.errors import LaunchError
from ..core.names import numbers
from ..instance.model import Instance
from .settings import Settings

DEFAULT_ZONE = "nova"
IMAGE_WISHES = ("hw_architecture", "img_hv_type", "hw_vm_mode", "img_hv_requested_version", "hw_machine_type")


class NoValidHost(LaunchError):
    """No host can take the instance; the message counts for each filter the hosts it refused, and why."""

    abort = True

    def __init__(self, message: str, refused: dict[str, Any] | None = None):
        super().__init__(message)
        self.refused = refused or {}


class Room(NamedTuple):
    """One kind of room on a host, placement's inventory: used + asked <= (total - reserved) * ratio."""

    total: int
    reserved: int
    ratio: float
    used: int
    units: Mapping = {}

    @property
    def left(self) -> float:
        """What can still be claimed."""
        return (self.total - self.reserved) * self.ratio - self.used

    def refuses(self, asked: int, word: str) -> str | None:
        """Why one claim of this much cannot be; word is the unit it is counted in. max_unit is the total if not set."""
        if not asked or (not self.units and asked <= self.total and asked <= self.left):
            return None
        most = self.units.get("max_unit") or self.total
        least, step = self.units.get("min_unit") or 1, self.units.get("step_size") or 1
        if asked > most:
            return "give one instance fewer than %d %s" % (asked, word)
        if asked < least:
            return "give one instance more than %d %s only" % (asked, word)
        if asked % step:
            return "do not give %d %s, only in steps" % (asked, word)
        return None if asked <= self.left else "lack %d %s" % (asked, word)


@dataclass(frozen=True)
class Host:
    """A compute node as the scheduler sees it: its room in vCPUs, MiB and GiB, what is claimed of it, its facts.

    generation counts the changes to its claims: a claim is good only against the generation it was decided on.
    aggregates are {name, metadata}. facts are what host_info told; given are the resources of the claims that
    hold more than an amount: CPUs, pages, PCI devices; images the properties of its instances' images, and placed
    those of the instances that this run adds. The first three may be read from the database when first asked for.
    """

    host: str
    generation: int
    enabled: bool
    disabled_reason: str | None
    vcpus: int
    memory_mb: int
    disk_gb: int
    vcpus_reserved: int
    memory_mb_reserved: int
    disk_gb_reserved: int
    cpu_allocation_ratio: float
    ram_allocation_ratio: float
    disk_allocation_ratio: float
    vcpus_used: int
    memory_mb_used: int
    disk_gb_used: int
    facts: Mapping
    availability_zone: str | None = None
    aggregates: tuple | None = None
    units: Mapping | None = None
    traits: tuple | None = None
    metrics: Mapping | None = None
    cpu_dedicated_set: str | None = None
    failed_builds: int = 0
    num_instances: int = 0
    num_io_ops: int = 0
    given: tuple | Any = ()
    images: tuple | Any = ()
    placed: tuple = ()

    @property
    def zone(self) -> str:
        """Its availability zone: its own, or that of one of its aggregates, or nova's default."""
        zones = self.availability_zone or next(iter(sorted(self.values("availability_zone"))), None)
        return zones or DEFAULT_ZONE

    @cached_property
    def dedicated_set(self) -> frozenset:
        """The CPUs kept for dedicated ones; empty if the operator has not set any apart."""
        return frozenset(numbers(self.cpu_dedicated_set or ""))

    @cached_property
    def room_vcpus(self) -> Room:
        """vCPUs. CPUs set apart for dedicated ones are not among them."""
        return Room(
            self.vcpus - len(self.dedicated_set),
            self.vcpus_reserved,
            self._ratio("cpu_allocation_ratio"),
            self.vcpus_used,
            (self.units or {}).get("vcpus") or {},
        )

    @cached_property
    def room_memory_mb(self) -> Room:
        """MiB of RAM."""
        ratio, units = self._ratio("ram_allocation_ratio"), (self.units or {}).get("memory_mb") or {}
        return Room(self.memory_mb, self.memory_mb_reserved, ratio, self.memory_mb_used, units)

    @cached_property
    def room_disk_gb(self) -> Room:
        """GiB of disk."""
        ratio, units = self._ratio("disk_allocation_ratio"), (self.units or {}).get("disk_gb") or {}
        return Room(self.disk_gb, self.disk_gb_reserved, ratio, self.disk_gb_used, units)

    def values(self, key: str) -> set[str]:
        """What the metadata of the host's aggregates says under a key."""
        metadata = [aggregate.get("metadata") or {} for aggregate in self.aggregates or ()]
        return {str(each[key]) for each in metadata if key in each}

    def metadata(self) -> dict[str, set[str]]:
        """All metadata of the host's aggregates; a value with commas is several."""
        told: dict[str, set[str]] = {}
        for aggregate in self.aggregates or ():
            for key, value in (aggregate.get("metadata") or {}).items():
                told.setdefault(key, set()).update(part.strip() for part in str(value).split(","))
        return told

    def number(self, key: str, otherwise: float, kind: type = float) -> float:
        """The least number that the aggregates' metadata says under a key, else what is set for all hosts."""
        if not self.aggregates:
            return otherwise
        try:
            return min(map(kind, self.values(key)), default=otherwise)
        except ValueError:
            return otherwise

    def _ratio(self, name: str) -> float:
        return self.number(name, getattr(self, name))

    def charge(self, request: Request) -> int:
        """The vCPUs a request costs here: dedicated CPUs are not taken from the vCPUs where they are set apart."""
        return 0 if request.dedicated and self.cpu_dedicated_set else request.vcpus

    def claimed(self, request: Request, resources: Mapping | None = None) -> Host:
        """The host with the request's share taken."""
        return replace(
            self,
            vcpus_used=self.vcpus_used + self.charge(request),
            memory_mb_used=self.memory_mb_used + request.memory_mb,
            disk_gb_used=self.disk_gb_used + request.disk_gb,
            num_instances=self.num_instances + 1,
            num_io_ops=self.num_io_ops + 1,
            given=(*self.given, resources) if resources else self.given,
            placed=(*self.placed, request.image_properties) if request.image_properties else self.placed,
        )


@dataclass(frozen=True)
class Group:
    """A server group: its policy, and how many of its members each host has."""

    name: str
    policy: str
    max_server_per_host: int | None = None
    hosts: Mapping = field(default_factory=dict)

    def joined(self, host: str) -> Group:
        """The group with one member more on a host."""
        return replace(self, hosts={**self.hosts, host: self.hosts.get(host, 0) + 1})


@dataclass(frozen=True)
class Request:
    """What one instance asks of its host. attempted are hosts that failed it; pinned are hosts that hold its volumes.

    topology and devices (see topology.py) are None and empty for an instance that any CPUs and no devices suffice;
    fault is set if the flavor asks for what cannot be. group, same_host and different_host hold hosts, so they are
    laid in from the record before a choice.
    """

    instance: Instance
    vcpus: int
    memory_mb: int
    disk_gb: int
    attempted: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    settings: Settings = Settings()
    extra_specs: Mapping = field(default_factory=dict)
    image_properties: Mapping = field(default_factory=dict)
    availability_zone: str | None = None
    hints: Mapping = field(default_factory=dict)
    topology: Any = None
    devices: tuple = ()
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
    def image_wishes(self) -> dict[str, str]:
        """What the image asks of a host, and the architecture to go by where it does not say."""
        wishes = {name: self.image_properties.get(name) for name in IMAGE_WISHES}
        wishes["hw_architecture"] = wishes["hw_architecture"] or self.settings.image_properties_default_architecture
        return {name: str(value).strip() for name, value in wishes.items() if value}

    @property
    def dedicated(self) -> bool:
        """Whether its CPUs are to be its own."""
        return self.topology is not None and self.topology.dedicated

    def to_result(self) -> dict[str, Any]:
        """The instance's document, still without a host, and why hosts were refused."""
        return {**self.instance.to_result(), "refused": dict(self.refused)}


@dataclass(frozen=True)
class Placement:
    """A request and where it goes, with the next best hosts, the weights of all of these, and what exactly it is given.

    refused tells, for each filter, how many hosts it removed and why.
    """

    request: Request
    host: str | None
    alternates: tuple[str, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    resources: Mapping | None = None
    refused: Mapping = field(default_factory=dict)

    def to_result(self) -> dict[str, Any]:
        """The instance's document with its host, the host's alternates and their weights."""
        document = replace(self.request.instance, host=self.host).to_result()
        return {
            **document,
            "alternates": list(self.alternates),
            "weights": dict(self.weights),
            "resources": self.resources,
            "refused": dict(self.refused),
        }


@dataclass(frozen=True)
class Claim:
    """A claim that stands: where, and what exactly was given."""

    host: str
    resources: Mapping | None = None


@dataclass(frozen=True)
class Cluster:
    """What the decision is made from: the hosts that may be chosen, and the claims that stand, by instance UUID.

    groups are the wanted requests' server groups by project and name; places the hosts of the instances that
    their hints name, by UUID and by name.
    """

    hosts: dict[str, Host]
    claims: dict[str, Claim]
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
