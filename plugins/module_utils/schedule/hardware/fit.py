# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host has the CPUs, pages and devices that a request asks for, and which of them it would allocate.

An allocation is {"numa": [{cell, vcpus, cpus, dedicated, blocked, memory_mb, page_size (KiB or None)}],
"pci": [addresses], "shared_cpus": [...], "emulator_cpus": [...]}; a key that says nothing is left out. It is recorded
with the claim, so that no CPU, page or device is allocated twice, and written into the domain. The same host allocates
the same.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from ..host_state import HostState
from ..model import Request
from .host_cell import HostCell, Need
from .topology import PCIRequest, match_of

MOST_TRIES = 20000  # pairs of a guest's cell and a host's that are tried; nova tries all, however long it takes


class Fit(NamedTuple):
    """What would be allocated, or why nothing can be. The allocation is empty where any CPUs will do."""

    allocation: dict[str, Any] | None
    reason: str | None = None


def fit(host: HostState, request: Request) -> Fit:
    """What this host would allocate to the request."""
    shared = {}
    if host.cpu_dedicated_set:
        cpus = sorted(set(range(host.vcpus)) - host.dedicated_set)
        floats, apart = request.numa_topology is None, getattr(request.numa_topology, "emulator", None) == "share"
        shared = {"shared_cpus": cpus} if floats else {"emulator_cpus": cpus} if apart else {}
    if request.numa_topology is None and not request.pci_requests:
        return Fit(shared)
    reason, tried = "has none of the PCI devices", set()
    for cells, why in _layouts(host, request):
        if cells is None:
            reason = why
            continue
        chosen = frozenset(cell["cell"] for cell in cells)
        if chosen in tried:  # devices know cells, not which of the guest's is on which
            continue
        tried.add(chosen)
        devices = _devices(host, request.pci_requests, chosen)
        if devices is not None:
            allocation = {"numa": cells, "pci": devices, **shared}
            return Fit({key: value for key, value in allocation.items() if value})
        reason = "lacks free PCI devices near enough"
    return Fit(None, reason)


def free_devices(host: HostState, request: PCIRequest, chosen: Iterable[str] = ()) -> list[Mapping]:
    """The host's devices that match a PCI request and are nobody's, nor among the chosen, by address.

    An SR-IOV device is as one with its virtual functions: whoever has it has them, whoever has one of them has none
    but that.
    """
    devices = host.facts.get("pci_devices") or ()
    taken = {address for each in host.allocations for address in each.get("pci") or ()}.union(chosen)
    parents = {each.get("parent") for each in devices if each["address"] in taken}
    return [
        each
        for each in devices
        if each["address"] not in taken | parents and each.get("parent") not in taken and _matches(each, request.match)
    ]


def _matches(device: Mapping, match: Iterable[tuple[str, str]]) -> bool:
    """Whether a device is one that an alias speaks of; as with nova an SR-IOV device itself only if that is said."""
    wanted = dict(match)
    known = {**device, "device_type": device.get("device_type") or "type-PCI"}
    if known["device_type"] == "type-PF" and not {"device_type", "address"} & set(wanted):
        return False
    return all(str(known.get(key)).lower() == value for key, value in wanted.items())


def aliased_devices(host: HostState, aliases: Mapping[str, Mapping]) -> list[Mapping]:
    """The host's devices that any alias speaks of and that are nobody's; one of several aliases more than once."""
    requests = [PCIRequest(name, 1, match_of(alias)) for name, alias in aliases.items()]
    return [device for request in requests for device in free_devices(host, request)]


def _devices(host: HostState, requests: Iterable[PCIRequest], cells: frozenset) -> list[str] | None:
    """Addresses for all PCI requests, those on the guest's cells first; None if they cannot all be met.

    The one that the fewest devices can meet chooses first.
    """
    chosen: list[str] = []
    for request in sorted(requests, key=lambda each: len(free_devices(host, each)) - each.count):
        free = free_devices(host, request, chosen)
        offered = _near_enough(host, free, request.affinity, cells) if cells else free
        if len(offered) < request.count:
            return None
        chosen += [each["address"] for each in offered[: request.count]]
    return chosen


def _near_enough(host: HostState, devices: list[Mapping], affinity: str, cells: frozenset) -> list[Mapping]:
    """The devices that a policy of affinity allows a guest on these cells, those on them first."""
    near = [each for each in devices if _node(each) in cells]
    unknown = [each for each in devices if _node(each) < 0]
    if affinity == "required":
        return near
    if affinity == "legacy":
        return near + unknown
    far = [each for each in devices if _node(each) >= 0 and _node(each) not in cells]
    if affinity == "preferred":
        return near + unknown + far
    beside = _cells_of_the_same_sockets(host, cells)
    return near + [each for each in far if _node(each) in beside]


def _node(device: Mapping) -> int:
    """The NUMA cell that a device is on, below 0 where the host does not say."""
    node = device.get("numa_node")
    return -1 if node is None else node


def _cells_of_the_same_sockets(host: HostState, cells: frozenset) -> set[int]:
    """The cells whose socket one of these has; none where the host does not say of each of its cells."""
    sockets = {cell["id"]: cell.get("socket") for cell in host.facts.get("numa_cells") or ()}
    if None in sockets.values():
        return set()
    return {cell for cell, socket in sockets.items() if socket in {sockets.get(each) for each in cells}}


def _layouts(host: HostState, request: Request) -> Iterator[tuple[list[dict] | None, str | None]]:
    """The ways to lay the guest's cells on the host's, each on one of its own; or why there is none."""
    topology = request.numa_topology
    if topology is None:
        yield [], None
        return
    cells = [HostCell(host, cell) for cell in host.facts.get("numa_cells") or ()]
    if len(cells) < len(topology.cells):
        yield None, "has %d NUMA cells" % len(cells)
        return
    if len(cells) > len(topology.cells):
        cells.sort(key=_preference(host, request))
    table = [[cell.allocate(Need(each, topology)) for cell in cells] for each in topology.cells]
    for offers in table:
        if all(allocated is None for allocated, _why in offers):
            yield None, offers[0][1]
            return
    layouts = _arrange(table, (), iter(range(MOST_TRIES)))
    first = next(layouts, None)
    yield (None, "has no NUMA cells for all of the guest's at once") if first is None else (first, None)
    yield from ((layout, None) for layout in layouts)


def _preference(host: HostState, request: Request) -> Callable:
    """The order in which nova (numa_fit_instance_to_host) tries a host's cells where there is a choice.

    A guest with PCI devices goes where most of those are that are free, one without leaves these cells to others;
    then to the emptiest.
    """
    devices = {each["address"]: _node(each) for each in aliased_devices(host, request.settings.pci_aliases)}
    free, sign = Counter(devices.values()), -1 if request.pci_requests else 1
    dedicated = request.numa_topology.dedicated
    return lambda cell: (
        sign * free[cell.id], -len(cell.cpus) if dedicated else cell.floating, cell.memory_mb_used - cell.memory_mb,
    )  # fmt: skip


def _arrange(table: list[list[tuple]], chosen: tuple[int, ...], tries: Iterator) -> Iterator[list[dict]]:
    """Every choice of one cell of the host's for each of the guest's, no cell twice."""
    if len(chosen) == len(table):
        yield [offers[index][0] for offers, index in zip(table, chosen)]
        return
    for index, (allocated, _why) in enumerate(table[len(chosen)]):
        if next(tries, None) is None:
            return
        if allocated is not None and index not in chosen:
            yield from _arrange(table, (*chosen, index), tries)
