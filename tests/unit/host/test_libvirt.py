# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's facts from what its libvirt says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import GIB
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.elements import text
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import Domain
from ansible_collections.kvmstack.launch.plugins.module_utils.host import libvirt

CAPABILITIES = """
<capabilities>
  <host>
    <cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor><feature name='ht'/><feature name='avx'/></cpu>
    <topology>
      <cells num='2'>
        <cell id='0'>
          <memory unit='KiB'>1048576</memory>
          <pages unit='KiB' size='4'>100</pages><pages unit='KiB' size='2048'>3</pages>
          <cpus num='2'><cpu id='0'/><cpu id='1'/></cpus>
        </cell>
        <cell id='1'>
          <memory unit='KiB'>2097152</memory>
          <pages unit='KiB' size='4'>100</pages><pages unit='KiB' size='2048'>4</pages>
          <cpus num='1'><cpu id='2'/></cpus>
        </cell>
      </cells>
    </topology>
  </host>
</capabilities>
"""
DOMAIN_CAPABILITIES = """
<domainCapabilities>
  <os supported='yes'>
    <enum name='firmware'>%s</enum>
    <loader supported='yes'><value>/usr/share/OVMF/OVMF_CODE.fd</value></loader>
  </os>
</domainCapabilities>
"""
FOREIGN = "<domain><uuid>foreign</uuid><vcpu>3</vcpu><memory unit='KiB'>65536</memory></domain>"


def test_capabilities():
    _cpu, abilities = libvirt.capabilities(CAPABILITIES)
    assert abilities == {
        "cpu_model": "EPYC",
        "cpu_vendor": "AMD",
        "cpu_topology": {"cells": 2},
        "numa_cells": (
            {"id": 0, "cpus": [0, 1], "memory_mb": 1024, "pages": {"4": 100, "2048": 3}},
            {"id": 1, "cpus": [2], "memory_mb": 2048, "pages": {"4": 100, "2048": 4}},
        ),
        "hugepages": ({"size_kb": 2048, "total": 7},),
    }


def test_a_host_without_topology_has_no_cells():
    text = "<capabilities><host><cpu><arch>aarch64</arch></cpu></host></capabilities>"
    _cpu, abilities = libvirt.capabilities(text)
    assert (abilities["cpu_model"], abilities["numa_cells"], abilities["hugepages"]) == (None, (), ())


def test_what_the_cpu_is_made_of():
    text = CAPABILITIES.replace("<vendor>", "<topology sockets='1' dies='1' cores='4' threads='2'/><vendor>")
    known = {"cells": 2, "sockets": 1, "cores": 4, "threads": 2}
    assert libvirt.capabilities(text)[1]["cpu_topology"] == known


def test_usage_is_that_of_all_domains():
    ours = text(xml.definition(Domain("u", "n", vcpus=2, ram=128, root=Disk("root", "vda", "/r"))))
    assert libvirt.usage([ours, FOREIGN]) == {
        "vcpus_used": 5,
        "memory_mb_used": 192,
        "running": ["u", "foreign"],
    }


def test_the_disk_of_a_state_path_that_is_not_made_yet(tmp_path):
    assert libvirt._disk(str(tmp_path / "a" / "b")) == libvirt._disk(str(tmp_path))


def test_what_others_have_of_the_disk(tmp_path, monkeypatch):
    """Sparse files occupy what was written to them, and instances' own files are not foreign."""
    room = SimpleNamespace(f_blocks=100, f_bavail=60, f_frsize=GIB)
    monkeypatch.setattr(libvirt.os, "statvfs", lambda path: room)
    assert libvirt._disk(str(tmp_path)) == {"disk_gb": 100, "free_disk_gb": 60, "foreign_disk_gb": 40}
    for name in ("instances/one", "volumes", "base"):
        (tmp_path / name).mkdir(parents=True)
        with open(tmp_path / name / "file", "wb") as file:
            file.truncate(2 * GIB)
            file.write(b"x" * 65536)
    occupied = [(tmp_path / name / "file").stat().st_blocks * 512 for name in ("instances/one", "volumes", "base")]
    assert [libvirt._occupied(str(tmp_path / name)) for name in ("instances", "volumes", "base")] == occupied
    assert all(65536 <= each < GIB for each in occupied)
    monkeypatch.setattr(libvirt, "_occupied", lambda path: 3 * GIB if path.endswith(("instances", "volumes")) else GIB)
    assert libvirt._disk(str(tmp_path))["foreign_disk_gb"] == 34


