# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What flavors ask for piece by piece, and which pieces a host gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import numbers
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.fit import fit, pick
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.topology import (
    NUMACell,
    NUMATopology,
    parse_pci_requests,
    parse_topology,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.request import parse
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.settings import parse_settings
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import GPU, ask, host

ONE = NUMACell((0, 1), 512)
CORES = [[0, 4], [1, 5], [2, 6], [3, 7]]


@pytest.mark.parametrize(
    ("extra_specs", "topology"),
    [
        ({}, None),
        ({"hw:cpu_policy": "shared"}, None),
        ({"hw:cpu_policy": "dedicated"}, NUMATopology((NUMACell((0, 1, 2, 3), 1024),), True)),
        ({"hw:numa_nodes": "2"}, NUMATopology((NUMACell((0, 1), 512), NUMACell((2, 3), 512)))),
        (
            {
                "hw:numa_nodes": "2",
                "hw:numa_cpus.0": "0",
                "hw:numa_cpus.1": "1-3",
                "hw:numa_mem.0": "256",
                "hw:numa_mem.1": "768",
            },
            NUMATopology((NUMACell((0,), 256), NUMACell((1, 2, 3), 768))),
        ),
        ({"hw:mem_page_size": "2MB"}, NUMATopology((NUMACell((0, 1, 2, 3), 1024),), page_size=2048)),
        ({"hw:mem_page_size": "large"}, NUMATopology((NUMACell((0, 1, 2, 3), 1024),), page_size="large")),
        (
            {"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "isolate"},
            NUMATopology((NUMACell((0, 1, 2, 3), 1024),), True, "isolate"),
        ),
    ],
)
def test_topology(extra_specs, topology):
    assert parse_topology(4, 1024, extra_specs, {}) == topology


@pytest.mark.parametrize(
    ("flavor", "image", "topology"),
    [
        ({}, {"hw_cpu_policy": "dedicated"}, NUMATopology((ONE,), True)),
        ({"hw:cpu_policy": "dedicated"}, {"hw_cpu_policy": "shared"}, NUMATopology((ONE,), True)),
        (
            {"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "prefer"},
            {"hw_cpu_thread_policy": "isolate"},
            NUMATopology((ONE,), True, "prefer"),
        ),
        ({}, {"hw_numa_nodes": 1}, NUMATopology((ONE,))),
        ({"hw:mem_page_size": "any"}, {"hw_mem_page_size": "2048"}, NUMATopology((ONE,), page_size=2048)),
        ({"hw:mem_page_size": "large"}, {"hw_mem_page_size": "1GB"}, NUMATopology((ONE,), page_size=1048576)),
    ],
)
def test_what_an_image_may_say_beside_a_flavor(flavor, image, topology):
    assert parse_topology(2, 512, flavor, image) == topology


@pytest.mark.parametrize(
    ("extra_specs", "properties", "words"),
    [
        ({"hw:cpu_policy": "mixed"}, {}, "must be one of shared, dedicated"),
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "dedicated"}, "is not the flavor's"),
        ({"hw:cpu_policy": "dedicated"}, {"hw_cpu_policy": "mixed"}, "must be one of shared, dedicated"),
        ({"hw:numa_nodes": "2"}, {"hw_numa_nodes": "1"}, "is not the flavor's"),
        ({}, {"hw_mem_page_size": "2048"}, "needs a flavor with hw:mem_page_size large or any, it has None"),
        ({"hw:mem_page_size": "small"}, {"hw_mem_page_size": "2048"}, "needs a flavor .* it has small"),
        ({"hw:cpu_thread_policy": "require"}, {}, "only for hw:cpu_policy dedicated"),
        ({"hw:numa_nodes": "3"}, {}, "cannot be parted evenly"),
        ({"hw:numa_nodes": "no"}, {}, "a whole number above 0"),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-3"}, {}, "for each of the 2"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-9", "hw:numa_mem.0": "1024"}, {}, "each of the 4 vCPUs once"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-3", "hw:numa_mem.0": "7"}, {}, "add up to"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "x", "hw:numa_mem.0": "7"}, {}, "a list such as"),
        ({"hw:mem_page_size": "huge"}, {}, "a whole number above 0"),
    ],
)
def test_an_impossible_flavor_is_told(extra_specs, properties, words):
    with pytest.raises(InvalidRequest, match=words):
        parse_topology(4, 1024, extra_specs, properties)


