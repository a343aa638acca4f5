# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain's XML: every value survives the way there and back, whatever is in it."""

from __future__ import annotations

from dataclasses import fields, replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.module_utils.domain import devices, metadata, xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk, Interface, Mount, Remote
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.elements import text as as_text
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import Domain, Labels

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
disks = some.builds(Disk, word, word, word, kinds, base=word, base_format=kinds, boot=some.booleans())
flags = {name: some.booleans() for name in ("boot", "discard", "read_only", "shareable")}
role = word.map("volume {}".format)
hosts = some.lists(some.tuples(word, some.integers(1, 65535)), max_size=3).map(tuple)
remotes = some.builds(
    Remote, some.sampled_from(["rbd", "iscsi"]), word, hosts, some.just("user"), word, some.none() | word
)
open_remotes = some.builds(Remote, some.sampled_from(["rbd", "iscsi"]), word, hosts)
volumes = some.builds(Disk, role, word, word, kinds, serial=some.none() | word, **flags) | some.builds(
    Disk, role, word, remote=remotes | open_remotes, serial=word, **flags
)
interfaces = some.builds(Interface, word, word, word, word, number, some.booleans())
names = some.none() | text.filter(bool)
pairs = some.dictionaries(text, text, max_size=5).map(lambda said: tuple(said.items()))
labels = some.builds(Labels, text, text, text, text, pairs, names, names)
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
    record_id=some.none() | word,
    drive=disks.map(lambda disk: replace(disk, role="config", discard=False)),
    disk=some.none() | some.integers(0, 100),
    console=word,
    created=word,
    virt_type=some.sampled_from(["kvm", "qemu"]),
    vnc=some.booleans(),
    allocation=some.none() | some.builds(dict, shared_cpus=some.lists(number, min_size=1, max_size=3), note=text),
)


def everything(thing):
    """All fields, those too that do not count when domains are compared."""
    if not hasattr(thing, "__dataclass_fields__"):
        return tuple(map(everything, thing)) if isinstance(thing, tuple) else thing
    return {field.name: everything(getattr(thing, field.name)) for field in fields(thing)}


@given(domains)
def test_there_and_back(domain):
    assert everything(xml.parse(as_text(xml.definition(domain)), domain.status)) == everything(domain)


@given(domains)
def test_values_never_become_elements(domain):
    """The elements are those of the same domain with harmless values."""

    def shape(domain):
        return [each.tag for each in ElementTree.fromstring(as_text(xml.definition(domain))).iter()]

    harmless = Labels("p", "u", "f", "i", tuple(("key", "value") for _each in domain.labels.metadata), "n", "n")
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


def test_a_volumes_serial_is_what_its_service_calls_it(domain):
    assert devices.disk(domain.volumes[0]).findtext("serial") == "33333333-0000-4000-8000-000000000003"


RBD = Remote("rbd", "volumes/volume-1", (("192.0.2.1", 6789), ("192.0.2.2", 3300)), "cinder", "secret-1")
ISCSI = Remote("iscsi", "iqn.2026-01.lab:one/1", (("192.0.2.1", 3260),), "chap", "secret-2", "iqn.2026-01.lab:kvm1")


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        pytest.param(
            Disk("v", "vdb", remote=RBD, serial="volume-1"),
            """<disk type="network" device="disk">
  <driver name="qemu" type="raw" cache="none" discard="unmap" />
  <auth username="cinder">
    <secret type="ceph" uuid="secret-1" />
  </auth>
  <source protocol="rbd" name="volumes/volume-1">
    <host name="192.0.2.1" port="6789" />
    <host name="192.0.2.2" port="3300" />
  </source>
  <backingStore />
  <target dev="vdb" bus="virtio" />
  <serial>volume-1</serial>
  <alias name="ua-v" />
</disk>
""",
            id="rbd",
        ),
        pytest.param(
            Disk("v", "vda", remote=ISCSI, discard=False, read_only=True, boot=True, shareable=True),
            """<disk type="network" device="disk">
  <driver name="qemu" type="raw" cache="none" />
  <auth username="chap">
    <secret type="iscsi" uuid="secret-2" />
  </auth>
  <source protocol="iscsi" name="iqn.2026-01.lab:one/1">
    <host name="192.0.2.1" port="3260" />
    <initiator>
      <iqn name="iqn.2026-01.lab:kvm1" />
    </initiator>
  </source>
  <readonly />
  <shareable />
  <backingStore />
  <target dev="vda" bus="virtio" />
  <boot order="1" />
  <alias name="ua-v" />
</disk>
""",
            id="iscsi",
        ),
        pytest.param(
            Disk("v", "vdb", "/mnt/a/volume-1", "qcow2", mount=Mount("nfs:/a", "/mnt/a"), shareable=True),
            """<disk type="file" device="disk">
  <driver name="qemu" type="qcow2" cache="none" discard="unmap" />
  <source file="/mnt/a/volume-1" />
  <shareable />
  <target dev="vdb" bus="virtio" />
  <alias name="ua-v" />
</disk>
""",
            id="nfs, whose chain is Cinder's",
        ),
    ],
)
def test_a_volume_of_a_service(disk, words):
    assert as_text(devices.disk(disk)) == words


def test_where_libvirt_keeps_credentials_does_not_matter():
    device = devices.disk(Disk("v", "vdb", remote=RBD))
    auth = device.find("auth")
    device.remove(auth)
    device.find("source").append(auth)
    assert devices.parse_disk(device).remote == RBD


def test_novas_metadata(domain):
    names = {"project_id": "p1", "user_id": "u1", "project_name": "demo", "user_name": "member"}
    domain = replace(domain, labels=replace(domain.labels, **names), disk=1, created="2026-11-22T10:00:00Z")
    block = metadata.blocks(domain)[metadata.NOVA]
    assert (
        as_text(metadata.unprefixed(block))
        == """<instance>
  <name>web-1</name>
  <creationTime>2026-11-22 10:00:00</creationTime>
  <flavor name="small">
    <memory>512</memory>
    <disk>1</disk>
    <vcpus>2</vcpus>
  </flavor>
  <owner>
    <user uuid="u1">member</user>
    <project uuid="p1">demo</project>
  </owner>
</instance>
"""
    )


def test_a_domain_of_before_has_no_block_of_nova(domain):
    definition = xml.definition(domain)
    blocks = definition.find("metadata")
    blocks.remove(blocks[1])
    assert xml.parse(as_text(definition), "ACTIVE") == replace(domain, status="ACTIVE")


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
    assert devices.interface(offloaded).find("driver") is None
    assert devices.interface(replace(offloaded, checksum_offload=False)).find("driver/host").get("csum") == "off"


def test_what_is_not_ours_is_not_seen(domain):
    definition = xml.definition(domain)
    for alias in definition.iterfind("devices/*/alias"):
        alias.set("name", "net0")
    seen = xml.parse(as_text(definition), "ACTIVE")
    assert (seen.root, seen.volumes, seen.interfaces) == (None, (), ())
    definition.remove(definition.find("metadata"))
    assert xml.parse(as_text(definition), "ACTIVE") is None


def test_libvirt_puts_the_namespace_into_a_mark(domain):
    assert [each.tag for each in metadata.unprefixed(metadata.mark(domain)).iter()][:2] == ["instance", "project_id"]
    assert as_text(metadata.unprefixed(metadata.mark(domain))).count("xmlns") == 0
