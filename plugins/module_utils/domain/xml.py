# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain as libvirt's XML, and back: pure, and always by ElementTree, which escapes every value."""

from __future__ import annotations

import json
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..core.diff import line
from ..core.libvirt import MARK, mebibytes
from . import allocation, machine, metadata
from .devices import disk, interface, parse_disk, parse_interface
from .elements import add, attribute, text
from .model import Domain, longer_name


def definition(domain: Domain) -> Element:
    """The whole domain, as libvirt is to define it."""
    root = Element("domain", type=domain.virt_type or "kvm")
    add(root, "name", domain.domain_name)
    add(root, "uuid", domain.uuid)
    add(root, "title", domain.name)
    add(root, "metadata").extend(metadata.blocks(domain).values())
    add(root, "memory", domain.ram, unit="MiB")
    add(root, "vcpu", domain.vcpus)
    machine.write(root, domain)
    allocation.write(root, domain.allocation or {})
    machine.tune(root, domain)
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        add(root, "on_" + event, action)
    devices = add(root, "devices")
    devices.extend(disk(each) for each in (domain.root, *(domain.volumes or ()), domain.drive) if each)
    devices.extend(interface(each) for each in domain.interfaces or ())
    devices.extend(allocation.host_device(address) for address in (domain.allocation or {}).get("pci") or ())
    machine.add_fixtures(devices, domain)
    return root


def parse(description: str, status: str) -> Domain | None:
    """What of a domain's XML is ours; None if the domain is not one of ours."""
    root = ElementTree.fromstring(description)
    block = root.find("metadata/" + MARK)
    if block is None:
        return None
    disks = {disk.role: disk for disk in map(parse_disk, root.findall("devices/disk")) if disk}
    drive, base = disks.pop("config", None), disks.pop("root", None)
    log = root.find("devices/serial/log")
    uuid, name = root.findtext("uuid"), root.findtext("name")
    instance_name = metadata.parse_name(root.find("metadata"))
    namesake = bool(instance_name) and name == longer_name(instance_name, uuid)
    return Domain(
        uuid=uuid,
        name=instance_name if namesake else name,
        namesake=namesake,
        labels=metadata.parse_labels(root.find("metadata")),
        vcpus=int(root.findtext("vcpu")),
        ram=mebibytes(root.find("memory")),
        hardware=tuple((each.get("name"), each.get("value")) for each in block.findall(metadata.ours("property"))),
        root=base,
        volumes=tuple(sorted(disks.values(), key=lambda disk: disk.target)),
        interfaces=tuple(filter(None, map(parse_interface, root.findall("devices/interface")))),
        status=status,
        drive=drive,
        disk=metadata.parse_disk_size(root.find("metadata")),
        console=None if log is None else log.get("file"),
        created=block.get("created"),
        record_id=block.get("record"),
        virt_type=root.get("type"),
        architecture=root.find("os/type").get("arch", "x86_64"),
        vnc=root.find("devices/graphics[@type='vnc']") is not None,
        allocation=json.loads(block.findtext(metadata.ours("allocation")) or "null"),
    )


def as_text(domain: Domain, whole: bool) -> str:
    """The domain in a line, for diffs; or its XML, of what is there only what is ours."""
    if not whole:
        fields = {
            "vcpus": domain.vcpus,
            "ram": domain.ram,
            "metadata": dict(domain.labels.metadata or ()),
            "disks": [disk.target for disk in (domain.root, *(domain.volumes or ())) if disk],
            "ports": [port.mac_address for port in domain.interfaces or ()],
            "status": domain.status,
            "restart": domain.restart,
        }
        return line("guest " + domain.name, fields)
    sizes = "".join("<!-- %s: %d bytes -->\n" % (disk.target, disk.size) for disk in domain.volumes or () if disk.size)
    status = ", ".join(filter(None, (domain.status, domain.restart)))
    return "<!-- %s -->\n%s%s" % (status, sizes, text(definition(domain)))


def find_device(description: str, alias: str) -> Element | None:
    """The device of that alias in a domain's XML; None if it has none."""
    devices = ElementTree.fromstring(description).iterfind("devices/*")
    return next((each for each in devices if attribute(each.find("alias"), "name") == alias), None)


def files(description: str) -> list[str]:
    """The files that any domain's disks are, those below others among them."""
    return [each.get("file") for each in ElementTree.fromstring(description).iterfind("devices/disk//source[@file]")]
