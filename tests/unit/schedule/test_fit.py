# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What flavors ask for piece by piece, and which pieces a host gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.fit import fit
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.host_cell import pick
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.topology import (
    NUMACell,
)
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import GPU, ask, host

ONE = NUMACell((0, 1), 512)
CORES = [[0, 4], [1, 5], [2, 6], [3, 7]]


@pytest.mark.parametrize(
    ("free", "count", "threads", "picked"),
    [
        (range(8), 2, "prefer", ([0, 4], [])),
        ({0, 1, 5}, 2, "prefer", ([1, 5], [])),
        ({0, 1}, 3, "prefer", None),
        (range(8), 4, "require", ([0, 4, 1, 5], [])),
        (range(8), 1, "require", ([0], [])),
        (range(8), 3, "require", ([0, 4, 1], [])),
        ({0, 4, 1, 2}, 3, "require", None),
        ({0, 1, 2, 3}, 2, "require", None),
        ({0, 4, 1, 2}, 3, "prefer", ([0, 1, 2], [])),
        ({0, 4, 1, 2}, 4, "prefer", ([0, 4, 1, 2], [])),
        (range(8), 3, "isolate", ([0, 1, 2], [4, 5, 6])),
        ({0, 1, 2, 3}, 1, "isolate", None),
    ],
)
def test_pick(free, count, threads, picked):
    assert pick(set(free), CORES, count, threads) == picked