def test_an_impossible_flavor_is_its_instances_own_fault():
    document = {
        "name": "web",
        "uuid": "u1",
        "project_id": "p",
        "flavor": {"name": "f", "vcpus": 3, "ram": 512, "disk": 1},
    }
    bad = {**document, "flavor": {**document["flavor"], "extra_specs": {"hw:numa_nodes": "2"}}}
    good, wrong = parse({"instances": [document, bad]})
    assert good.fault is None
    assert "parted evenly" in str(wrong.fault)


def test_an_alias_that_is_not_defined_is_told():
    with pytest.raises(InvalidRequest, match="PCI alias fpga is not defined in pci_aliases \\(gpu\\)"):
        parse_pci_requests({"pci_passthrough:alias": "fpga:1"}, {}, {"gpu": GPU})


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"max_io_ops_per_host": "many"},
        {"isolated_hosts": "c1"},
        {"pci_aliases": {"gpu": {"speed": 1}}},
        {"pci_aliases": {"gpu": {**GPU, "numa_policy": "socket"}}},
    ],
)
def test_wrong_settings_are_told(values):
    with pytest.raises(InvalidRequest):
        parse_settings(values)


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


@pytest.mark.parametrize(
    ("node", "extra_specs", "cell"),
    [
        (0, {"hw:cpu_policy": "dedicated"}, 1),
        (1, {"hw:cpu_policy": "dedicated"}, 0),
        (0, {"hw:numa_nodes": "1"}, 1),
        (0, {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "gpu"}, 0),
        (-1, {"hw:cpu_policy": "dedicated"}, 0),
    ],
)
def test_a_guest_without_devices_leaves_the_cell_that_has_them(node, extra_specs, cell):
    compute = host(facts={"pci_devices": [{"address": "0000:01:00.0", "numa_node": node, **GPU}]})
    assert fit(compute, ask(extra_specs=extra_specs)).allocation["numa"][0]["cell"] == cell


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


@pytest.mark.parametrize(
    ("pages", "memory_mb", "fits"),
    [
        pytest.param({"4": 262144, "2048": 1536}, 1024, True, id="what the large pages leave"),
        pytest.param({"4": 262144, "2048": 1536}, 2048, False, id="more than the large pages leave"),
        pytest.param({"4": 1048576, "2048": 0}, 4096, True, id="no large pages"),
        pytest.param({}, 4096, True, id="pages unknown"),
    ],
)
def test_ordinary_memory_is_what_is_in_no_large_page(pages, memory_mb, fits):
    cell = {"id": 0, "cpus": [0, 1], "memory_mb": 4096, "pages": pages}
    request = ask(memory_mb=memory_mb, extra_specs={"hw:numa_nodes": "1"})
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
    ],
)
def test_overcommit_of_a_cell_that_is_half_full(extra_specs, ratio, memory_mb, fits):
    cell = {"id": 0, "cpus": [0, 1], "memory_mb": 4096, "pages": {"4": 1048576}}
    half = {"cell": 0, "vcpus": [0], "cpus": [0, 1], "dedicated": False, "memory_mb": 2048, "page_size": None}
    half_full = host(ram_allocation_ratio=ratio, facts={"numa_cells": [cell]}, allocations=[{"numa": [half]}])
    assert (fit(half_full, ask(memory_mb=memory_mb, extra_specs=extra_specs)).allocation is not None) is fits


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


@pytest.mark.parametrize(("text", "cpus"), [("", []), ("0-2,5", [0, 1, 2, 5]), ("0-7,^3", [0, 1, 2, 4, 5, 6, 7])])
def test_numbers(text, cpus):
    assert numbers(text) == cpus
