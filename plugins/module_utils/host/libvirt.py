# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compute host's room and abilities from its libvirt, read over one connection."""

from __future__ import annotations

import os
import platform
import socket
from typing import Any
from xml.etree import ElementTree

from ..core.names import numbers
from ..domain import xml
from .hypervisor import chosen_virt_type, libvirt_errors, load, open_connection
from .model import ComputeNode

GIB = 1024**3
PCI_DEVICES = "/sys/bus/pci/devices"


def find(params: dict[str, Any]) -> list[ComputeNode]:
    """This host as the only element of a list; MissingLibrary or Unavailable if there is no libvirt to ask."""
    libvirt = load()
    connection = open_connection(libvirt)
    with libvirt_errors(libvirt):
        architecture, memory_mb, vcpus = connection.getInfo()[:3]
        running = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
        disk_gb, free_disk_gb = _disk(params["state_path"])
        told = connection.getCapabilities()
        abilities = {**capabilities(told), "cpu_features": _cpu_features(libvirt, connection, told)}
        node = ComputeNode(
            host=params["host"] or platform.node().partition(".")[0],
            hypervisor_type=connection.getType(),
            hypervisor_version=connection.getVersion(),
            virt_type=chosen_virt_type(libvirt, connection, params["virt_type"], architecture),
            architecture=architecture,
            vcpus=vcpus,
            memory_mb=memory_mb,
            disk_gb=disk_gb,
            free_disk_gb=free_disk_gb,
            pci_devices=_pci_devices(),
            host_ip=_address(),
            **abilities,
            **usage([domain.XMLDesc() for domain in running]),
        )
    return [node]


def capabilities(text: str) -> dict[str, Any]:
    """CPU, NUMA cells and pages from libvirt's capabilities."""
    cpu = ElementTree.fromstring(text).find("host/cpu")
    cells = tuple(_cell(each) for each in ElementTree.fromstring(text).iterfind("host/topology/cells/cell"))
    pages = [dict(cell["pages"]) for cell in cells]
    sizes = sorted({size for each in pages for size in each}, key=int)[1:]
    return {
        "cpu_model": cpu.findtext("model"),
        "cpu_vendor": cpu.findtext("vendor"),
        "cpu_features": tuple(sorted(each.get("name") for each in cpu.iterfind("feature"))),
        "numa_cells": cells,
        "hugepages": tuple({"size_kb": int(size), "total": sum(each.get(size, 0) for each in pages)} for size in sizes),
    }


def usage(domains: list[str]) -> dict[str, int]:
    """What running domains use, given their XML; foreign ones counted apart."""
    figures = [(*xml.size(text), xml.parse(text, "ACTIVE") is None) for text in domains]
    return {
        "vcpus_used": sum(vcpus for vcpus, ram, foreign in figures),
        "memory_mb_used": sum(ram for vcpus, ram, foreign in figures),
        "foreign_vcpus": sum(vcpus for vcpus, ram, foreign in figures if foreign),
        "foreign_memory_mb": sum(ram for vcpus, ram, foreign in figures if foreign),
        "running_vms": len(figures),
    }


def _cpu_features(libvirt: Any, connection: Any, text: str) -> tuple:
    """All features of the host's CPU, those too that its model stands for; what libvirt tells if it cannot say more."""
    cpu = ElementTree.fromstring(text).find("host/cpu")
    try:
        flags = libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        full = ElementTree.fromstring(connection.baselineCPU([ElementTree.tostring(cpu, encoding="unicode")], flags))
    except libvirt.libvirtError:  # not on every architecture
        full = cpu
    return tuple(sorted({each.get("name") for each in (*full.iterfind("feature"), *cpu.iterfind("feature"))}))


def _address() -> str | None:
    """The address that the host would speak from to the rest of the world; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return None


def _cell(cell: ElementTree.Element) -> dict[str, Any]:
    cores = {tuple(numbers(each.get("siblings"))) for each in cell.iterfind("cpus/cpu") if each.get("siblings")}
    return {
        **({"siblings": sorted(map(list, cores))} if cores else {}),
        "id": int(cell.get("id")),
        "cpus": [int(each.get("id")) for each in cell.iterfind("cpus/cpu")],
        "memory_mb": xml.mebibytes(cell.find("memory")) if cell.find("memory") is not None else 0,
        "pages": {each.get("size"): int(each.text) for each in cell.iterfind("pages")},
    }


def _disk(path: str) -> tuple[int, int]:
    """Size and free room, in GiB, of the file system that a path is on, or will be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    room = os.statvfs(path)
    return room.f_blocks * room.f_frsize // GIB, room.f_bavail * room.f_frsize // GIB


def _pci_devices() -> tuple:
    """The host's PCI devices, from sysfs; none where there is no PCI."""
    try:
        addresses = sorted(os.listdir(PCI_DEVICES))
    except FileNotFoundError:
        return ()
    return tuple(
        {
            "address": address,
            "vendor_id": _said(address, "vendor")[2:],
            "product_id": _said(address, "device")[2:],
            "numa_node": int(_said(address, "numa_node") or -1),
        }
        for address in addresses
    )


def _said(address: str, name: str) -> str:
    try:
        with open(os.path.join(PCI_DEVICES, address, name), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
