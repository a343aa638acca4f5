# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What flavors ask for piece by piece, and which pieces a host gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.fit import fit, pick
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
