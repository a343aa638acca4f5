# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One NUMA cell of a host: the CPUs, memory and pages that it can give one of a guest's cells, by nova's rules."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from ..host_state import HostState
from .topology import NUMACell, NUMATopology


class Need(NamedTuple):
    """One of the guest's cells, and how its CPUs and pages are to be."""

    cell: NUMACell
    topology: NUMATopology


class HostCell:
    """What is free of a cell after all claims that stand (nova's objects.NUMACell).

    pages and free_pages are numbers of pages by their size in KiB; libvirt counts among the smallest none that are
    part of a larger page. What asks for no size of page is counted on the smallest.
    """

    def __init__(self, host: HostState, cell: Mapping):
        self.id = cell["id"]
        claims = [
            each for allocation in host.allocations for each in allocation.get("numa") or () if each["cell"] == self.id
        ]
        taken = {cpu for each in claims if each["dedicated"] for cpu in (*each["cpus"], *(each.get("blocked") or ()))}
        own = set(cell["cpus"])
        self.shared = sorted(own - host.dedicated_set)
        self.cpus = (own & host.dedicated_set if host.cpu_dedicated_set else own) - taken
        self.cores = [sorted(core) for core in cell.get("siblings") or [[cpu] for cpu in sorted(own)]]
        self.floating = sum(len(each["vcpus"]) for each in claims if not each["dedicated"])
        self.cpu_ratio, self.ram_ratio = host.vcpu_inventory.ratio, host.memory_inventory.ratio
        self.memory_mb, self.memory_mb_used = cell["memory_mb"], sum(each["memory_mb"] for each in claims)
        self.pages = {int(size): total for size, total in (cell.get("pages") or {}).items()}
        self.free_pages = dict(self.pages)
        for each in claims if self.pages else ():
            size = each.get("page_size") or min(self.pages)
            if size in self.free_pages:
                self.free_pages[size] -= each["memory_mb"] * 1024 // size

    def allocate(self, need: Need) -> tuple[dict[str, Any] | None, str | None]:
        """What a guest's cell would get here, or why nothing can be (nova's _numa_fit_instance_cell)."""
        page_size, why = self._memory(need)
        if why:
            return None, why
        found = {"cell": self.id, "vcpus": list(need.cell.vcpus), "dedicated": need.topology.dedicated, "blocked": []}
        found.update(memory_mb=need.cell.memory_mb, page_size=page_size)
        count = len(need.cell.vcpus)
        if not need.topology.dedicated:
            if count > len(self.shared) or count + self.floating > len(self.shared) * self.cpu_ratio:
                return None, "has %d of %d CPUs shared by %d vCPUs in cell %d" % (
                    len(self.shared), len(self.shared), self.floating, self.id,
                )  # fmt: skip
            return {**found, "cpus": self.shared}, None
        picked = pick(self.cpus, self.cores, count, need.topology.threads)
        if picked is None:
            return None, "has %d free CPUs to dedicate in cell %d" % (len(self.cpus), self.id)
        return {**found, "cpus": picked[0], "blocked": picked[1]}, None

    def _memory(self, need: Need) -> tuple[int | None, str | None]:
        """The pages to use, in KiB, None for the host's ordinary ones; or why there is no memory.

        A size that is asked for, and dedicated CPUs, are not overcommitted; nor is a cell by one guest alone.
        """
        asked, memory_mb = need.topology.page_size, need.cell.memory_mb
        size = None
        if asked:
            size = self._page_size(asked, memory_mb)
            if size is None:
                return None, "has pages (KiB: left) %s in cell %d" % (self.free_pages, self.id)
        elif memory_mb > self._ordinary_mb(need.topology.dedicated):
            return None, "has %d MiB left in cell %d" % (self._ordinary_mb(True), self.id)
        if not need.topology.dedicated and self.memory_mb_used + memory_mb > self.memory_mb * self.ram_ratio:
            return None, "has %d of %d MiB used in cell %d" % (self.memory_mb_used, self.memory_mb, self.id)
        return None if size == min(self.pages, default=None) else size, None

    def _page_size(self, asked: str | int, memory_mb: int) -> int | None:
        """The largest size that is asked for and of which there are enough free pages."""
        sizes = sorted(self.pages)
        offered = {"small": sizes[:1], "large": sizes[1:], "any": sizes}.get(asked, [asked])
        for size in reversed(offered):
            if memory_mb * 1024 % size == 0 and memory_mb * 1024 <= self.free_pages.get(size, 0) * size:
                return size
        return None

    def _ordinary_mb(self, free: bool) -> int:
        """The memory in MiB that is in no large pages, all of it or what is free."""
        if not self.pages:
            return self.memory_mb - (self.memory_mb_used if free else 0)
        return (self.free_pages if free else self.pages)[min(self.pages)] * min(self.pages) // 1024


def pick(free: set[int], cores: list[list[int]], count: int, threads: str) -> tuple[list[int], list[int]] | None:
    """So many free CPUs, and those that must stay idle beside them; None if the thread policy cannot be kept.

    The same number of threads of each core, as many as can be (nova's _pack_instance_onto_cores): require takes at
    least two of each; prefer takes any CPUs where cores cannot give the same number; isolate takes one thread of each
    of as many cores that are free, whose other threads stay idle.
    """
    parts = [sorted(set(core) & free) for core in cores]
    most = max(map(len, cores), default=0)
    if threads == "isolate":
        whole = [core for core in parts if len(core) == most][:count]
        idle = sorted(cpu for core in whole for cpu in core[1:])
        return ([core[0] for core in whole], idle) if len(whole) == count else None
    for width in range(most, 1 if threads == "require" else 0, -1):
        picked = [cpu for part in parts if len(part) >= width for cpu in part[:width]]
        if len(picked) >= count:
            return picked[:count], []
    picked = [cpu for part in parts for cpu in part]
    return (picked[:count], []) if threads == "prefer" and len(picked) >= count else None
