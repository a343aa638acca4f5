# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a flavor and an image ask of a host's hardware: NUMA cells, dedicated CPUs, pages, PCI devices.

The words are nova's (nova/virt/hardware.py, numa_get_constraints); what contradicts itself is an InvalidRequest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping

from ...core.convert import whole
from ...core.errors import InvalidRequest
from ...core.names import MOST_CPUS, numbers

AFFINITIES = ("required", "socket", "legacy", "preferred")
DEVICE_TYPES = ("type-PCI", "type-PF", "type-VF")
CHOICES = {
    "hw:cpu_policy": ("shared", "dedicated"),
    "hw:cpu_thread_policy": ("prefer", "isolate", "require"),
    "hw:pci_numa_affinity_policy": AFFINITIES,
}
# What a flavor says that holds whatever the image says.
PREVAILS = {"hw:cpu_policy": ("dedicated",), "hw:cpu_thread_policy": ("prefer",)}
# The trait that asks for a thread policy, and what it asks for.
HYPERTHREADING = "trait:HW_CPU_HYPERTHREADING"
THREADS = {"required": "require", "forbidden": "isolate"}

_SIZE = re.compile(r"([0-9]{1,20})(?:([KMGT]?)i?(b|bit|B))?")
_KIB = {"": 1 / 1024, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}


@dataclass(frozen=True)
class NUMACell:
    """One of the guest's NUMA cells: its vCPUs by number, its memory in MiB."""

    vcpus: tuple[int, ...]
    memory_mb: int


@dataclass(frozen=True)
class NUMATopology:
    """The guest's cells, each on a host cell of its own. page_size: None, small, large, any, or KiB.

    emulator: share, if its emulator's threads are to be on the host's shared CPUs.
    """

    cells: tuple[NUMACell, ...]
    dedicated: bool = False
    threads: str = "prefer"
    page_size: str | int | None = None
    emulator: str | None = None

    def __str__(self) -> str:
        parts = ["%d cells" % len(self.cells) if len(self.cells) > 1 else "1 cell"]
        parts += (
            ["dedicated CPUs" + ("" if self.threads == "prefer" else ", " + self.threads)] if self.dedicated else []
        )
        parts += ["pages %s" % self.page_size] if self.page_size else []
        return ", ".join(parts)


@dataclass(frozen=True)
class PCIRequest:
    """So many PCI devices of an alias. affinity: must they be on the guest's cells (legacy: where that is known)?"""

    alias: str
    count: int
    match: tuple[tuple[str, str], ...]
    affinity: str = "legacy"


def parse_topology(vcpus: int, memory_mb: int, extra_specs: Mapping, properties: Mapping) -> NUMATopology | None:
    """The topology asked for; None if any CPUs will do."""
    dedicated = _value("hw:cpu_policy", extra_specs, properties) == "dedicated"
    page_size = _page_size(extra_specs.get("hw:mem_page_size"), properties.get("hw_mem_page_size"))
    threads = _threads(extra_specs, properties)
    if threads and not dedicated:
        raise InvalidRequest("hw:cpu_thread_policy and %s are only for hw:cpu_policy dedicated" % HYPERTHREADING)
    emulator = extra_specs.get("hw:emulator_threads_policy")
    if emulator and not dedicated:
        raise InvalidRequest("hw:emulator_threads_policy is only for hw:cpu_policy dedicated")
    count = _of_one("hw:numa_nodes", extra_specs.get("hw:numa_nodes"), properties.get("hw_numa_nodes"))
    if count is None and not dedicated and page_size is None:
        return None
    if vcpus > MOST_CPUS:
        raise InvalidRequest("%d vCPUs: no host has more than %d CPUs to place them on" % (vcpus, MOST_CPUS))
    count = whole(1 if count is None else count, "hw:numa_nodes", least=1)
    cells = _cells(count, vcpus, memory_mb, extra_specs, properties)
    return NUMATopology(cells, dedicated, threads or "prefer", page_size, emulator)


def parse_pci_requests(
    extra_specs: Mapping, properties: Mapping, aliases: Mapping[str, Mapping]
) -> tuple[PCIRequest, ...]:
    """The devices of pci_passthrough:alias, such as gpu:2,nic:1, by the table of aliases."""
    affinity = _value("hw:pci_numa_affinity_policy", extra_specs, properties)
    requests = []
    for part in filter(None, str(extra_specs.get("pci_passthrough:alias") or "").replace(" ", "").split(",")):
        name, _colon, count = part.partition(":")
        if name not in aliases:
            raise InvalidRequest(
                "PCI alias %s is not defined in pci_aliases (%s)" % (name, ", ".join(aliases) or "none are")
            )
        entry = aliases[name]
        requests.append(
            PCIRequest(
                name,
                whole(count or 1, "PCI alias " + name, least=1),
                match_of(entry),
                affinity or entry.get("numa_policy") or "legacy",
            )
        )
    return tuple(requests)


def match_of(alias: Mapping) -> tuple[tuple[str, str], ...]:
    """What an alias says of its devices."""
    keys = ("vendor_id", "product_id", "address", "device_type")
    return tuple((key, str(alias[key]).lower()) for key in keys if alias.get(key))


