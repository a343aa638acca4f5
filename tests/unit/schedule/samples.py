# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host and a request as the tests of this stage have them; keywords change them."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.topology import (
    parse_pci_requests,
    parse_topology,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.host_state import HostState
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import Policy, Request
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.policy import SPEC, parse_policy
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.settings import Settings

CELLS = [
    {
        "id": 0,
        "cpus": [0, 1, 4, 5],
        "memory_mb": 4096,
        "pages": {"4": 786432, "2048": 512},
        "siblings": [[0, 4], [1, 5]],
    },
    {
        "id": 1,
        "cpus": [2, 3, 6, 7],
        "memory_mb": 4096,
        "pages": {"4": 524288, "2048": 1024},
        "siblings": [[2, 6], [3, 7]],
    },
]
GPU = {"vendor_id": "10de", "product_id": "1eb8"}
FACTS = {
    "architecture": "x86_64", "hypervisor_type": "QEMU", "virt_type": "kvm", "hypervisor_version": 7002001,
    "cpu_model": "EPYC", "cpu_vendor": "AMD", "cpu_features": ["avx2", "aes"], "host_ip": "192.0.2.7",
    "numa_cells": CELLS, "cpu_topology": {"cells": 2, "sockets": 2, "cores": 2, "threads": 2},
    "pci_devices": [
        {"address": "0000:%02x:00.0" % number, "numa_node": node, **GPU} for number, node in ((1, 0), (2, 1), (3, -1))
    ],
}  # fmt: skip
HOST = HostState(
    host="c1", generation=0, enabled=True, disabled_reason=None, vcpus=8, memory_mb=8192, disk_gb=100, vcpus_reserved=0,
    memory_mb_reserved=512, disk_gb_reserved=0, cpu_allocation_ratio=2.0, ram_allocation_ratio=1.0,
    disk_allocation_ratio=1.0, vcpus_used=0, memory_mb_used=0, disk_gb_used=0, facts=FACTS,
)  # fmt: skip
SETTINGS = {"pci_aliases": {"gpu": GPU, "slot": {"address": "0000:02:00.0"}}}


def host(name="c1", /, **differences):
    facts = {**FACTS, **differences.pop("facts", {})}
    return replace(HOST, host=name, facts=facts, **differences)


def ask(
    name="web", vcpus=1, memory_mb=512, disk_gb=1, *, settings=None, image=None, project="p", flavor="small", **more
):
    instance = Instance(name, project, uuid=name, flavor={"name": flavor}, image={"name": "demo", **(image or {})})
    request = Request(
        instance, vcpus, memory_mb, disk_gb, settings=Settings(**{**SETTINGS, **(settings or {})}), **more
    )
    extra_specs, properties = request.extra_specs, request.image_properties
    return replace(
        request,
        numa_topology=parse_topology(vcpus, memory_mb, extra_specs, properties),
        pci_requests=parse_pci_requests(extra_specs, properties, request.settings.pci_aliases),
    )


def policy(**params) -> Policy:
    return parse_policy({**{name: option["default"] for name, option in SPEC.items()}, **params})
