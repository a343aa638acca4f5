# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compute host's room and its other facts from its libvirt, read over one connection."""

from __future__ import annotations

import os
import platform
import socket
import uuid
from contextlib import suppress
from functools import partial
from typing import Any, Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..core.libvirt import MARK, ask_each, libvirt_errors, load, mebibytes, open_connection, power_state
from ..core.names import GIB, numbers
from ..core.states import POWER
from .hypervisor import chosen_virt_type
from .model import ComputeNode

PCI_DEVICES = "/sys/bus/pci/devices"
MACHINE_ID = "/etc/machine-id"
STAT = "/proc/stat"


def find(params: dict[str, Any]) -> list[ComputeNode]:
    """This host as the only element of a list; MissingLibrary or Unavailable if there is no libvirt to ask."""
    room = read_room(params)
    running = room.pop("running")
    return [ComputeNode(**room, running_vms=len(running), **read_facts(params))]


def read_room(params: dict[str, Any]) -> dict[str, Any]:
    """The host's room and what of it is in use, by the names that a ComputeNode has for them, the UUIDs of the domains
    that are running and the states of ours; quick to ask.
    """
    libvirt = load()
    connection = open_connection(libvirt)
    with libvirt_errors(libvirt):
        _architecture, memory_mb, vcpus = connection.getInfo()[:3]
        domains = ask_each(libvirt, partial(_described, libvirt), connection.listAllDomains())
    return {
        "host": params["host"] or platform.node().partition(".")[0],
        "vcpus": vcpus,
        "memory_mb": memory_mb,
        **_disk(params["state_path"]),
        **usage([text for text, state in domains if POWER[state] != "SHUTOFF"]),
        "power_states": power_states(domains),
        "booted_at": booted_at(),
    }


def read_facts(params: dict[str, Any]) -> dict[str, Any]:
    """What else a ComputeNode has: what the host is, which changes with its hardware and its packages only.

    Slow to ask: libvirt looks at all its emulators and at the topology anew, and a KVM is tried.
    """
    libvirt = load()
    connection = open_connection(libvirt)
    with libvirt_errors(libvirt):
        architecture = connection.getInfo()[0]
        told = connection.getCapabilities()
        cpu, known = capabilities(told)
        virt_type = chosen_virt_type(libvirt, connection, params["virt_type"], architecture)
        return {
            "hypervisor_type": connection.getType(),
            "hypervisor_version": connection.getVersion(),
            "virt_type": virt_type,
            "architecture": architecture,
            "supports_uefi": supports_uefi(connection.getDomainCapabilities(None, architecture, None, virt_type)),
            "pci_devices": _pci_devices(),
            "host_ip": _address(),
            "machine": machine(told),
            **known,
            "cpu_features": _cpu_features(libvirt, connection, cpu),
        }


def supports_uefi(domain_capabilities: str) -> bool:
    """Whether libvirt finds firmware for a guest that asks for UEFI."""
    root = ElementTree.fromstring(domain_capabilities)
    return "efi" in [each.text for each in root.iterfind("os/enum[@name='firmware']/value")]


def _described(libvirt: Any, domain: Any) -> tuple[str, str]:
    return domain.XMLDesc(), power_state(libvirt, domain)


def power_states(domains: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By UUID the states of the domains with our mark, given their XML and state."""
    known = [(ElementTree.fromstring(text), state) for text, state in domains]
    return {root.findtext("uuid"): state for root, state in known if root.find("metadata/" + MARK) is not None}


def capabilities(text: str) -> tuple[Element, dict[str, Any]]:
    """The CPU in libvirt's capabilities, and what they say of CPU, NUMA cells and pages."""
    host = ElementTree.fromstring(text).find("host")
    cpu = host.find("cpu")
    cells = tuple(_cell(each) for each in host.iterfind("topology/cells/cell"))
    pages = [dict(cell["pages"]) for cell in cells]
    sizes = sorted({size for each in pages for size in each}, key=int)[1:]
    return cpu, {
        "cpu_model": cpu.findtext("model"),
        "cpu_vendor": cpu.findtext("vendor"),
        "cpu_topology": _cpu_topology(cpu, len(cells)),
        "numa_cells": cells,
        "hugepages": tuple({"size_kb": int(size), "total": sum(each.get(size, 0) for each in pages)} for size in sizes),
    }


def booted_at() -> int | None:
    """When the host was booted, in seconds since 1970 (proc(5), btime); None where it does not say."""
    try:
        with open(STAT, encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("btime ")), None)
    except OSError:
        return None


