# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scheduler allocated to a domain, in its XML: CPUs, NUMA cells, pages, PCI devices; pure."""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement

from ..core.convert import pci_address


def write(root: Element, allocation: Mapping[str, Any]) -> None:
    """Add to a domain's XML what is allocated to it; without anything the XML stays as it is.

    Dedicated vCPUs are pinned one to one, the others to all shared CPUs of their cell; the emulator's threads run on
    the CPUs allocated for them, else on the guest's. Memory comes from the cells that the CPUs are of, and from
    nowhere else.
    """
    shared, cells = allocation.get("shared_cpus"), allocation.get("numa") or ()
    if shared:
        root.find("vcpu").set("cpuset", _number_list(shared))
    if not cells:
        return
    tune = SubElement(root, "cputune")
    for cell in cells:
        for index, vcpu in enumerate(cell["vcpus"]):
            cpus = cell["cpus"][index : index + 1] if cell["dedicated"] else cell["cpus"]
            SubElement(tune, "vcpupin", vcpu=str(vcpu), cpuset=_number_list(cpus))
    emulator = allocation.get("emulator_cpus") or [cpu for cell in cells for cpu in cell["cpus"]]
    SubElement(tune, "emulatorpin", cpuset=_number_list(emulator))
    memory = SubElement(root, "numatune")
    SubElement(memory, "memory", mode="strict", nodeset=_number_list(cell["cell"] for cell in cells))
    for index, cell in enumerate(cells):
        SubElement(memory, "memnode", cellid=str(index), mode="strict", nodeset=str(cell["cell"]))
    _write_pages(root, cells)
    _write_cells(root, cells)


def host_device(address: str) -> Element:
    """A PCI device of the host, which libvirt takes from the host's driver and gives back."""
    parts = re.split("[:.]", pci_address(address, "PCI device"))
    device = Element("hostdev", mode="subsystem", type="pci", managed="yes")
    names = ("domain", "bus", "slot", "function")
    SubElement(SubElement(device, "source"), "address", {name: "0x" + part for name, part in zip(names, parts)})
    return device


def _write_pages(root: Element, cells: Iterable[Mapping[str, Any]]) -> None:
    sizes: dict[int, list[int]] = {}
    for index, cell in enumerate(cells):
        if cell.get("page_size"):
            sizes.setdefault(cell["page_size"], []).append(index)
    if sizes:
        pages = SubElement(SubElement(root, "memoryBacking"), "hugepages")
        for size, mine in sorted(sizes.items()):
            SubElement(pages, "page", size=str(size), unit="KiB", nodeset=_number_list(mine))


def _write_cells(root: Element, cells: Iterable[Mapping[str, Any]]) -> None:
    """The cells as the guest sees them."""
    cpu = root.find("cpu")
    topology = SubElement(SubElement(root, "cpu") if cpu is None else cpu, "numa")
    for index, cell in enumerate(cells):
        SubElement(
            topology, "cell", id=str(index), cpus=_number_list(cell["vcpus"]), memory=str(cell["memory_mb"]), unit="MiB"
        )


def _number_list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(set(numbers))))
