# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a flavor and an image make of a machine, and how that is written for libvirt."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import devices, hardware, xml
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.device import Disk
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.elements import text
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.request import parse

VIDEO = {"hw_video_model": "vga", "hw_video_ram": "32"}


@pytest.mark.parametrize(
    ("vcpus", "extra_specs", "properties", "shape"),
    [
        (4, {}, {}, None),
        (4, {"hw:cpu_cores": "2"}, {}, "2 2 1"),
        (4, {"hw:cpu_sockets": "1"}, {}, "1 4 1"),
        (4, {"hw:cpu_threads": "2"}, {}, "2 1 2"),
        (4, {"hw:cpu_sockets": "1", "hw:cpu_cores": "2", "hw:cpu_threads": "2"}, {}, "1 2 2"),
        (4, {"hw:cpu_sockets": "3"}, {}, "4 1 1"),
        (4, {"hw:cpu_max_sockets": "1"}, {}, "1 4 1"),
        (4, {"hw:cpu_max_sockets": "1"}, {"hw_cpu_threads": "2"}, "1 2 2"),
        (4, {"hw:cpu_sockets": "4"}, {"hw_cpu_sockets": "2"}, "2 2 1"),
        (4, {"hw:cpu_sockets": "4"}, {"hw_cpu_max_sockets": "2"}, "2 2 1"),
        (720720, {"hw:cpu_cores": "16"}, {}, "45045 16 1"),
    ],
)
def test_the_guests_view_of_its_cpus(vcpus, extra_specs, properties, shape):
    made = hardware.resolve(vcpus, extra_specs, properties)
    assert [made.get("hw_cpu_" + part) for part in hardware.SHAPE] == (shape.split() if shape else [None] * 3)


@pytest.mark.parametrize(
    ("extra_specs", "properties", "made"),
    [
        ({}, {"hw_qemu_guest_agent": "yes"}, {"hw_qemu_guest_agent": "true"}),
        ({}, {"hw_qemu_guest_agent": "no"}, {"hw_qemu_guest_agent": "false"}),
        ({"hw:watchdog_action": "reset"}, {"hw_watchdog_action": "pause"}, {"hw_watchdog_action": "pause"}),
        ({"hw:boot_menu": "true"}, {"hw_boot_menu": "false"}, {"hw_boot_menu": "false"}),
        ({"hw:pmu": "true"}, {"hw_pmu": "1"}, {"hw_pmu": "true"}),
        ({"hw:hide_hypervisor_id": "false"}, {"img_hide_hypervisor_id": "yes"}, {"img_hide_hypervisor_id": "true"}),
        ({"hide_hypervisor_id": "true"}, {}, {"img_hide_hypervisor_id": "true"}),
        ({"hw:hide_hypervisor_id": "false"}, {}, {}),
        ({"hw:serial_port_count": "3"}, {"hw_serial_port_count": "2"}, {"hw_serial_port_count": "2"}),
        ({}, {"hw_serial_port_count": "0"}, {}),
        ({"hw_video:ram_max_mb": "64"}, VIDEO, VIDEO),
        ({"quota:cpu_shares": "2048", "ssd": "true", "trait:CUSTOM_X": "required"}, {}, {"quota:cpu_shares": "2048"}),
        ({}, {"os_type": "Windows", "os_distro": "windows", "architecture": "x86_64"}, {"os_type": "windows"}),
    ],
)
def test_what_both_make_of_it(extra_specs, properties, made):
    assert hardware.resolve(2, extra_specs, properties) == made


