# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every filter as a table: a host, a request, and why the one refuses the other."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.filters.extra_specs import OPERATORS, matches
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.filters.registry import CLAIM, DEFAULT, FILTERS
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.filters.rule import (
    applicable,
    first_refusal,
    show,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import Group
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import CELLS, ask, host


def of(**metadata):
    return {"aggregates": ({"name": "rack", "metadata": metadata},)}


def specs(**words):
    return {"extra_specs": {key.replace("__", ":"): value for key, value in words.items()}}


def group(policy, most=None, **hosts):
    return {"group": Group("web", policy, most, hosts)}


def image(**properties):
    return {"image_properties": properties}


PINNED = [
    {
        "numa": [
            {"cell": 0, "vcpus": [0, 1, 2], "cpus": [0, 4, 1], "dedicated": True, "memory_mb": 512, "page_size": None}
        ]
    }
]
# The keys that nova documents for ComputeCapabilitiesFilter, with and without their scope.
NOVA = {
    "free_ram_mb": ">= 4096",
    "free_disk_mb": ">= 10240",
    "host": "<in> c",
    "hypervisor_type": "s== QEMU",
    "hypervisor_version": ">= 1005003",
    "num_instances": "<= 10",
    "num_io_ops": "<= 5",
    "vcpus_total": "= 8",
    "vcpus_used": "= 0",
}
WIRES = {"physnet1": {"bridge": "br-ex", "interface": "eth2"}}
CASES = {
    "AllHostsFilter": [({"enabled": False}, {}, None)],
    "ComputeFilter": [
        ({}, {}, None),
        ({"enabled": False, "disabled_reason": "new disk"}, {}, "are disabled (new disk)"),
        ({"enabled": False}, {}, "are disabled"),
    ],
    "RetryFilter": [({}, {"attempted": ("c2",)}, None), ({}, {"attempted": ("c1",)}, "have failed it already")],
    "VolumeFilter": [
        ({}, {"pinned": ("c1",)}, None),
        ({}, {"pinned": ("c2",)}, "are not where its disks are (c2)"),
        ({}, {"pinned": ("c1", "c2")}, "are not where its disks are (c1, c2)"),
    ],
    "AvailabilityZoneFilter": [
        ({}, {}, None),
        ({}, {"availability_zone": "nova"}, None),
        ({"availability_zone": "az1"}, {"availability_zone": "az1"}, None),
        (of(availability_zone="az1"), {"availability_zone": "az1"}, None),
        ({"availability_zone": "az2"}, {"availability_zone": "az1"}, "are not in zone az1"),
    ],
    "PhysicalNetworkFilter": [
        ({}, {}, None),
        ({}, {"physical_networks": ("physnet1",)}, "have no bridge mapping for physnet1"),
        ({"bridge_mappings": WIRES}, {"physical_networks": ("physnet1",)}, None),
        ({"bridge_mappings": WIRES}, {}, None),
        ({"bridge_mappings": WIRES}, {"physical_networks": ("physnet1", "two")}, "have no bridge mapping for two"),
        ({"bridge_mappings": {}}, {"physical_networks": ("a", "b")}, "have no bridge mapping for a, b"),
        ({}, {"physical_networks": ("a",), "wired": {"a": frozenset(["c1"])}}, None),
        ({}, {"physical_networks": ("a",), "wired": {"a": frozenset(["c2"])}}, "have no bridge mapping for a"),
        ({"bridge_mappings": {"a": {}}}, {"physical_networks": ("a",), "wired": {"a": frozenset(["c2"])}}, None),
    ],
    "ComputeCapabilitiesFilter": [
        ({}, specs(capabilities__hypervisor_version=">= 7000000"), None),
        (
            {},
            specs(capabilities__hypervisor_version=">= 8000000"),
            "do not have capabilities:hypervisor_version >= 8000000",
        ),
        ({}, specs(capabilities__cpu_info__features="<in> avx2"), None),
        (
            {},
            specs(capabilities__cpu_info__features="<all-in> avx2 sse9"),
            "do not have capabilities:cpu_info:features <all-in> avx2 sse9",
        ),
        ({}, specs(capabilities__cpu_info__vendor="<or> Intel <or> AMD"), None),
        ({}, specs(hypervisor_type="s== QEMU"), None),
        ({}, specs(hypervisor_type="s== Xen"), "do not have hypervisor_type s== Xen"),
        ({}, specs(free_ram_mb=">= 8000"), "do not have free_ram_mb >= 8000"),
        ({}, specs(capabilities__nonsense="1"), "do not have capabilities:nonsense 1"),
        ({}, specs(capabilities__facts__architecture="x86_64"), "do not have capabilities:facts:architecture x86_64"),
        ({}, specs(quota__cpu_shares="10", ssd="true"), None),
        ({}, specs(capabilities__cpu_info__topology__threads=">= 2"), None),
        ({}, specs(arch="no such thing", architecture="nor this"), None),
        *(({}, specs(**{scope + key: asked}), None) for scope in ("", "capabilities__") for key, asked in NOVA.items()),
        *(
            ({}, specs(**{key: "s== other"}), "do not have %s s== other" % key)
            for key in (*NOVA, "nodename", "hypervisor_hostname", "cpu_info", "host_ip", "total_usable_disk_gb")
        ),
        ({"cpu_dedicated_set": "4-7"}, specs(vcpus_total="== 4"), None),
        ({"facts": {"foreign_disk_gb": 90}}, specs(free_disk_mb=">= 10240"), None),
        ({"facts": {"foreign_disk_gb": 91}}, specs(free_disk_mb=">= 10240"), "do not have free_disk_mb >= 10240"),
    ],
    "ImagePropertiesFilter": [
        ({}, {}, None),
        ({}, image(hw_architecture="amd64", img_hv_type="kvm", hw_vm_mode="hvm"), None),
        ({}, image(hw_architecture="i686"), None),
        ({}, image(hw_architecture="aarch64"), "do not run images with hw_architecture aarch64"),
        ({}, image(img_hv_type="qemu"), None),
        ({"facts": {"virt_type": "qemu"}}, image(img_hv_type="QEMU"), None),
        ({"facts": {"virt_type": "qemu"}}, image(img_hv_type="kvm"), "do not run images with img_hv_type kvm"),
        ({}, image(img_hv_type="xen"), "do not run images with img_hv_type xen"),
        ({}, image(hw_vm_mode="xen"), "do not run images with hw_vm_mode xen"),
        ({}, image(img_hv_requested_version=">=7.0,<8"), None),
        ({}, image(img_hv_requested_version=">=7.3"), "do not run images with img_hv_requested_version >=7.3"),
        ({}, image(img_hv_requested_version="!=7.2.1"), "do not run images with img_hv_requested_version !=7.2.1"),
        *(({}, image(hw_architecture=each), None) for each in ("AMD64", "x64", "i386", "i486", "i586", "x86_32")),
        *(({}, image(hw_vm_mode=each), None) for each in ("HVM", "hv", "baremetal")),
        ({}, image(hw_vm_mode="pv"), "do not run images with hw_vm_mode pv"),
        ({"facts": {"architecture": "aarch64"}}, image(hw_architecture="arm64"), None),
        (
            {"facts": {"architecture": "aarch64"}},
            image(hw_architecture="i686"),
            "do not run images with hw_architecture i686",
        ),
        ({}, image(hw_machine_type="q35"), None),
        ({"facts": {"machine_types": ["pc-q35-7.2", "pc-i440fx-7.2"]}}, image(hw_machine_type="q35"), None),
        (
            {"facts": {"machine_types": ["virt-7.2"]}},
            image(hw_machine_type="q35"),
            "do not run images with hw_machine_type q35",
        ),
        ({}, image(hw_firmware_type="uefi"), None),
        ({"facts": {"supports_uefi": True}}, image(hw_firmware_type="uefi"), None),
        ({"facts": {"supports_uefi": False}}, image(hw_firmware_type="bios"), None),
        (
            {"facts": {"supports_uefi": False}},
            image(hw_firmware_type="uefi"),
            "do not run images with hw_firmware_type uefi: install ovmf there and run survey",
        ),
        (
            {},
            {"settings": {"image_properties_default_architecture": "ppc64"}},
            "do not run images with hw_architecture ppc64",
        ),
    ],
    "TraitsFilter": [
        ({"traits": ("CUSTOM_SSD",)}, specs(trait__CUSTOM_SSD="required"), None),
        ({}, specs(trait__CUSTOM_SSD="required"), "do not have the traits CUSTOM_SSD"),
        ({"traits": ("CUSTOM_OLD",)}, specs(trait__CUSTOM_OLD="forbidden"), "do not have the traits no CUSTOM_OLD"),
        ({}, specs(trait__CUSTOM_OLD="forbidden"), None),
        ({}, specs(trait__HW_CPU_X86_AVX2="required", trait__HW_CPU_X86_AESNI="required"), None),
        ({}, {"image_properties": {"trait:CUSTOM_SSD": "required"}}, "do not have the traits CUSTOM_SSD"),
        ({}, {"image_properties": {"trait:HW_CPU_X86_AVX2": "forbidden"}}, "do not have the traits no HW_CPU_X86_AVX2"),
        ({}, specs(trait__HW_CPU_HYPERTHREADING="required", hw__cpu_policy="dedicated"), None),
        (
            {},
            specs(trait__HW_CPU_HYPERTHREADING="forbidden", hw__cpu_policy="dedicated"),
            "do not have the traits no HW_CPU_HYPERTHREADING",
        ),
        (
            {"facts": {"numa_cells": [{**cell, "siblings": None} for cell in CELLS]}},
            specs(trait__HW_CPU_HYPERTHREADING="required", hw__cpu_policy="dedicated"),
            "do not have the traits HW_CPU_HYPERTHREADING",
        ),
    ],
    "JsonFilter": [
        ({}, {}, None),
        ({}, {"hints": {"query": '["and", [">=", "$free_ram_mb", 1024], ["=", "$hypervisor_type", "QEMU"]]'}}, None),
        ({}, {"hints": {"query": [">", "$free_ram_mb", 100000]}}, "do not answer the query"),
        ({}, {"hints": {"query": ["not", ["=", "$host", "c1"]]}}, "do not answer the query"),
        ({}, {"hints": {"query": ["in", "$host", "c1", "c2"]}}, None),
        ({}, {"hints": {"query": ["or", ["<", "$vcpus_total", 8], ["<=", "$vcpus_total", 8]]}}, None),
        ({}, {"hints": {"query": [">=", "$host", 1]}}, "do not answer the query"),
        ({}, {"hints": {"query": ["=", "$hypervisor_hostname", "c1"]}}, None),
        ({"disk_gb_used": 2}, {"hints": {"query": ["=", "$disk_mb_used", 2048]}}, None),
        ({}, {"hints": {"query": ["or", "", ["=", "$host", "c1", ""]]}}, None),
        ({}, {"hints": {"query": ["=", "$no_such_thing", 1]}}, "do not answer the query ($no_such_thing is unknown)"),
        ({}, {"hints": {"query": ["or", ["=", "$no_such_thing", 1], ["=", "$host", "c1"]]}}, None),
        ({}, {"hints": {"query": ["=", "$cpu_info.vendor", "AMD"]}}, None),
        *(
            ({}, {"hints": {"query": [">=", "$" + name, 1]}}, reason)
            for name, reason in (
                ("free_ram_mb", None),
                ("free_disk_mb", None),
                ("total_usable_ram_mb", None),
                ("vcpus_total", None),
                ("vcpus_used", "do not answer the query"),
            )
        ),
    ],
    "MetricsFilter": [
        ({}, {}, None),
        ({"metrics": {"load": 1}}, {"settings": {"metrics_weight_setting": {"load": 1.0}}}, None),
        ({}, {"settings": {"metrics_weight_setting": {"load": 1.0}}}, "do not tell the metrics load"),
    ],
    "SameHostFilter": [
        ({}, {}, None),
        ({}, {"same_host": frozenset(["c1"])}, None),
        ({}, {"same_host": frozenset()}, "have none of the instances in same_host"),
    ],
    "DifferentHostFilter": [
        ({}, {"different_host": frozenset(["c2"])}, None),
        ({}, {"different_host": frozenset(["c1"])}, "have an instance in different_host"),
    ],
    "SimpleCIDRAffinityFilter": [
        ({}, {}, None),
        ({}, {"hints": {"build_near_host_ip": "192.0.2.200"}}, None),
        ({}, {"hints": {"build_near_host_ip": "192.0.2.200", "cidr": "/30"}}, "have no address in 192.0.2.200/30"),
        (
            {"facts": {"host_ip": None}},
            {"hints": {"build_near_host_ip": "192.0.2.200"}},
            "have no address in 192.0.2.0/24",
        ),
    ],
    "ServerGroupAntiAffinityFilter": [
        ({}, {}, None),
        ({}, group("anti-affinity", c2=1), None),
        ({}, group("anti-affinity", c1=1), "have 1 of group web already"),
        ({}, group("anti-affinity", 2, c1=1), None),
        ({}, group("anti-affinity", 2, c1=2), "have 2 of group web already"),
        ({}, group("soft-anti-affinity", c1=9), None),
    ],
    "ServerGroupAffinityFilter": [
        ({}, group("affinity"), None),
        ({}, group("affinity", c1=1), None),
        ({}, group("affinity", c2=1), "are not where group web is (c2)"),
        ({}, group("soft-affinity", c2=1), None),
    ],
    "AggregateInstanceExtraSpecsFilter": [
        ({}, {}, None),
        (of(ssd="true"), specs(ssd="true"), None),
        (of(ssd="true, maybe"), specs(ssd="maybe"), None),
        (of(ssd="false"), specs(ssd="true"), "are in no aggregate with ssd true"),
        ({}, specs(ssd="true"), "are in no aggregate with ssd true"),
        (of(cores="8"), specs(aggregate_instance_extra_specs__cores=">= 6"), None),
        (
            of(cores="8"),
            specs(cores="<= 6", aggregate_instance_extra_specs__cores=">= 6"),
            "are in no aggregate with cores <= 6",
        ),
        ({}, specs(capabilities__ssd="true"), None),
    ],
    "AggregateImagePropertiesIsolation": [
        (of(os_distro="windows"), image(os_distro="windows"), None),
        (of(os_distro="windows"), image(os_distro="debian"), "are for images with another os_distro than debian"),
        (of(os_distro="windows"), {}, None),
        ({}, image(os_distro="debian"), None),
        (of(os_distro="windows, debian"), image(os_distro="debian"), None),
        (of(os_type="linux"), image(os_type="Linux"), None),
        (of(hw_architecture="x86_64"), image(hw_architecture="amd64"), None),
        (of(hw_cpu_cores="4"), image(hw_cpu_cores="04"), None),
        (of(hw_cpu_cores="4"), image(hw_cpu_cores="5"), "are for images with another hw_cpu_cores than 5"),
        (of(hw_qemu_guest_agent="True"), image(hw_qemu_guest_agent="yes"), None),
        (of(hw_qemu_guest_agent="yes"), image(hw_qemu_guest_agent="true"), None),
        (of(hw_qemu_guest_agent="True"), image(hw_qemu_guest_agent="no"), None),
        (
            of(hw_qemu_guest_agent="False"),
            image(hw_qemu_guest_agent="yes"),
            "are for images with another hw_qemu_guest_agent than yes",
        ),
        (of(mine="a"), image(mine="b"), "are for images with another mine than b"),
        (
            of(os_distro="windows"),
            {**image(os_distro="debian"), "settings": {"aggregate_image_properties_isolation_namespace": "iso"}},
            None,
        ),
    ],
    "AggregateMultiTenancyIsolation": [
        ({}, {}, None),
        (of(filter_tenant_id="p,q"), {}, None),
        (of(filter_tenant_id="q", filter_tenant_id2="p"), {}, None),
        (of(filter_tenant_id="q"), {}, "are kept for other projects"),
        (of(ssd="true"), {}, None),
    ],
    "AggregateTypeAffinityFilter": [
        ({}, {}, None),
        (of(instance_type="small, large"), {}, None),
        (of(instance_type="large"), {}, "are kept for other flavors than small"),
    ],
    "IsolatedHostsFilter": [
        ({}, {}, None),
        ({}, {"settings": {"isolated_hosts": ["c1"]}}, "are isolated, and image demo is not"),
        ({}, {"settings": {"isolated_hosts": ["c1"], "isolated_images": ["demo"]}}, None),
        ({}, {"image": {"id": "7"}, "settings": {"isolated_hosts": ["c1"], "isolated_images": ["7"]}}, None),
        (
            {},
            {"image": {"id": "7"}, "settings": {"isolated_hosts": ["c2"], "isolated_images": ["7"]}},
            "are not among the isolated hosts, which image demo needs",
        ),
        (
            {},
            {"settings": {"isolated_hosts": ["c2"], "isolated_images": ["demo"]}},
            "are not among the isolated hosts, which image demo needs",
        ),
        (
            {},
            {"settings": {"isolated_hosts": ["c1"], "restrict_isolated_hosts_to_isolated_images": False}},
            None,
        ),
    ],
    "IoOpsFilter": [({"num_io_ops": 7}, {}, None), ({"num_io_ops": 8}, {}, "build 8 instances or more now")],
    "AggregateIoOpsFilter": [
        ({"num_io_ops": 7}, {}, None),
        ({"num_io_ops": 2, **of(max_io_ops_per_host="2")}, {}, "build 2 instances or more now"),
        ({"num_io_ops": 2, **of(max_io_ops_per_host="many")}, {}, None),
    ],
    "NumInstancesFilter": [({"num_instances": 49}, {}, None), ({"num_instances": 50}, {}, "have 50 instances or more")],
    "AggregateNumInstancesFilter": [
        ({"num_instances": 50}, {}, "have 50 instances or more"),
        ({"num_instances": 50, **of(max_instances_per_host="60")}, {}, None),
    ],
    "CoreFilter": [
        ({"vcpus_used": 15}, {}, None),
        ({"vcpus_used": 16}, {}, "lack 1 vCPUs"),
        ({"vcpus_used": 14, "vcpus_reserved": 1}, {}, "lack 1 vCPUs"),
        ({}, {"vcpus": 9}, "give one instance fewer than 9 vCPUs"),
        ({"vcpus_used": 16, **of(cpu_allocation_ratio="3")}, {}, None),
        ({"vcpus_used": 15, **of(cpu_allocation_ratio="nan")}, {}, None),
        ({"vcpus_used": 16, **of(cpu_allocation_ratio="inf")}, {}, "lack 1 vCPUs"),
        ({"units": {"vcpus": {"max_unit": 2}}}, {"vcpus": 3}, "give one instance fewer than 3 vCPUs"),
        ({"units": {"vcpus": {"min_unit": 2}}}, {}, "give one instance more than 1 vCPUs only"),
        ({"units": {"vcpus": {"step_size": 2}}}, {"vcpus": 3}, "do not give 3 vCPUs, only in steps"),
        ({"cpu_dedicated_set": "4-7"}, {"vcpus": 5}, "give one instance fewer than 5 vCPUs"),
    ],
    "RamFilter": [
        ({}, {"memory_mb": 7680}, None),
        ({}, {"memory_mb": 7681}, "lack 7681 MiB"),
        ({"memory_mb_used": 7680, **of(ram_allocation_ratio="1.5")}, {}, None),
        ({"ram_allocation_ratio": 2.0}, {"memory_mb": 8193}, "give one instance fewer than 8193 MiB"),
    ],
    "DiskFilter": [
        ({"disk_gb_used": 99}, {}, None),
        ({"disk_gb_used": 99}, {"disk_gb": 2}, "lack 2 GiB"),
        ({"disk_gb_used": 999}, {"disk_gb": 0}, None),
        ({"disk_gb_used": 98}, {"disk_gb": 30, "waiting_gb": 28}, None),
        ({"disk_gb_used": 99}, {"disk_gb": 30, "waiting_gb": 28}, "lack 2 GiB beside the volumes that wait there"),
        ({"disk_gb_used": 100}, {"disk_gb": 30, "waiting_gb": 30}, None),
        ({"disk_gb_used": 101}, {"disk_gb": 30, "waiting_gb": 30}, "lack 0 GiB beside the volumes that wait there"),
    ],
    "NUMATopologyFilter": [
        ({}, {}, None),
        ({}, {"vcpus": 4, **specs(hw__cpu_policy="dedicated")}, None),
        ({}, {"vcpus": 8, **specs(hw__numa_nodes="2")}, None),
        (
            {},
            {"vcpus": 5, **specs(hw__cpu_policy="dedicated")},
            "have no room for its NUMA topology (1 cell, dedicated CPUs)",
        ),
        (
            {},
            {"vcpus": 3, "memory_mb": 513, **specs(hw__numa_nodes="3")},
            "have no room for its NUMA topology (3 cells)",
        ),
        ({"facts": {"numa_cells": []}}, specs(hw__numa_nodes="1"), "have no room for its NUMA topology (1 cell)"),
        (
            {"allocations": PINNED * 1 + [{"numa": [{**PINNED[0]["numa"][0], "cell": 1, "cpus": [2, 6, 3]}]}]},
            {"vcpus": 2, **specs(hw__cpu_policy="dedicated")},
            "have no room for its NUMA topology (1 cell, dedicated CPUs)",
        ),
        ({}, {"memory_mb": 2048, **specs(hw__mem_page_size="2MB")}, None),
        (
            {},
            {"memory_mb": 4096, **specs(hw__mem_page_size="2MB")},
            "have no room for its NUMA topology (1 cell, pages 2048)",
        ),
        ({}, specs(hw__mem_page_size="1GB"), "have no room for its NUMA topology (1 cell, pages 1048576)"),
    ],
    "PciPassthroughFilter": [
        ({}, {}, None),
        ({}, specs(pci_passthrough__alias="gpu:3"), None),
        ({}, specs(pci_passthrough__alias="gpu:4"), "lack PCI devices gpu:4"),
        ({}, specs(pci_passthrough__alias="gpu:2,slot:1"), None),
        ({"allocations": [{"pci": ["0000:02:00.0"]}]}, specs(pci_passthrough__alias="slot"), "lack PCI devices slot:1"),
        ({}, specs(pci_passthrough__alias="gpu:3", hw__numa_nodes="1"), "lack PCI devices gpu:3"),
        ({}, specs(pci_passthrough__alias="gpu:3", hw__numa_nodes="1", hw__pci_numa_affinity_policy="preferred"), None),
        (
            {},
            specs(pci_passthrough__alias="gpu:2", hw__numa_nodes="1", hw__pci_numa_affinity_policy="required"),
            "lack PCI devices gpu:2",
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "state", "asked", "reason"),
    [
        pytest.param(name, *case, id="%s-%d" % (name, index))
        for name, cases in CASES.items()
        for index, case in enumerate(cases)
    ],
)
def test_filter(name, state, asked, reason):
    compute, request, refuses = host(**state), ask(**asked), FILTERS[name]
    found = first_refusal(compute, request, applicable({name: refuses}, request))
    assert (found and found[1]) == reason
    if found:
        assert show(refuses, compute, request) != ""


def test_every_filter_has_cases_here():
    assert set(CASES) == set(FILTERS)
    assert set(DEFAULT) <= set(FILTERS)
    assert set(CLAIM) <= set(DEFAULT)


OPERATIONS = [
    ("4", "= 4", True),
    ("5", "= 4", True),
    ("3", "= 4", False),
    ("4", "== 4.0", True),
    ("4", "!= 4", False),
    ("4", ">= 4", True),
    ("4", "<= 3", False),
    ("a", "s== a", True),
    ("a", "s!= a", False),
    ("a", "s< b", True),
    ("b", "s<= b", True),
    ("a", "s> b", False),
    ("b", "s>= b", True),
    ("abc", "<in> b", True),
    ("abc", "<in> d", False),
    ("a b", "<all-in> a b", True),
    ("a", "<all-in> a b", False),
    ("b", "<or> a <or> b", True),
    ("c", "<or> a <or> b", False),
    ("4", "4", True),
    ("4", "4.0", False),
    ("x", ">= 4", False),
    ("4", ">=", False),
    (None, "s== a", False),
    ("", "", True),
]


@pytest.mark.parametrize(("have", "asked", "answer"), OPERATIONS)
def test_extra_spec(have, asked, answer):
    assert matches(have, asked) is answer


def test_every_operator_has_a_case_here():
    assert set(OPERATORS) <= {asked.split()[0] for _have, asked, _answer in OPERATIONS if asked}
