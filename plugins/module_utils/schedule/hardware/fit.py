# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host has the CPUs, pages and devices that a request asks for, and which of them it would allocate.

An allocation is {"numa": [{cell, vcpus, cpus, dedicated, blocked, memory_mb, page_size (KiB or None)}],
"pci": [addresses], "shared_cpus": [...]}; a key that says nothing is left out. It is recorded with the claim,
so that no CPU, page or device is allocated twice, and written into the domain. The same host allocates the same.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any, Iterable, Mapping, NamedTuple

from ..host_state import HostState
from ..model import Request
from .topology import NUMACell, NUMATopology, PCIRequest, match_of

MOST_TRIES = 5000  # ways to lay the guest's cells on the host's that are looked at


class Fit(NamedTuple):
    """What would be allocated, or why nothing can be. The allocation is empty where any CPUs will do."""

    allocation: dict[str, Any] | None
    reason: str | None = None


class Need(NamedTuple):
    """One of the guest's cells, and how its CPUs and pages are to be."""

    cell: NUMACell
    topology: NUMATopology


def fit(host: HostState, request: Request) -> Fit:
    """What this host would allocate to the request."""
    floats = request.numa_topology is None and host.cpu_dedicated_set
    shared = {"shared_cpus": sorted(set(range(host.vcpus)) - host.dedicated_set)} if floats else {}
    if request.numa_topology is None and not request.pci_requests:
        return Fit(shared)
    reason = "has none of the PCI devices"
    for cells, why in _layouts(host, request):
        if cells is None:
            reason = why
            continue
        devices = _devices(host, request.pci_requests, {cell["cell"] for cell in cells})
        if devices is not None:
            allocation = {"numa": cells, "pci": devices, **shared}
            return Fit({key: value for key, value in allocation.items() if value})
        reason = "lacks free PCI devices near enough"
    return Fit(None, reason)


def free_devices(host: HostState, request: PCIRequest) -> list[Mapping]:
    """The host's devices that match a PCI request and are nobody's, by address."""
    taken = {address for each in host.allocations for address in each.get("pci") or ()}
    return [
        each
        for each in host.facts.get("pci_devices") or ()
        if each["address"] not in taken and all(str(each.get(key)).lower() == value for key, value in request.match)
    ]


def aliased_devices(host: HostState, aliases: Mapping[str, Mapping]) -> list[Mapping]:
    """The host's devices that any alias speaks of and that are nobody's; one of several aliases more than once."""
    requests = [PCIRequest(name, 1, match_of(alias)) for name, alias in aliases.items()]
    return [device for request in requests for device in free_devices(host, request)]


def _devices(host: HostState, requests: Iterable[PCIRequest], cells: set[int]) -> list[str] | None:
    """Addresses for all PCI requests, those on the guest's cells first; None if they cannot all be met.

    The one that the fewest devices can meet chooses first.
    """
    chosen: list[str] = []
    for request in sorted(requests, key=lambda each: len(free_devices(host, each)) - each.count):
        free = [each for each in free_devices(host, request) if each["address"] not in chosen]
        nodes = {each["address"]: each.get("numa_node", -1) for each in free}
        near = [address for address, node in nodes.items() if node in cells]
        unknown = [address for address, node in nodes.items() if node < 0]
        if not cells or request.affinity == "preferred":
            offered = [*near, *(address for address in nodes if address not in near)]
        else:
            offered = near if request.affinity == "required" else near + unknown
        if len(offered) < request.count:
            return None
        chosen += offered[: request.count]
    return chosen


def _layouts(host: HostState, request: Request) -> Iterable[tuple[list[dict] | None, str | None]]:
    """The ways to lay the guest's cells on the host's, the emptiest cells first; or why one is none.

    A guest without PCI devices leaves the cells that have some to those that need them.
    """
    topology = request.numa_topology
    if topology is None:
        yield [], None
        return
    cells = [_FreeCell(host, cell) for cell in host.facts.get("numa_cells") or ()]
    if len(cells) < len(topology.cells):
        yield None, "has %d NUMA cells" % len(cells)
        return
    devices = [] if request.pci_requests else aliased_devices(host, request.settings.pci_aliases)
    nodes = {device.get("numa_node", -1) for device in devices}
    cells.sort(
        key=lambda cell: (
            cell.id in nodes, -len(cell.cpus) if topology.dedicated else cell.floating, -cell.memory_mb, cell.id,
        )
    )  # fmt: skip
    for _try, chosen in zip(range(MOST_TRIES), permutations(cells, len(topology.cells))):
        layout, why = [], None
        for free, cell in zip(chosen, topology.cells):
            allocated, why = free.allocate(Need(cell, topology))
            if allocated is None:
                break
            layout.append(allocated)
        yield (layout, None) if why is None else (None, why)