def machine(text: str) -> str | None:
    """An identity that follows from libvirt's UUID of the host, in its capabilities, and from machine-id(5).

    Neither is enough: boards may come with one UUID, and copies of a disk have one machine-id.
    """
    try:
        board = uuid.UUID(ElementTree.fromstring(text).findtext("host/uuid"))
        with open(MACHINE_ID, encoding="ascii") as file:
            installed = file.read().strip()
    except (OSError, TypeError, ValueError):
        return None
    return str(uuid.uuid5(board, installed)) if installed else None


def _cpu_topology(cpu: Element, cells: int) -> dict[str, int]:
    """Sockets, cores and threads, each of the one before, as libvirt counts them, and the number of NUMA cells."""
    topology = cpu.find("topology")
    counts = {} if topology is None else {key: int(topology.get(key, 1)) for key in ("sockets", "cores", "threads")}
    return {"cells": cells, **counts}


def usage(texts: list[str]) -> dict[str, Any]:
    """What running domains use, whosever they are, given their XML."""
    domains = [ElementTree.fromstring(text) for text in texts]
    return {
        "vcpus_used": sum(int(each.findtext("vcpu")) for each in domains),
        "memory_mb_used": sum(mebibytes(each.find("memory")) for each in domains),
        "running": [each.findtext("uuid") for each in domains],
    }


def _cpu_features(libvirt: Any, connection: Any, cpu: Element) -> tuple:
    """All features of the host's CPU, with those that its model stands for; those listed if libvirt cannot expand."""
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


def _cell(cell: Element) -> dict[str, Any]:
    cores = {tuple(numbers(each.get("siblings"))) for each in cell.iterfind("cpus/cpu") if each.get("siblings")}
    sockets = {each.get("socket_id") for each in cell.iterfind("cpus/cpu")} - {None}
    return {
        **({"siblings": sorted(map(list, cores))} if cores else {}),
        **({"socket": int(sockets.pop())} if len(sockets) == 1 else {}),
        "id": int(cell.get("id")),
        "cpus": [int(each.get("id")) for each in cell.iterfind("cpus/cpu")],
        "memory_mb": mebibytes(cell.find("memory")) if cell.find("memory") is not None else 0,
        "pages": {each.get("size"): int(each.text) for each in cell.iterfind("pages")},
    }


def _disk(path: str) -> dict[str, int]:
    """Size of the file system that a path is on, or will be; what of it is free; what all but instances have. GiB."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    room = os.statvfs(path)
    size, free = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
    foreign = size - free - sum(_occupied(os.path.join(path, name)) for name in ("instances", "volumes"))
    return {
        "disk_gb": size // GIB,
        "free_disk_gb": free // GIB,
        "foreign_disk_gb": max(-(-foreign // GIB), 0),
    }


def _occupied(path: str) -> int:
    """The bytes that the files below a directory occupy on its disk; what is removed meanwhile occupies none."""
    occupied = 0
    for directory, _names, files in os.walk(path):
        for name in files:
            with suppress(FileNotFoundError):
                occupied += os.lstat(os.path.join(directory, name)).st_blocks * 512
    return occupied


def _pci_devices() -> tuple:
    """The host's PCI devices, from sysfs; none where there is no PCI."""
    try:
        addresses = sorted(os.listdir(PCI_DEVICES))
    except FileNotFoundError:
        return ()
    return tuple(_pci_device(address) for address in addresses)


def _pci_device(address: str) -> dict[str, Any]:
    device = {
        "address": address,
        "vendor_id": _attribute(address, "vendor")[2:],
        "product_id": _attribute(address, "device")[2:],
        "numa_node": int(_attribute(address, "numa_node") or -1),
        "device_type": "type-PF" if int(_attribute(address, "sriov_totalvfs") or 0) else "type-PCI",
    }
    parent = os.path.realpath(os.path.join(PCI_DEVICES, address, "physfn"))
    if os.path.exists(parent):
        device.update(device_type="type-VF", parent=os.path.basename(parent))
    return device


def _attribute(address: str, name: str) -> str:
    try:
        with open(os.path.join(PCI_DEVICES, address, name), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
