# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host as the scheduler sees it: its inventories of vCPUs, RAM and disk, what is allocated of them, its facts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Iterable, Mapping, NamedTuple

from ..core.names import numbers
from .model import Group, Request, Selection

DEFAULT_ZONE = "nova"  # nova's word for the zone of a host of which nobody has said any


def zone_of(availability_zone: str | None, aggregates: Iterable[Mapping] | None) -> str:
    """A host's availability zone: its own, or that of one of its aggregates, or nova's default."""
    return availability_zone or min(said_by(aggregates, "availability_zone"), default="") or DEFAULT_ZONE


def said_by(aggregates: Iterable[Mapping] | None, key: str) -> set[str]:
    """What the metadata of aggregates says under a key."""
    metadata = [aggregate.get("metadata") or {} for aggregate in aggregates or ()]
    return {str(each[key]) for each in metadata if key in each}


class Inventory(NamedTuple):
    """How much of one kind a host has, as placement counts it: used + asked <= (total - reserved) * ratio."""

    total: int
    reserved: int
    ratio: float
    used: int
    units: Mapping = {}

    @property
    def capacity(self) -> float:
        """What can be claimed in all."""
        return (self.total - self.reserved) * self.ratio

    @property
    def left(self) -> float:
        """What can still be claimed."""
        return self.capacity - self.used

    def refuses(self, amount: int, word: str) -> str | None:
        """Why one claim of this much cannot be; word is the unit it is counted in. max_unit is the total if not set."""
        if not amount or (not self.units and amount <= self.total and amount <= self.left):
            return None
        most = self.units.get("max_unit") or self.total
        least, step = self.units.get("min_unit") or 1, self.units.get("step_size") or 1
        if amount > most:
            return "give one instance fewer than %d %s" % (amount, word)
        if amount < least:
            return "give one instance more than %d %s only" % (amount, word)
        if amount % step:
            return "do not give %d %s, only in steps" % (amount, word)
        return None if amount <= self.left else "lack %d %s" % (amount, word)


@dataclass(frozen=True)
class HostState:
    """A compute node as the scheduler sees it: how much it has in vCPUs, MiB and GiB, how much is used, its facts.

    disk_gb_used are the claims of instances, and volumes that wait for one.
    generation counts the changes to its claims: a claim is good only against the generation it was decided on.
    aggregates are {name, metadata}. facts are what host_info told. allocations are those that hold more than an
    amount: CPUs, pages, PCI devices. images are the properties of its instances' images, new_images those of the
    instances that this run adds. facts, allocations and images may be read from the database when first asked for.
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
    bridge_mappings: Mapping | None = None
    machine: str | None = None
    failed_builds: int = 0
    num_instances: int = 0
    num_io_ops: int = 0
    allocations: tuple | Any = ()
    images: tuple | Any = ()
    new_images: tuple = ()

    @property
    def zone(self) -> str:
        """Its availability zone."""
        return zone_of(self.availability_zone, self.aggregates)

    @cached_property
    def dedicated_set(self) -> frozenset:
        """The CPUs kept for dedicated ones; empty if the operator has not set any apart."""
        return frozenset(numbers(self.cpu_dedicated_set or ""))

    @cached_property
    def vcpu_inventory(self) -> Inventory:
        """vCPUs. CPUs set apart for dedicated ones are not among them."""
        return Inventory(
            self.vcpus - len(self.dedicated_set),
            self.vcpus_reserved,
            self._ratio("cpu_allocation_ratio"),
            self.vcpus_used,
            (self.units or {}).get("vcpus") or {},
        )

    @cached_property
    def memory_inventory(self) -> Inventory:
        """MiB of RAM."""
        ratio, units = self._ratio("ram_allocation_ratio"), (self.units or {}).get("memory_mb") or {}
        return Inventory(self.memory_mb, self.memory_mb_reserved, ratio, self.memory_mb_used, units)

    @cached_property
    def disk_inventory(self) -> Inventory:
        """GiB of disk."""
        ratio, units = self._ratio("disk_allocation_ratio"), (self.units or {}).get("disk_gb") or {}
        return Inventory(self.disk_gb, self.disk_gb_reserved, ratio, self.disk_gb_used, units)

    @property
    def free_disk_gb(self) -> int:
        """GiB that claims leave and that nobody else has (nova: the less of its free_disk_gb and disk_available_least).

        A claim counts whole, as a disk may grow to that; so what others have is told by the host, and no more.
        """
        kept = max(self.disk_gb_reserved, self.facts.get("foreign_disk_gb") or 0)
        return self.disk_gb - kept - self.disk_gb_used

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """What of the host is kept free and how far it may be claimed, as the host itself is to go by (nova's limits).

        Where CPUs are set apart for dedicated ones, their number on the host says nothing.
        """
        inventories = {"memory_mb": self.memory_inventory}
        if not self.cpu_dedicated_set:
            inventories["vcpus"] = self.vcpu_inventory
        return {kind: {"reserved": each.reserved, "ratio": each.ratio} for kind, each in inventories.items()}

    def aggregate_values(self, key: str) -> set[str]:
        """What the metadata of the host's aggregates says under a key."""
        return said_by(self.aggregates, key)

    def aggregate_metadata(self) -> dict[str, set[str]]:
        """All metadata of the host's aggregates; a value with commas is several."""
        known: dict[str, set[str]] = {}
        for aggregate in self.aggregates or ():
            for key, value in (aggregate.get("metadata") or {}).items():
                known.setdefault(key, set()).update(part.strip() for part in str(value).split(","))
        return known

    def aggregate_number(self, key: str, otherwise: float, kind: type = float) -> float:
        """The least number that the aggregates' metadata says under a key, else what is set for all hosts.

        So it is where one of them is no finite number: with nan no weights are in any order.
        """
        if not self.aggregates:
            return otherwise
        try:
            found = [kind(value) for value in self.aggregate_values(key)]
        except ValueError:
            return otherwise
        return min(found, default=otherwise) if all(map(math.isfinite, found)) else otherwise

    def _ratio(self, name: str) -> float:
        return self.aggregate_number(name, getattr(self, name))

    def charge(self, request: Request) -> int:
        """The vCPUs a request costs here: dedicated CPUs are not taken from the vCPUs where they are set apart."""
        return 0 if request.dedicated and self.cpu_dedicated_set else request.vcpus

    def consume(self, request: Request, allocation: Mapping | None = None) -> HostState:
        """The host with the request's share taken."""
        return replace(
            self,
            vcpus_used=self.vcpus_used + self.charge(request),
            memory_mb_used=self.memory_mb_used + request.memory_mb,
            disk_gb_used=self.disk_gb_used + request.new_disk_gb,
            num_instances=self.num_instances + 1,
            num_io_ops=self.num_io_ops + 1,
            allocations=(*self.allocations, allocation) if allocation else self.allocations,
            new_images=(*self.new_images, request.image_properties) if request.image_properties else self.new_images,
        )


@dataclass(frozen=True)
class Cluster:
    """What the decision is made from: the hosts that may be chosen, and the selections that hold a claim already.

    selections are by instance UUID; groups the wanted requests' server groups by project and name; places the hosts
    of the instances that their hints name, by UUID and by name. notes tell of hosts that may not be chosen, for people.
    """

    hosts: dict[str, HostState]
    selections: dict[str, Selection]
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