class _FreeCell:
    """What is free of one host cell, after all claims that stand."""

    def __init__(self, host: HostState, cell: Mapping):
        self.id = cell["id"]
        cells = [
            each for allocation in host.allocations for each in allocation.get("numa") or () if each["cell"] == self.id
        ]
        taken = {cpu for each in cells if each["dedicated"] for cpu in (*each["cpus"], *(each.get("blocked") or ()))}
        own = set(cell["cpus"])
        self.shared = sorted(own - host.dedicated_set)
        self.cpus = (own & host.dedicated_set if host.cpu_dedicated_set else own) - taken
        self.cores = [sorted(core) for core in cell.get("siblings") or [[cpu] for cpu in sorted(own)]]
        self.floating = sum(len(each["vcpus"]) for each in cells if not each["dedicated"])
        self.cpu_ratio, self.ram_ratio = host.vcpu_inventory.ratio, host.memory_inventory.ratio
        self.pages = {int(size): total for size, total in (cell.get("pages") or {}).items()}
        smallest = min(self.pages, default=0)  # libvirt counts among these none that are part of a larger page
        self.ordinary_mb = self.pages[smallest] * smallest // 1024 if self.pages else cell["memory_mb"]
        self.ordinary_mb_used = sum(each["memory_mb"] for each in cells if not each.get("page_size"))
        self.memory_mb = self.ordinary_mb - self.ordinary_mb_used
        for each in cells:
            if each.get("page_size") in self.pages:
                self.pages[each["page_size"]] -= each["memory_mb"] * 1024 // each["page_size"]

    def allocate(self, need: Need) -> tuple[dict[str, Any] | None, str | None]:
        """What a guest's cell would get here, or why nothing can be."""
        page_size, why = self._page_size(need)
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

    def _page_size(self, need: Need) -> tuple[int | None, str | None]:
        """The pages to use, in KiB, None for the host's ordinary ones; or why there are none."""
        asked, kib = need.topology.page_size, need.cell.memory_mb * 1024
        sizes = sorted(self.pages)
        if asked in (None, "small"):
            if self._has_ordinary(need):
                return None, None
            return None, "has %d MiB left in cell %d" % (self.memory_mb, self.id)
        if asked == "large":
            offered = sizes[:0:-1]
        elif asked == "any":
            offered = sizes[::-1]
        else:
            offered = [size for size in sizes if size == asked]
        for size in offered:
            if kib % size == 0 and self.pages[size] >= kib // size:
                ordinary = size == sizes[0]
                if ordinary and not self._has_ordinary(need):
                    continue
                return None if ordinary else size, None
        left = {size: self.pages[size] for size in offered}
        return None, "has pages (KiB: left) %s in cell %d" % (left, self.id)

    def _has_ordinary(self, need: Need) -> bool:
        """Whether the guest's cell fits into the memory that is in no large pages.

        Dedicated CPUs and pages of a size that is asked for are not overcommitted, nor is a cell by one guest alone
        (nova/virt/hardware.py, _numa_fit_instance_cell).
        """
        ratio = 1.0 if need.topology.dedicated else self.ram_ratio
        if need.topology.page_size:
            ratio = min(ratio, 1.0)
        used = need.cell.memory_mb + self.ordinary_mb_used
        return need.cell.memory_mb <= self.ordinary_mb and used <= self.ordinary_mb * ratio


def pick(free: set[int], cores: list[list[int]], count: int, threads: str) -> tuple[list[int], list[int]] | None:
    """So many free CPUs, and those that must stay idle beside them; None if the thread policy cannot be kept.

    prefer fills the freest cores first; require takes threads of cores that have several of them free; isolate one
    thread of each of as many cores that are free, whose other threads stay idle.
    """
    parts = sorted((sorted(set(core) & free) for core in cores), key=lambda part: (-len(part), part))
    if threads == "isolate":
        whole = [core for core in cores if set(core) <= free][:count]
        idle = sorted(cpu for core in whole for cpu in core[1:])
        return ([core[0] for core in whole], idle) if len(whole) == count else None
    if threads == "require":
        return _pick_siblings(parts, count)
    picked = [cpu for part in parts for cpu in part][:count]
    return (picked, []) if len(picked) == count else None


def _pick_siblings(parts: list[list[int]], count: int) -> tuple[list[int], list[int]] | None:
    """CPUs of cores that have several free threads, the same number of each (nova's _pack_instance_onto_cores)."""
    for width in range(max(map(len, parts), default=0), 1, -1):
        picked = [cpu for part in parts if len(part) >= width for cpu in part[:width]][:count]
        if len(picked) == count:
            return picked, []
    return None
