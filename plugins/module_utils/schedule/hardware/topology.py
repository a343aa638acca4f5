# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a flavor and an image ask of a host's hardware: NUMA cells, dedicated CPUs, pages, PCI devices.

The words are nova's (nova/virt/hardware.py, numa_get_constraints); what contradicts itself is an InvalidRequest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ...core.errors import InvalidRequest
from ...core.names import numbers

UNITS = {"KB": 1, "MB": 1024, "GB": 1024 * 1024, "KIB": 1, "MIB": 1024, "GIB": 1024 * 1024}
AFFINITIES = ("legacy", "preferred", "required")  # nova's socket is missing: hosts do not tell their sockets
CHOICES = {
    "hw:cpu_policy": ("shared", "dedicated"),
    "hw:cpu_thread_policy": ("prefer", "isolate", "require"),
    "hw:pci_numa_affinity_policy": AFFINITIES,
}
# What a flavor says that holds whatever the image says.
PREVAILS = {"hw:cpu_policy": ("dedicated",), "hw:cpu_thread_policy": ("prefer",)}


@dataclass(frozen=True)
class NUMACell:
    """One of the guest's NUMA cells: its vCPUs by number, its memory in MiB."""

    vcpus: tuple[int, ...]
    memory_mb: int


@dataclass(frozen=True)
class NUMATopology:
    """The guest's cells, each on a host cell of its own. page_size: None, small, large, any, or KiB."""

    cells: tuple[NUMACell, ...]
    dedicated: bool = False
    threads: str = "prefer"
    page_size: str | int | None = None

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
    values = {
        key: _value(key, extra_specs, properties)
        for key in ("hw:cpu_policy", "hw:cpu_thread_policy", "hw:mem_page_size")
    }
    dedicated, page_size = values["hw:cpu_policy"] == "dedicated", _page_size(values["hw:mem_page_size"])
    if values["hw:cpu_thread_policy"] and not dedicated:
        raise InvalidRequest("hw:cpu_thread_policy is only for hw:cpu_policy dedicated")
    count = _value("hw:numa_nodes", extra_specs, properties)
    if count is None and not dedicated and page_size is None:
        return None
    count = _whole("hw:numa_nodes", 1 if count is None else count)
    cells = _cells(count, vcpus, memory_mb, extra_specs, properties)
    return NUMATopology(cells, dedicated, values["hw:cpu_thread_policy"] or "prefer", page_size)


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
                _whole("PCI alias " + name, count or 1),
                match_of(entry),
                affinity or entry.get("numa_policy") or "legacy",
            )
        )
    return tuple(requests)


def match_of(alias: Mapping) -> tuple[tuple[str, str], ...]:
    """What an alias says of its devices."""
    return tuple((key, str(alias[key]).lower()) for key in ("vendor_id", "product_id", "address") if alias.get(key))


def _value(key: str, extra_specs: Mapping, properties: Mapping) -> str | None:
    """The flavor's word, or the image's where the flavor has none or leaves it to the image.

    They may not contradict each other, but for flavors whose word holds whatever the image says (nova's rules).
    """
    name = key.replace(":", "_")
    flavor, image = extra_specs.get(key), properties.get(name)
    for word in (flavor, image):
        if word is not None and word not in CHOICES.get(key, (word,)):
            raise InvalidRequest("%s is %r, it must be one of %s" % (key, word, ", ".join(CHOICES[key])))
    if key == "hw:mem_page_size" and image:
        return _image_page_size(flavor, image)
    if flavor and image and str(flavor) != str(image) and flavor not in PREVAILS.get(key, ()):
        raise InvalidRequest("the image's %s %s is not the flavor's %s" % (name, image, flavor))
    return image if image and not flavor else flavor


def _image_page_size(flavor: Any, image: Any) -> Any:
    """The image's page size, where the flavor lets it choose: pages are not the image's owner's to give."""
    if flavor in ("any", "large") or (flavor and str(flavor) == str(image)):
        return image
    raise InvalidRequest(
        "the image's hw_mem_page_size %s needs a flavor with hw:mem_page_size large or any, it has %s" % (image, flavor)
    )


def _page_size(word: Any) -> str | int | None:
    """small, large, any, or a size: KiB without a unit, else 2MB, 1GB."""
    if word is None or word in ("small", "large", "any"):
        return word
    text = str(word).upper()
    unit = next((unit for unit in UNITS if text.endswith(unit)), "")
    return _whole("hw:mem_page_size", text[: len(text) - len(unit)]) * UNITS.get(unit, 1)


def _whole(what: str, value: Any) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise InvalidRequest("%s is %r, it must be a whole number above 0" % (what, value))
    return number


def _cells(count: int, vcpus: int, memory_mb: int, extra_specs: Mapping, properties: Mapping) -> tuple[NUMACell, ...]:
    """The guest's cells: as hw:numa_cpus.N and hw:numa_mem.N part it, else evenly."""
    names = [("hw:numa_cpus.%d" % index, "hw:numa_mem.%d" % index) for index in range(count)]
    shares = [
        (_value(cpus, extra_specs, properties), _value(memory, extra_specs, properties)) for cpus, memory in names
    ]
    if all(each == (None, None) for each in shares):
        if vcpus % count or memory_mb % count:
            raise InvalidRequest(
                "%d vCPUs and %d MiB cannot be parted evenly among %d NUMA nodes: say hw:numa_cpus.N and hw:numa_mem.N"
                % (vcpus, memory_mb, count)
            )
        share = vcpus // count
        return tuple(
            NUMACell(tuple(range(index * share, index * share + share)), memory_mb // count) for index in range(count)
        )
    if any(None in each for each in shares):
        raise InvalidRequest("hw:numa_cpus.N and hw:numa_mem.N must be said for each of the %d NUMA nodes" % count)
    try:
        cells = tuple(NUMACell(tuple(numbers(str(cpus))), int(memory)) for cpus, memory in shares)
    except ValueError:
        raise InvalidRequest("hw:numa_cpus.N is a list such as 0-3,5, hw:numa_mem.N a number of MiB") from None
    if sorted(cpu for cell in cells for cpu in cell.vcpus) != list(range(vcpus)):
        raise InvalidRequest("hw:numa_cpus.N must have each of the %d vCPUs once" % vcpus)
    if sum(cell.memory_mb for cell in cells) != memory_mb or min(cell.memory_mb for cell in cells) < 1:
        raise InvalidRequest("hw:numa_mem.N must add up to the flavor's %d MiB" % memory_mb)
    return cells