def test_threads_are_required_of_cores_that_are_partly_free():
    wide = [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert pick({0, 1, 2, 4, 5}, wide, 3, "require") == ([0, 1, 2], [])
    assert pick({0, 1, 2, 4, 5}, wide, 4, "require") == ([0, 1, 4, 5], [])


def test_cores_without_threads_cannot_be_required():
    assert pick({0, 1}, [[0], [1]], 2, "require") is None
    assert pick({0, 1}, [[0], [1]], 2, "isolate") == ([0, 1], [])


def test_each_cell_of_the_guest_gets_one_of_the_hosts():
    allocation = fit(
        host(), ask(vcpus=4, memory_mb=1024, extra_specs={"hw:numa_nodes": "2", "hw:cpu_policy": "dedicated"})
    ).allocation
    assert [(cell["cell"], cell["vcpus"], cell["cpus"]) for cell in allocation["numa"]] == [
        (0, [0, 1], [0, 4]),
        (1, [2, 3], [2, 6]),
    ]


def test_devices_decide_the_cell():
    asked = {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "slot", "hw:pci_numa_affinity_policy": "required"}
    allocation = fit(host(), ask(extra_specs=asked)).allocation
    assert (allocation["numa"][0]["cell"], allocation["pci"]) == (1, ["0000:02:00.0"])


FOUR = [{"id": cell, "cpus": [cell], "memory_mb": 4096, "pages": {"4": 1048576}} for cell in range(4)]
FLOATING = {"vcpus": [0], "cpus": [], "dedicated": False, "memory_mb": 512, "page_size": None}
PINNED = {**FLOATING, "dedicated": True, "memory_mb": 128}


def gpus(*nodes):
    return [{"address": "0000:%02x:00.0" % index, "numa_node": node, **GPU} for index, node in enumerate(nodes)]


# nova's admin/cpu-topologies, "Customizing instance NUMA placement policies", with its default strategy, spread.
@pytest.mark.parametrize(
    ("extra_specs", "devices", "claims", "cell"),
    [
        pytest.param({"hw:numa_nodes": "1"}, [], [], 0, id="all alike: the first"),
        pytest.param({"hw:numa_nodes": "1"}, [], [{**FLOATING, "cell": 0}], 1, id="the one that fewer vCPUs share"),
        pytest.param(
            {"hw:numa_nodes": "1"}, [], [{**PINNED, "cell": 0}, {**PINNED, "cell": 1}], 2, id="then more memory"
        ),
        pytest.param(
            {"hw:numa_nodes": "1"}, gpus(0, 1, 1, 3), [], 2, id="without devices: the cell that has none"
        ),
        pytest.param(
            {"hw:numa_nodes": "1"}, gpus(0, 0, 1, 2, 2, 3, 3), [], 1, id="without devices: the cell that has fewest"
        ),
        pytest.param(
            {"hw:numa_nodes": "1"},
            gpus(1),
            [{**FLOATING, "cell": cell} for cell in (0, 2, 3)],
            0,
            id="devices count more than load",
        ),
        pytest.param(
            {"hw:numa_nodes": "1", "pci_passthrough:alias": "gpu:1"}, gpus(0, 2, 2), [], 2, id="with: the one with most"
        ),
        pytest.param(
            {
                "hw:numa_nodes": "1", "pci_passthrough:alias": "gpu:1", "hw:pci_numa_affinity_policy": "preferred",
            },
            gpus(3), [{**FLOATING, "cell": 3}], 3, id="also where affinity is only preferred",
        ),
        pytest.param({"hw:numa_nodes": "4"}, [], [{**FLOATING, "cell": 0}], 0, id="all of them: no choice, no order"),
    ],
)  # fmt: skip
def test_the_cell_that_is_tried_first(extra_specs, devices, claims, cell):
    compute = host(facts={"numa_cells": FOUR, "pci_devices": devices}, allocations=[{"numa": claims}])
    assert (
        fit(compute, ask(vcpus=4 if "4" in extra_specs.values() else 1, extra_specs=extra_specs)).allocation["numa"][0][
            "cell"
        ]
        == cell
    )


# nova's admin/pci-passthrough, "PCI-NUMA affinity policies". The guest is on cell 0; cells 0 and 1 are one socket.
@pytest.mark.parametrize(
    ("policy", "near", "unknown", "beside", "far"),
    [
        pytest.param("required", True, False, False, False),
        pytest.param("socket", True, False, True, False),
        pytest.param("legacy", True, True, False, False),
        pytest.param("preferred", True, True, True, True),
    ],
)
def test_affinity_of_devices(policy, near, unknown, beside, far):
    cells = [{**cell, "socket": cell["id"] // 2, "cpus": cell["cpus"] if cell["id"] == 0 else []} for cell in FOUR]
    asked = {"hw:numa_nodes": "1", "pci_passthrough:alias": "gpu:1", "hw:pci_numa_affinity_policy": policy}
    for node, fits in ((0, near), (-1, unknown), (1, beside), (2, far)):
        compute = host(facts={"numa_cells": cells, "pci_devices": gpus(node)})
        assert (fit(compute, ask(extra_specs=asked)).allocation is not None) is fits, node


@pytest.mark.parametrize(
    ("policy", "nodes", "chosen"),
    [
        ("legacy", (-1, 0), 1),
        ("preferred", (2, -1), 1),
        ("preferred", (2, -1, 0), 2),
        ("socket", (1, 0), 1),
    ],
)
def test_devices_near_the_guest_go_first(policy, nodes, chosen):
    cells = [{**cell, "socket": cell["id"] // 2, "cpus": cell["cpus"] if cell["id"] == 0 else []} for cell in FOUR]
    asked = {"hw:numa_nodes": "1", "pci_passthrough:alias": "gpu:1", "hw:pci_numa_affinity_policy": policy}
    devices = gpus(*nodes)
    allocation = fit(host(facts={"numa_cells": cells, "pci_devices": devices}), ask(extra_specs=asked)).allocation
    assert allocation["pci"] == [devices[chosen]["address"]]


def test_sockets_are_unknown_where_one_cell_does_not_tell_its_own():
    cells = [{**FOUR[0], "socket": 0}, {**FOUR[1], "cpus": [], "socket": None}]
    asked = {"hw:numa_nodes": "1", "pci_passthrough:alias": "gpu:1", "hw:pci_numa_affinity_policy": "socket"}
    assert fit(host(facts={"numa_cells": cells, "pci_devices": gpus(1)}), ask(extra_specs=asked)).allocation is None


def test_a_large_host_is_looked_at_in_no_time():
    """Nothing but the devices is missing, which can be on none of 43,680 layouts."""
    cells = [{"id": cell, "cpus": [cell], "memory_mb": 4096, "pages": {"4": 1048576}} for cell in range(16)]
    asked = {"hw:numa_nodes": "4", "pci_passthrough:alias": "gpu:1", "hw:pci_numa_affinity_policy": "required"}
    assert (
        fit(host(facts={"numa_cells": cells, "pci_devices": gpus(-1)}), ask(vcpus=4, extra_specs=asked)).allocation
        is None
    )
    assert fit(host(facts={"numa_cells": cells, "pci_devices": gpus(15)}), ask(vcpus=4, extra_specs=asked)).allocation[
        "pci"
    ]


def test_large_pages_are_counted():
    request = ask(memory_mb=1024, extra_specs={"hw:mem_page_size": "large"})
    state = host()
    cells = []
    while fit(state, request).allocation is not None:
        allocation = fit(state, request).allocation
        assert allocation["numa"][0]["page_size"] == 2048
        cells.append(allocation["numa"][0]["cell"])
        state = state.consume(request, allocation)
    assert sorted(cells) == [0, 1, 1]


def test_any_page_falls_back_to_the_ordinary_ones():
    state = host(facts={"numa_cells": [{"id": 0, "cpus": [0], "memory_mb": 4096, "pages": {"4": 1048576}}]})
    assert fit(state, ask(extra_specs={"hw:mem_page_size": "any"})).allocation["numa"][0]["page_size"] is None
    assert fit(state, ask(extra_specs={"hw:mem_page_size": "large"})).allocation is None


# nova's admin/huge-pages: what is in large pages is for those who ask for them, and never claimed twice.
LARGE = {"4": 262144, "2048": 1536}  # of 4 GiB, 3 GiB


@pytest.mark.parametrize(
    ("pages", "extra_specs", "memory_mb", "fits"),
    [
        pytest.param(LARGE, {}, 1024, True, id="what the large pages leave"),
        pytest.param(LARGE, {}, 2048, False, id="more than the large pages leave"),
        pytest.param(LARGE, {"hw:mem_page_size": "small"}, 2048, False, id="nor as small pages"),
        pytest.param(LARGE, {"hw:mem_page_size": "large"}, 2048, True, id="in large pages"),
        pytest.param(LARGE, {"hw:mem_page_size": "any"}, 2048, True, id="in any pages"),
        pytest.param(LARGE, {"hw:mem_page_size": "large"}, 4096, False, id="more than the large pages have"),
        pytest.param({"4": 1048576, "2048": 0}, {}, 4096, True, id="no large pages"),
        pytest.param({}, {}, 4096, True, id="pages unknown"),
        pytest.param({}, {"hw:mem_page_size": "small"}, 512, False, id="pages unknown, small ones asked for"),
    ],
)
def test_ordinary_memory_is_what_is_in_no_large_page(pages, extra_specs, memory_mb, fits):
    cell = {"id": 0, "cpus": [0, 1], "memory_mb": 4096, "pages": pages}
    request = ask(memory_mb=memory_mb, extra_specs={"hw:numa_nodes": "1", **extra_specs})
    assert (fit(host(facts={"numa_cells": [cell]}), request).allocation is not None) is fits


SHARED = {"hw:numa_nodes": "1"}
DEDICATED = {"hw:cpu_policy": "dedicated"}
SMALL = {"hw:mem_page_size": "small"}


@pytest.mark.parametrize(
    ("extra_specs", "ratio", "memory_mb", "fits"),
    [
        pytest.param(SHARED, 2.0, 3072, True, id="shared CPUs overcommit"),
        pytest.param(SHARED, 2.0, 4097, False, id="though no guest its cell alone"),
        pytest.param(SHARED, 0.5, 512, False, id="a ratio below 1 holds for them"),
        pytest.param(DEDICATED, 2.0, 2048, True, id="dedicated CPUs take what is left"),
        pytest.param(DEDICATED, 2.0, 3072, False, id="and no more"),
        pytest.param(DEDICATED, 0.5, 2048, True, id="whatever the ratio"),
        pytest.param(SMALL, 2.0, 2048, True, id="small pages take what is left"),
        pytest.param(SMALL, 2.0, 3072, False, id="and no more either"),
        pytest.param(SMALL, 0.5, 512, False, id="a ratio below 1 holds for small pages"),
        pytest.param({**SMALL, **DEDICATED}, 0.5, 2048, True, id="but for dedicated CPUs"),
        pytest.param({"hw:mem_page_size": "4"}, 2.0, 3072, False, id="a size is a size"),
    ],
)
def test_overcommit_of_a_cell_that_is_half_full(extra_specs, ratio, memory_mb, fits):
    cell = {"id": 0, "cpus": [0, 1], "memory_mb": 4096, "pages": {"4": 1048576}}
    half = {"cell": 0, "vcpus": [0], "cpus": [0, 1], "dedicated": False, "memory_mb": 2048, "page_size": None}
    half_full = host(ram_allocation_ratio=ratio, facts={"numa_cells": [cell]}, allocations=[{"numa": [half]}])
    assert (fit(half_full, ask(memory_mb=memory_mb, extra_specs=extra_specs)).allocation is not None) is fits


def test_the_emulators_threads_may_share_what_is_not_set_apart():
    share = {**DEDICATED, "hw:emulator_threads_policy": "share"}
    state = host(cpu_dedicated_set="4-7")
    assert fit(state, ask(extra_specs=share)).allocation["emulator_cpus"] == [0, 1, 2, 3]
    assert "emulator_cpus" not in fit(state, ask(extra_specs=DEDICATED)).allocation
    assert "emulator_cpus" not in fit(host(), ask(extra_specs=share)).allocation


def test_cpus_set_apart_are_for_dedicated_ones_alone():
    state = host(cpu_dedicated_set="4-7")
    dedicated = ask(vcpus=2, extra_specs={"hw:cpu_policy": "dedicated"})
    assert set(fit(state, dedicated).allocation["numa"][0]["cpus"]) <= {4, 5, 6, 7}
    assert fit(state, ask()).allocation == {"shared_cpus": [0, 1, 2, 3]}
    assert (state.charge(dedicated), state.charge(ask()), replace(state, cpu_dedicated_set=None).charge(dedicated)) == (
        0,
        1,
        2,
    )