def test_the_cpus_of_a_core_are_told_together():
    text = CAPABILITIES.replace(
        "<cpu id='0'/><cpu id='1'/>", "<cpu id='0' siblings='0-1'/><cpu id='1' siblings='0-1'/>"
    )
    first, second = libvirt.capabilities(text)[1]["numa_cells"]
    assert first["siblings"] == [[0, 1]]
    assert "siblings" not in second


def test_a_models_features_are_told_too():
    class Libvirt:
        VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES = 1

        class libvirtError(Exception):  # noqa: N801
            pass

        def baselineCPU(self, cpus, flags):  # noqa: N802
            assert "<model>EPYC</model>" in cpus[0]
            if self.old:
                raise self.libvirtError
            return "<cpu><model>EPYC</model><feature name='sse2' policy='require'/></cpu>"

    known = Libvirt()
    known.old = False
    cpu, _abilities = libvirt.capabilities(CAPABILITIES)
    assert libvirt._cpu_features(known, known, cpu) == ("avx", "ht", "sse2")
    known.old = True
    assert libvirt._cpu_features(known, known, cpu) == ("avx", "ht")


@pytest.mark.parametrize(
    ("firmware", "found"),
    [("<value>bios</value><value>efi</value>", True), ("<value>bios</value>", False), ("", False)],
)
def test_uefi_is_there_where_libvirt_finds_its_firmware(firmware, found):
    """libvirt names files that it knows of, whether they are there or not; the enumeration is what it has found."""
    assert libvirt.supports_uefi(DOMAIN_CAPABILITIES % firmware) is found


@pytest.mark.parametrize(("second", "socket"), [("0", 0), ("1", None), (None, 0)])
def test_a_cell_is_on_one_socket_or_does_not_say(second, socket):
    other = "<cpu id='1'/>" if second is None else "<cpu id='1' socket_id='%s'/>" % second
    text = CAPABILITIES.replace("<cpu id='0'/><cpu id='1'/>", "<cpu id='0' socket_id='0'/>" + other)
    first, silent = libvirt.capabilities(text)[1]["numa_cells"]
    assert (first.get("socket"), silent.get("socket")) == (socket, None)


def test_pci_devices_and_their_virtual_functions(tmp_path, monkeypatch):
    files = {"vendor": "0x8086", "device": "0x154d", "numa_node": "1"}
    for address, more in (
        ("0000:01:00.0", {"sriov_totalvfs": "63"}), ("0000:01:10.0", {}), ("0000:02:00.0", {"sriov_totalvfs": "0"}),
    ):  # fmt: skip
        (tmp_path / address).mkdir()
        for name, content in {**files, **more}.items():
            (tmp_path / address / name).write_text(content + "\n")
    (tmp_path / "0000:01:10.0" / "physfn").symlink_to("../0000:01:00.0")
    monkeypatch.setattr(libvirt, "PCI_DEVICES", str(tmp_path))
    known = {"vendor_id": "8086", "product_id": "154d", "numa_node": 1}
    assert libvirt._pci_devices() == (
        {"address": "0000:01:00.0", "device_type": "type-PF", **known},
        {"address": "0000:01:10.0", "device_type": "type-VF", "parent": "0000:01:00.0", **known},
        {"address": "0000:02:00.0", "device_type": "type-PCI", **known},
    )


def test_when_a_host_was_booted(tmp_path, monkeypatch):
    monkeypatch.setattr(libvirt, "STAT", str(tmp_path / "stat"))
    assert libvirt.booted_at() is None
    (tmp_path / "stat").write_text("cpu  1 2\nintr 5 0\nbtime 1764500000\nprocesses 9\n")
    assert libvirt.booted_at() == 1764500000
    (tmp_path / "stat").write_text("cpu  1 2\n")
    assert libvirt.booted_at() is None


