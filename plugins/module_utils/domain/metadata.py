# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a domain's XML says about its instance: our mark, and nova's block, by which exporters label it; pure."""

from __future__ import annotations

import copy
import json
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..core.libvirt import MARK
from ..core.names import NAMESPACE
from .elements import add, attribute
from .model import Domain, Labels

NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"

# The prefixes of our and of nova's elements, by namespace.
PREFIXES = {NAMESPACE: "kvmstack", NOVA: "nova"}

NAMED = ("project_id", "user_id", "flavor", "image")

for _namespace, _prefix in PREFIXES.items():
    ElementTree.register_namespace(_prefix, _namespace)


def blocks(domain: Domain) -> dict[str, Element]:
    """Everything of ours in a domain's metadata, by namespace."""
    return {NAMESPACE: mark(domain), NOVA: _nova(domain)}


def mark(domain: Domain) -> Element:
    """The metadata by which a domain is known as ours, and what it says about its instance."""
    block = Element(MARK, uuid=domain.uuid)
    for name, value in (("created", domain.created), ("record", domain.record_id)):
        if value is not None:
            block.set(name, value)
    for name in NAMED:
        value = getattr(domain.labels, name)
        if value is not None:
            add(block, ours(name), name=value)
    for key, value in domain.hardware or ():
        add(block, ours("property"), name=key, value=value)
    for key, value in domain.labels.metadata or ():
        add(block, ours("meta"), name=key, value=value)
    if domain.allocation:
        add(block, ours("allocation"), json.dumps(domain.allocation, sort_keys=True))
    return block


def _nova(domain: Domain) -> Element:
    """The part of nova's metadata that is known here (nova/virt/libvirt/config.py, LibvirtConfigGuestMetaNova...)."""
    labels, block = domain.labels, Element(_novas("instance"))
    add(block, _novas("name"), domain.name)
    if domain.created:
        add(block, _novas("creationTime"), domain.created.replace("T", " ").rstrip("Z"))
    flavor = add(block, _novas("flavor"), name=labels.flavor)
    for name, value in (("memory", domain.ram), ("disk", domain.disk), ("vcpus", domain.vcpus)):
        if value is not None:
            add(flavor, _novas(name), value)
    owner = add(block, _novas("owner"))
    for name in ("user", "project"):
        add(owner, _novas(name), getattr(labels, name + "_name"), uuid=getattr(labels, name + "_id"))
    return block


def unprefixed(element: Element) -> Element:
    """A block as setMetadata wants it: libvirt puts the namespace in itself."""
    element = copy.deepcopy(element)
    for each in element.iter():
        each.tag = each.tag.rpartition("}")[2]
    return element


def parse_labels(metadata: Element) -> Labels:
    """What a domain's metadata says about its instance."""
    block, nova = metadata.find(MARK), metadata.find(_novas("instance"))
    named = {name: attribute(block.find(ours(name)), "name") for name in NAMED}
    if nova is not None:
        named.update({name + "_name": nova.findtext("*/" + _novas(name)) or None for name in ("user", "project")})
    return Labels(
        metadata=tuple((each.get("name"), each.get("value")) for each in block.findall(ours("meta"))), **named
    )


def parse_name(metadata: Element) -> str | None:
    """The instance's name, if it was written down."""
    return metadata.findtext("%s/%s" % (_novas("instance"), _novas("name")))


def parse_disk_size(metadata: Element) -> int | None:
    """The GiB of the flavor's disk, if they were written down."""
    size = metadata.findtext("%s/%s/%s" % (_novas("instance"), _novas("flavor"), _novas("disk")))
    return None if size is None else int(size)


def ours(tag: str) -> str:
    """An element's name in our namespace."""
    return "{%s}%s" % (NAMESPACE, tag)


def _novas(tag: str) -> str:
    return "{%s}%s" % (NOVA, tag)