@pytest.mark.parametrize(
    ("extra_specs", "properties", "why"),
    [
        ({"hw:pmu": "true"}, {"hw_pmu": "false"}, "the image's hw_pmu false is not the flavor's true"),
        ({"hw:serial_port_count": "1"}, {"hw_serial_port_count": "2"}, "count 2 is above the flavor's 1"),
        ({"hw:cpu_max_cores": "1"}, {"hw_cpu_max_cores": "2"}, "hw_cpu_max_cores 2 is above the flavor's 1"),
        ({"hw:cpu_max_cores": "1"}, {"hw_cpu_cores": "2"}, "are above the limits"),
        ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "1", "hw:cpu_max_threads": "1"}, {},
         "2 vCPUs cannot be made of at most 1 sockets, 1 cores, 1 threads"),
        ({}, VIDEO, "hw_video_ram 32 is above the flavor's hw_video:ram_max_mb 0"),
        ({"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, "hw_video_ram needs a device"),
        ({"hw:locked_memory": "true"}, {}, "hw:locked_memory needs hw:mem_page_size"),
        ({"hw:usb_model": "none"}, {"hw_pointer_model": "usbtablet"}, "hw_pointer_model needs a USB controller"),
        ({"quota:disk_total_bytes_sec": "1", "quota:disk_read_bytes_sec": "1"}, {},
         "quota:disk_total_bytes_sec goes without quota:disk_read_bytes_sec"),
        ({"quota:vif_inbound_peak": "1"}, {}, "quota:vif_inbound_peak needs quota:vif_inbound_average"),
        ({}, {"hw_machine_type": "q35\x1b"}, "hw_machine_type: 'q35.x1b' has a control character"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(extra_specs, properties, why):
    with pytest.raises(InvalidRequest, match=why):
        hardware.resolve(2, extra_specs, properties)


@pytest.fixture
def defined(ask):
    """A domain's XML as libvirt gets it, of a flavor and an image."""

    def define(extra_specs, properties, **more):
        params = ask()
        params["domains"][0]["flavor"]["extra_specs"] = extra_specs
        params["domains"][0]["image"]["properties"] = properties
        [domain] = parse(params)
        assert domain.unmakeable is None
        return xml.definition(replace(domain, **{"virt_type": "qemu", **more}))

    return define


USB = "devices/controller[@type='usb'][@model='%s']"
SPREAD = {"hw:cpu_cores": "2"}


@pytest.mark.parametrize(
    ("extra_specs", "properties", "path", "there"),
    [
        (SPREAD, {}, "cpu/topology[@sockets='1'][@cores='2'][@threads='1']", True),
        ({}, {}, "cpu", False),
        ({"hw:pmu": "false"}, {}, "features/pmu[@state='off']", True),
        ({"hw:hide_hypervisor_id": "true"}, {}, "features/kvm/hidden[@state='on']", True),
        ({"hw:mem_page_size": "large", "hw:locked_memory": "true"}, {}, "memoryBacking/locked", True),
        ({"quota:cpu_shares": "512"}, {}, "cputune[shares='512']", True),
        ({"quota:cpu_period": "5000", "quota:cpu_quota": "-1"}, {}, "cputune[period='5000'][quota='-1']", True),
        ({"quota:cpu_period": "0"}, {}, "cputune", False),
        ({}, {"hw_firmware_type": "uefi"}, "os[@firmware='efi']/firmware/feature[@enabled='no'][@name='secure-boot']",
         True),
        ({}, {"hw_firmware_type": "bios"}, "os/firmware", False),
        ({"hw:boot_menu": "true"}, {}, "os/bootmenu[@enable='yes']", True),
        ({}, {"hw_time_hpet": "true"}, "clock/timer[@name='hpet'][@present='yes']", True),
        ({}, {}, "clock[@offset='utc']", True),
        ({}, {"os_type": "windows"}, "clock[@offset='localtime']", True),
        ({}, {"os_type": "windows"}, "features/hyperv", False),
        ({}, {"hw_qemu_guest_agent": "true"},
         "devices/channel[@type='unix']/target[@type='virtio'][@name='org.qemu.guest_agent.0']", True),
        ({}, {"hw_qemu_guest_agent": "false"}, "devices/channel", False),
        ({}, {}, "devices/rng/backend", True),
        ({"hw_rng:allowed": "false"}, {}, "devices/rng", False),
        ({"hw_rng:rate_bytes": "9", "hw_rng:rate_period": "8"}, {}, "devices/rng/rate[@bytes='9'][@period='8']", True),
        ({"hw:watchdog_action": "none"}, {}, "devices/watchdog[@model='i6300esb'][@action='none']", True),
        ({"hw:watchdog_action": "disabled"}, {}, "devices/watchdog", False),
        ({"hw_video:ram_max_mb": "64"}, VIDEO, "devices/video/model[@type='vga'][@vram='32768']", True),
        ({}, {"hw_video_model": "none"}, "devices/video/model[@type='none']", True),
        ({}, {}, "devices/video", False),
        ({}, {}, USB % "none", True),
        ({"hw:usb_model": "qemu-xhci"}, {}, USB % "qemu-xhci", True),
        ({}, {"hw_pointer_model": "usbtablet"}, "devices/input[@type='tablet'][@bus='usb']", True),
        ({}, {"hw_pointer_model": "usbtablet"}, "devices/controller[@type='usb']", False),
        ({}, {"hw_pointer_model": "usbtablet"}, "devices/input[@type='keyboard']", False),
        ({}, {"hw_input_bus": "virtio"}, "devices/input[@type='keyboard'][@bus='virtio']", True),
        ({}, {"hw_input_bus": "virtio"}, USB % "none", True),
        ({}, {"hw_cdrom_bus": "usb"}, "devices/controller[@type='usb']", False),
        ({"quota:disk_read_iops_sec": "500"}, {}, "devices/disk[1]/iotune[read_iops_sec='500']", True),
        ({"quota:disk_read_iops_sec": "500"}, {}, "devices/disk[2]/iotune", False),
        ({"quota:disk_read_iops_sec": "0"}, {}, "devices/disk/iotune", False),
        ({"quota:vif_outbound_average": "9", "quota:vif_outbound_peak": "8"}, {},
         "devices/interface/bandwidth/outbound[@average='9'][@peak='8']", True),
        ({}, {"hw_vif_multiqueue_enabled": "true"}, "devices/interface/driver[@queues='2']", True),
        ({}, {}, "devices/interface/driver", False),
    ],
)  # fmt: skip
def test_what_libvirt_is_told(defined, extra_specs, properties, path, there):
    assert (defined(extra_specs, properties).find(path) is not None) is there


# nova's num_pcie_ports: machines with PCI Express take what is plugged in at free root ports only, 28 at most.
@pytest.mark.parametrize(
    ("machine", "architecture", "volumes", "ports"),
    [
        ("q35", "x86_64", 0, 15),
        ("pc-q35-7.2", "x86_64", 8, 23),
        ("q35", "x86_64", 24, 28),
        (None, "x86_64", 0, 0),
        ("pc-i440fx-7.2", "x86_64", 0, 0),
        (None, "aarch64", 0, 15),
        ("virt-7.2", "aarch64", 0, 15),
        (None, "ppc64le", 0, 0),
    ],
)
def test_root_ports_are_kept_for_what_is_plugged_in_later(defined, machine, architecture, volumes, ports):
    disks = tuple(Disk("v%d" % number, "vd" + chr(98 + number), "/v%d" % number) for number in range(volumes))
    properties = {"hw_machine_type": machine} if machine else {}
    root = defined({}, properties, architecture=architecture, volumes=disks)
    found = [(each.get("model"), each.get("index")) for each in root.findall("devices/controller[@type='pci']")]
    ends = [("pcie-root-port", str(index)) for index in range(1, ports + 1)]
    assert found == ([("pcie-root", "0"), *ends] if ports else [])


@pytest.mark.parametrize(("count", "ports"), [(None, 1), ("3", 3)])
def test_the_first_serial_port_is_the_console(defined, count, ports):
    found = defined({"hw:serial_port_count": count} if count else {}, {}).findall("devices/serial")
    assert [port.find("log") is not None for port in found] == [True, *[False] * (ports - 1)]


def test_windows_has_hyper_vs_interfaces_where_kvm_offers_them(defined):
    root = defined({}, {"os_type": "windows"}, virt_type="kvm")
    assert root.find("features/hyperv/vapic").get("state") == "on"
    assert root.find("clock/timer[@name='hypervclock']") is not None


def test_a_topology_and_cells_are_of_one_cpu(defined):
    cell = {"cell": 0, "vcpus": [0, 1], "cpus": [0, 1], "dedicated": False, "memory_mb": 512, "page_size": None}
    asked = {**SPREAD, "quota:cpu_shares": "512"}
    root = defined(asked, {}, virt_type="kvm", allocation={"numa": [cell]})
    assert [len(root.findall(tag)) for tag in ("cpu", "cputune")] == [1, 1]
    assert root.find("cpu[@mode='host-model']/topology") is not None
    assert root.find("cpu/numa") is not None


def test_what_it_is_made_with_is_read_again(defined):
    asked = {"quota:vif_inbound_average": "9", "quota:disk_total_bytes_sec": "8", "hw:watchdog_action": "none"}
    root = defined(asked, {"hw_vif_multiqueue_enabled": "true"})
    seen = xml.parse(text(root), "ACTIVE")
    assert dict(seen.hardware)["hw_watchdog_action"] == "none"
    assert seen.root.limits == (("total_bytes_sec", "8"),)
    assert (seen.interfaces[0].queues, seen.interfaces[0].bandwidth) == (2, (("inbound", (("average", "9"),)),))
    again = devices.interface(seen.interfaces[0])
    assert ElementTree.tostring(again) == ElementTree.tostring(root.find("devices/interface"))


def test_one_vcpu_has_one_queue():
    asked = {"hw_vif_multiqueue_enabled": "true"}
    assert [hardware.queues(asked, vcpus) for vcpus in (1, 2, 1000)] == [None, 2, 256]
    assert hardware.queues({}, 4) is None
