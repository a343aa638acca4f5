# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain's XML: every value survives the way there and back, whatever is in it."""

from __future__ import annotations

from dataclasses import fields, replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.module_utils.domain import xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import Disk, Domain, Interface, Labels

text = some.text(
    some.characters(
        min_codepoint=32, max_codepoint=0x2FFFF, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"
    )
    | some.sampled_from("<>&'\"\n\t ]{}"),
    max_size=30,
)
word = some.text("<>&'\"abc/ .-", min_size=1, max_size=20)
number = some.integers(1, 10**6)
kinds = some.sampled_from(["raw", "qcow2"])
disks = some.builds(Disk, word, word, word, kinds, base=word, base_format=kinds)
volumes = some.builds(Disk, word.map("volume {}".format), word, word, kinds)
interfaces = some.builds(Interface, word, word, word, number, word, some.booleans())
labels = some.builds(
    Labels, text, text, text, text, some.dictionaries(text, text, max_size=5).map(lambda said: tuple(said.items()))
)
domains = some.builds(
    Domain,
    uuid=word,
    name=word,
    labels=labels,
    vcpus=number,
    ram=number,
    hardware=some.just((("hw_machine_type", "q35"),)),
    root=disks.map(lambda disk: replace(disk, role="root")),
    volumes=some.lists(volumes, unique_by=lambda disk: disk.role, max_size=3).map(
        lambda made: tuple(sorted(made, key=lambda disk: disk.target))
    ),
    interfaces=some.lists(interfaces, max_size=3).map(tuple),
    status=some.sampled_from(["ACTIVE", "PAUSED"]),
    drive=disks.map(lambda disk: replace(disk, role="config")),
    console=word,
    created=word,
    virt_type=some.sampled_from(["kvm", "qemu"]),
    vnc=some.booleans(),
    resources=some.none() | some.builds(dict, shared_cpus=some.lists(number, min_size=1, max_size=3), note=text),
)


def everything(thing):
    """All fields, those too that do not count when domains are compared."""
    if not hasattr(thing, "__dataclass_fields__"):
        return tuple(map(everything, thing)) if isinstance(thing, tuple) else thing
    return {field.name: everything(getattr(thing, field.name)) for field in fields(thing)}


@given(domains)
def test_there_and_back(domain):
    assert everything(xml.parse(xml.text(xml.definition(domain)), domain.status)) == everything(domain)


@given(domains)
def test_values_never_become_elements(domain):
    """The elements are those of the same domain with harmless values."""

    def shape(domain):
        return [each.tag for each in ElementTree.fromstring(xml.text(xml.definition(domain))).iter()]

    harmless = Labels("p", "u", "f", "i", tuple(("key", "value") for _each in domain.labels.metadata))
    assert shape(domain) == shape(replace(domain, uuid="u", name="n", labels=harmless, console="c", created="c"))


def element(domain, path):
    return xml.definition(domain).find(path)


def test_no_format_is_left_to_guess(domain):
    root = element(domain, "devices/disk")
    assert root.find("driver").get("type") == "qcow2"
    assert root.find("backingStore/format").get("type") == "raw"
    for disk in xml.definition(domain).iterfind("devices/disk"):
        chain = disk
        while chain.find("backingStore") is not None:
            chain = chain.find("backingStore")
        assert chain is not disk
        assert len(chain) == 0


def test_a_volumes_serial_is_what_qemu_can_pass_on(domain):
    assert xml.disk(domain.volumes[0]).findtext("serial") == "33333333-0000-4000-8"


@pytest.mark.parametrize(
    ("changes", "path", "there"),
    [
        ({"virt_type": "qemu"}, "features/tcg/tb-cache", True),
        ({"virt_type": "kvm"}, "features/tcg", False),
        ({"virt_type": "kvm"}, "cpu[@mode='host-model']", True),
        ({"virt_type": "qemu"}, "cpu", False),
        ({"virt_type": "kvm", "cpu_model": "Nehalem"}, "cpu/model", True),
        ({"hardware": (("hw_machine_type", "q35"),)}, "os/type[@machine='q35']", True),
        ({"hardware": (("hw_firmware_type", "uefi"),)}, "os[@firmware='efi']", True),
        ({"architecture": "aarch64"}, "features/acpi", False),
        ({"vnc": True}, "devices/graphics[@listen='127.0.0.1']", True),
        ({"vnc": False}, "devices/graphics", False),
    ],
)
def test_what_is_there(domain, changes, path, there):
    assert (element(replace(domain, **changes), path) is not None) == there


def test_checksums_are_the_guests_own_in_the_userspace_datapath(domain):
    offloaded = domain.interfaces[0]
    assert xml.interface(offloaded).find("driver") is None
    assert xml.interface(replace(offloaded, checksum_offload=False)).find("driver/host").get("csum") == "off"


def test_what_is_not_ours_is_not_seen(domain):
    definition = xml.definition(domain)
    for alias in definition.iterfind("devices/*/alias"):
        alias.set("name", "net0")
    seen = xml.parse(xml.text(definition), "ACTIVE")
    assert (seen.root, seen.volumes, seen.interfaces) == (None, (), ())
    definition.remove(definition.find("metadata"))
    assert xml.parse(xml.text(definition), "ACTIVE") is None


def test_libvirt_puts_the_namespace_into_a_mark(domain):
    assert [each.tag for each in xml.unprefixed(xml.mark(domain)).iter()][:2] == ["instance", "project_id"]
    assert xml.text(xml.unprefixed(xml.mark(domain))).count("xmlns") == 0