def _value(key: str, extra_specs: Mapping, properties: Mapping) -> str | None:
    """The flavor's word, or the image's where the flavor has none or leaves it to the image.

    They may not contradict each other, but for flavors whose word holds whatever the image says (nova's rules).
    """
    name = key.replace(":", "_")
    flavor, image = extra_specs.get(key), properties.get(name)
    for word in (flavor, image):
        if word is not None and word not in CHOICES[key]:
            raise InvalidRequest("%s is %r, it must be one of %s" % (key, word, ", ".join(CHOICES[key])))
    if flavor and image and flavor != image and flavor not in PREVAILS.get(key, ()):
        raise InvalidRequest("the image's %s %s is not the flavor's %s" % (name, image, flavor))
    return flavor or image


def _of_one(key: str, flavor: Any, image: Any) -> Any:
    """What the flavor says, or the image; the guest's NUMA nodes are described by one of them, as with nova."""
    if flavor and image:
        raise InvalidRequest("%s is the flavor's: the image may not say %s as well" % (key, key.replace(":", "_")))
    return flavor or image


def _threads(extra_specs: Mapping, properties: Mapping) -> str | None:
    """The thread policy, under its own name or as the trait that nova makes of it."""
    policy = _value("hw:cpu_thread_policy", extra_specs, properties)
    trait = THREADS.get(extra_specs.get(HYPERTHREADING) or properties.get(HYPERTHREADING))
    if policy and trait:
        raise InvalidRequest("hw:cpu_thread_policy and %s say the same: leave one of them out" % HYPERTHREADING)
    return policy or trait


def _page_size(flavor: Any, image: Any) -> str | int | None:
    """small, large, any, or a size in KiB. The image's where the flavor lets it choose: pages are not its to give."""
    if image and flavor not in ("any", "large"):
        raise InvalidRequest(
            "the image's hw_mem_page_size %s needs a flavor with hw:mem_page_size large or any, it has %s"
            % (image, flavor)
        )
    word = image or flavor
    if word is None or word in ("small", "large", "any"):
        return word
    found = _SIZE.fullmatch(str(word))
    if not found:
        raise InvalidRequest("hw:mem_page_size is %r, it must be small, large, any, or a size such as 2MB" % (word,))
    number, prefix, unit = found.groups()
    kib = int(number) * (_KIB[prefix] if unit else 1) / (8 if unit in ("b", "bit") else 1)
    return whole(int(kib) if kib == int(kib) else kib, "hw:mem_page_size (KiB)", least=1)


def _cells(count: int, vcpus: int, memory_mb: int, extra_specs: Mapping, properties: Mapping) -> tuple[NUMACell, ...]:
    """The guest's cells: as hw:numa_cpus.N and hw:numa_mem.N part it, else evenly."""
    cpus, memory = (_by_node(key, extra_specs, properties) for key in ("hw:numa_cpus", "hw:numa_mem"))
    if not cpus and not memory:
        if vcpus % count or memory_mb % count:
            raise InvalidRequest(
                "%d vCPUs and %d MiB cannot be parted evenly among %d NUMA nodes: say hw:numa_cpus.N and hw:numa_mem.N"
                % (vcpus, memory_mb, count)
            )
        share = vcpus // count
        return tuple(
            NUMACell(tuple(range(index * share, index * share + share)), memory_mb // count) for index in range(count)
        )
    if not len(cpus) == len(memory) == count or {*cpus, *memory} != {str(index) for index in range(count)}:
        raise InvalidRequest("hw:numa_cpus.N and hw:numa_mem.N must be said for each of the %d NUMA nodes" % count)
    cells = tuple(_cell(index, cpus[str(index)], memory[str(index)]) for index in range(count))
    if sorted(cpu for cell in cells for cpu in cell.vcpus) != list(range(vcpus)):
        raise InvalidRequest("hw:numa_cpus.N must have each of the %d vCPUs once" % vcpus)
    if sum(cell.memory_mb for cell in cells) != memory_mb:
        raise InvalidRequest("hw:numa_mem.N must add up to the flavor's %d MiB" % memory_mb)
    return cells


def _by_node(key: str, extra_specs: Mapping, properties: Mapping) -> dict[str, Any]:
    """What is said of each NUMA node, by its number."""
    flavor, image = (
        {word[len(start) :]: value for word, value in words.items() if word.startswith(start)}
        for words, start in ((extra_specs, key + "."), (properties, key.replace(":", "_") + "."))
    )
    return _of_one(key, flavor, image)


def _cell(index: int, cpus: Any, memory: Any) -> NUMACell:
    try:
        vcpus = tuple(numbers(str(cpus)))
    except ValueError as error:
        raise InvalidRequest(
            "hw:numa_cpus.%d is %r, it must be a list such as 0-3,5: %s" % (index, cpus, error)
        ) from None
    return NUMACell(vcpus, whole(memory, "hw:numa_mem.%d (MiB)" % index, least=1))