class Library:
    """A libvirt that only knows of room."""

    VIR_DOMAIN_PAUSED, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_CRASHED, VIR_DOMAIN_PMSUSPENDED = 3, 5, 6, 7
    libvirtError = RuntimeError  # noqa: N815

    def getInfo(self):  # noqa: N802
        return ["x86_64", 4096, 8, 2400]

    def listAllDomains(self):  # noqa: N802
        off = text(xml.definition(Domain("off", "n", vcpus=64, ram=128)))
        return [
            SimpleNamespace(XMLDesc=lambda: FOREIGN, state=lambda: [1, 0]),
            SimpleNamespace(XMLDesc=lambda: off, state=lambda: [self.VIR_DOMAIN_SHUTOFF, 1]),
        ]


def test_the_room_needs_no_expensive_question(monkeypatch, tmp_path):
    library = Library()
    monkeypatch.setattr(libvirt, "load", lambda: library)
    monkeypatch.setattr(libvirt, "open_connection", lambda given: given)
    room = libvirt.read_room({"host": "compute-1", "state_path": str(tmp_path)})
    assert (room["host"], room["vcpus"], room["memory_mb"]) == ("compute-1", 8, 4096)
    assert {key: room[key] for key in libvirt._disk(str(tmp_path))} == libvirt._disk(str(tmp_path))
    assert (room["vcpus_used"], room["memory_mb_used"], room["running"]) == (3, 64, ["foreign"])
    assert room["power_states"] == {"off": "shutdown"}
    assert room["booted_at"] == libvirt.booted_at()


class WholeLibrary(Library):
    """A libvirt that knows its host."""

    VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES = 1

    def getCapabilities(self):  # noqa: N802
        return CAPABILITIES

    def baselineCPU(self, cpus, flags):  # noqa: N802
        return "<cpu><feature name='sse2'/></cpu>"

    def getDomainCapabilities(self, emulator, architecture, machine, virt_type):  # noqa: N802
        assert (emulator, architecture, machine, virt_type) == (None, "x86_64", None, "qemu")
        return DOMAIN_CAPABILITIES % "<value>efi</value>"

    def getType(self):  # noqa: N802
        return "QEMU"

    def getVersion(self):  # noqa: N802
        return 10000000


def test_the_whole_host(monkeypatch, tmp_path):
    library = WholeLibrary()
    monkeypatch.setattr(libvirt, "load", lambda: library)
    monkeypatch.setattr(libvirt, "open_connection", lambda given: given)
    params = {"host": "compute-1", "virt_type": "qemu", "state_path": str(tmp_path)}
    [node] = libvirt.find(params)
    assert (node.host, node.vcpus, node.virt_type, node.hypervisor_type) == ("compute-1", 8, "qemu", "QEMU")
    assert (node.cpu_model, node.cpu_features, len(node.numa_cells)) == ("EPYC", ("avx", "ht", "sse2"), 2)
    assert node.supports_uefi
    room = libvirt.read_room(params)
    assert node.running_vms == len(room.pop("running")) == 1
    assert room.items() <= vars(node).items()


BOARD, OTHER = "03000200-0400-0500-0006-000700080009", "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("board", "installed", "same"),
    [(BOARD, "a1", True), (BOARD, "b2", False), (OTHER, "a1", False), (BOARD, None, None), (None, "a1", None)],
)
def test_a_machine_is_itself_whatever_it_is_called(tmp_path, monkeypatch, board, installed, same):
    """A board's UUID may be many boards', and a copied disk has the machine-id of the first: both must be the same."""

    def told(board, installed):
        monkeypatch.setattr(libvirt, "MACHINE_ID", str(tmp_path / str(installed)))
        if installed:
            (tmp_path / installed).write_text(installed + "\n")
        return libvirt.machine(CAPABILITIES.replace("<cpu>", "<uuid>%s</uuid><cpu>" % board if board else "<cpu>", 1))

    first, second = told(BOARD, "a1"), told(board, installed)
    assert (second and first == second) is same
