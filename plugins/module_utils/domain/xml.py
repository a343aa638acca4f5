# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain as libvirt's XML, and back: pure, and always by ElementTree, which escapes every value."""

from __future__ import annotations

import copy
import json
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ..core.names import NAMESPACE
from . import resources
from .model import Disk, Domain, Interface, Labels

PREFIX = "kvmstack"

# Marks the devices that are ours; libvirt keeps an alias that begins so in the running and in the stored XML.
ALIAS = "ua-"

_X86 = ("x86_64", "i686")

ElementTree.register_namespace(PREFIX, NAMESPACE)


def definition(domain: Domain) -> Element:
    """The whole domain, as libvirt is to define it."""
    root = Element("domain", type=domain.virt_type or "kvm")
    _add(root, "name", domain.name)
    _add(root, "uuid", domain.uuid)
    _add(root, "title", domain.name)
    _add(root, "metadata").append(mark(domain))
    _add(root, "memory", domain.ram, unit="MiB")
    _add(root, "vcpu", domain.vcpus)
    _add_machine(root, domain)
    resources.write(root, domain.resources or {})
    _add(root, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _add(root, "on_" + event, action)
    devices = _add(root, "devices")
    devices.extend(disk(each) for each in (domain.root, *(domain.volumes or ()), domain.drive) if each)
    devices.extend(interface(each) for each in domain.interfaces or ())
    devices.extend(resources.host_device(address) for address in (domain.resources or {}).get("pci") or ())
    _add_fixtures(devices, domain)
    return root


def mark(domain: Domain) -> Element:
    """The metadata by which a domain is known as ours, and what it says about its instance."""
    block = Element(_ours("instance"), uuid=domain.uuid)
    if domain.created:
        block.set("created", domain.created)
    for name in ("project_id", "user_id", "flavor", "image"):
        value = getattr(domain.labels, name)
        if value is not None:
            _add(block, _ours(name), name=value)
    for key, value in domain.hardware or ():
        _add(block, _ours("property"), name=key, value=value)
    for key, value in domain.labels.metadata or ():
        _add(block, _ours("meta"), name=key, value=value)
    if domain.resources:
        _add(block, _ours("resources"), json.dumps(domain.resources, sort_keys=True))
    return block


def unprefixed(element: Element) -> Element:
    """A mark as setMetadata wants it: libvirt puts the namespace in itself."""
    element = copy.deepcopy(element)
    for each in element.iter():
        each.tag = each.tag.rpartition("}")[2]
    return element


def disk(disk: Disk) -> Element:
    """A disk; its chain is spelled out to the end, so that nobody guesses a format from what a guest wrote.

    Its cache is the host's page cache, with the guest's flushes honoured (writeback): `none` needs
    O_DIRECT, which not every file system has.
    """
    device = Element("disk", type="file", device=disk.device)
    driver = _add(device, "driver", name="qemu", type=disk.format)
    _add(device, "source", file=disk.path)
    if disk.role == "config":
        _add(device, "readonly")
    else:
        driver.attrib.update(cache="writeback", discard="unmap")
    chain = device
    if disk.base:
        chain = _add(device, "backingStore", type="file")
        _add(chain, "format", type=disk.base_format)
        _add(chain, "source", file=disk.base)
    _add(chain, "backingStore")
    _add(device, "target", dev=disk.target, bus=disk.bus)
    if disk.role not in ("root", "config"):
        # QEMU passes on 20 characters of it: the guest's /dev/disk/by-id/virtio-SERIAL, as with nova.
        _add(device, "serial", disk.role[:20])
    _add(device, "alias", name=ALIAS + disk.role)
    return device


def interface(interface: Interface) -> Element:
    """An interface that libvirt plugs into OVN's bridge under the port's id."""
    device = Element("interface", type="bridge")
    if interface.mac_address:
        _add(device, "mac", address=interface.mac_address)
    _add(device, "source", bridge=interface.bridge)
    _add(_add(device, "virtualport", type="openvswitch"), "parameters", interfaceid=interface.port_id)
    _add(device, "target", dev=interface.tap)
    _add(device, "model", type="virtio")
    if not interface.checksum_offload:
        _add(_add(device, "driver"), "host", csum="off")
    if interface.mtu:
        _add(device, "mtu", size=interface.mtu)
    _add(device, "alias", name=ALIAS + interface.port_id)
    return device


def text(element: Element) -> str:
    """An element as indented text."""
    element = copy.deepcopy(element)
    _indent(element, "\n")
    return ElementTree.tostring(element, encoding="unicode") + "\n"


def parse(text: str, status: str) -> Domain | None:
    """What of a domain's XML is ours; None if the domain is not one of ours."""
    root = ElementTree.fromstring(text)
    block = root.find("metadata/" + _ours("instance"))
    if block is None:
        return None
    disks = {disk.role: disk for disk in map(_parse_disk, root.findall("devices/disk")) if disk}
    drive, base = disks.pop("config", None), disks.pop("root", None)
    log = root.find("devices/serial/log")
    return Domain(
        uuid=root.findtext("uuid"),
        name=root.findtext("name"),
        labels=_parse_labels(block),
        vcpus=int(root.findtext("vcpu")),
        ram=mebibytes(root.find("memory")),
        hardware=tuple((each.get("name"), each.get("value")) for each in block.findall(_ours("property"))),
        root=base,
        volumes=tuple(sorted(disks.values(), key=lambda disk: disk.target)),
        interfaces=tuple(filter(None, map(_parse_interface, root.findall("devices/interface")))),
        status=status,
        drive=drive,
        console=None if log is None else log.get("file"),
        created=block.get("created"),
        virt_type=root.get("type"),
        architecture=root.find("os/type").get("arch", "x86_64"),
        vnc=root.find("devices/graphics[@type='vnc']") is not None,
        resources=json.loads(block.findtext(_ours("resources")) or "null"),
    )


def has_alias(text: str, alias: str) -> bool:
    """Whether a domain's XML has a device of that alias."""
    return any(each.get("name") == alias for each in ElementTree.fromstring(text).iterfind("devices/*/alias"))


def size(text: str) -> tuple[int, int]:
    """vCPUs and MiB of memory of any domain's XML."""
    root = ElementTree.fromstring(text)
    return int(root.findtext("vcpu")), mebibytes(root.find("memory"))


def mebibytes(memory: Element) -> int:
    """A libvirt amount of memory in MiB."""
    scale = {"b": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    return int(memory.text) * scale[memory.get("unit", "KiB")] >> 20


def _add_machine(root: Element, domain: Domain) -> None:
    """Firmware, machine, CPU and features."""
    asked = dict(domain.hardware or ())
    firmware = asked.get("hw_firmware_type", "bios")
    system = _add(root, "os")
    if firmware == "uefi":
        system.set("firmware", "efi")
    kind = _add(system, "type", "hvm", arch=domain.architecture)
    if asked.get("hw_machine_type"):
        kind.set("machine", asked["hw_machine_type"])
    features = _add(root, "features")
    if domain.architecture in _X86 or firmware == "uefi":
        _add(features, "acpi")
    if domain.architecture in _X86:
        _add(features, "apic")
    if domain.virt_type == "qemu":
        # QEMU's own default is up to 1 GiB a guest; a quarter of the memory was its rule before that.
        _add(_add(features, "tcg"), "tb-cache", max(32, (domain.ram or 0) // 4), unit="MiB")
    if domain.cpu_model:
        _add(_add(root, "cpu", mode="custom", match="exact"), "model", domain.cpu_model, fallback="allow")
    elif domain.virt_type == "kvm":
        _add(root, "cpu", mode="host-model")


def _add_fixtures(devices: Element, domain: Domain) -> None:
    """The devices that every domain has."""
    if not domain.drive or domain.drive.bus != "usb":
        _add(devices, "controller", type="usb", model="none")
    serial = _add(devices, "serial", type="pty")
    if domain.console:
        _add(serial, "log", file=domain.console, append="off")
    _add(_add(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    if domain.vnc:
        _add(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")


def _parse_disk(device: Element) -> Disk | None:
    role = _role(device)
    if role is None:
        return None
    target, base = device.find("target"), device.find("backingStore/source")
    return Disk(
        role=role,
        target=target.get("dev"),
        path=device.find("source").get("file"),
        format=device.find("driver").get("type"),
        base=None if base is None else base.get("file"),
        base_format=None if base is None else device.find("backingStore/format").get("type"),
        device=device.get("device"),
        bus=target.get("bus"),
    )


def _parse_interface(device: Element) -> Interface | None:
    role = _role(device)
    if role is None:
        return None
    mac, mtu = device.find("mac"), device.find("mtu")
    return Interface(
        port_id=role,
        mac_address=None if mac is None else mac.get("address"),
        tap=device.find("target").get("dev"),
        mtu=None if mtu is None else int(mtu.get("size")),
        bridge=device.find("source").get("bridge"),
        checksum_offload=device.find("driver/host[@csum='off']") is None,
    )


def _parse_labels(block: Element) -> Labels:
    said = {name: block.find(_ours(name)) for name in ("project_id", "user_id", "flavor", "image")}
    return Labels(
        metadata=tuple((each.get("name"), each.get("value")) for each in block.findall(_ours("meta"))),
        **{name: None if each is None else each.get("name") for name, each in said.items()},
    )


def _role(device: Element) -> str | None:
    """What a device is to us, from its alias; None if it is not ours."""
    alias = device.find("alias")
    name = "" if alias is None else alias.get("name", "")
    return name[len(ALIAS) :] if name.startswith(ALIAS) else None


def _ours(tag: str) -> str:
    return "{%s}%s" % (NAMESPACE, tag)


def _add(parent: Element, tag: str, text: Any = None, /, **attributes: Any) -> Element:
    child = SubElement(parent, tag, {name: str(value) for name, value in attributes.items()})
    if text is not None:
        child.text = str(text)
    return child


def _indent(element: Element, line: str) -> None:
    """Two spaces a level, as ElementTree.indent does from Python 3.9 on."""
    if not len(element):
        return
    element.text = line + "  "
    for child in element:
        _indent(child, line + "  ")
        child.tail = line + "  "
    element[-1].tail = line
