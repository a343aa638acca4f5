# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What flavors and images ask for piece by piece, and what contradicts itself."""

from __future__ import annotations

import tracemalloc

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import MOST_CPUS, numbers
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.hardware.topology import (
    AFFINITIES,
    HYPERTHREADING,
    NUMACell,
    NUMATopology,
    parse_pci_requests,
    parse_topology,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.request import parse
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import GPU

ONE = NUMACell((0, 1), 512)


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


PINNED = {"hw:cpu_policy": "dedicated"}
DEDICATED = NUMATopology((ONE,), True)


def topology(flavor, image=None):
    """The topology of a guest with 2 vCPUs and 512 MiB, or the words that refuse it."""
    try:
        return parse_topology(2, 512, flavor, image or {})
    except InvalidRequest as error:
        return str(error)


# nova's admin/cpu-topologies, "Customizing instance CPU pinning policies": the flavor's dedicated prevails, its shared
# forbids the image to be dedicated, and the image has its way where the flavor says nothing.
@pytest.mark.parametrize(
    ("flavor", "image", "dedicated"),
    [
        (None, None, False),
        (None, "shared", False),
        (None, "dedicated", True),
        ("shared", None, False),
        ("shared", "shared", False),
        ("shared", "dedicated", "the image's hw_cpu_policy dedicated is not the flavor's shared"),
        ("dedicated", None, True),
        ("dedicated", "shared", True),
        ("dedicated", "dedicated", True),
        ("mixed", None, "hw:cpu_policy is 'mixed', it must be one of shared, dedicated"),
        (None, "mixed", "hw:cpu_policy is 'mixed', it must be one of shared, dedicated"),
    ],
)
def test_cpu_policy_of_flavor_and_image(flavor, image, dedicated):
    found = topology({"hw:cpu_policy": flavor} if flavor else {}, {"hw_cpu_policy": image} if image else {})
    assert found == (dedicated if isinstance(dedicated, str) else DEDICATED if dedicated else None)


# The same page, "thread pinning policies": the image's where the flavor has none (or prefer, nova's default), else
# the same; and the trait HW_CPU_HYPERTHREADING in place of a policy.
@pytest.mark.parametrize(
    ("flavor", "image", "threads"),
    [
        ({}, {}, "prefer"),
        ({"hw:cpu_thread_policy": "require"}, {}, "require"),
        ({}, {"hw_cpu_thread_policy": "isolate"}, "isolate"),
        ({"hw:cpu_thread_policy": "isolate"}, {"hw_cpu_thread_policy": "isolate"}, "isolate"),
        ({"hw:cpu_thread_policy": "prefer"}, {"hw_cpu_thread_policy": "isolate"}, "prefer"),
        ({"hw:cpu_thread_policy": "isolate"}, {"hw_cpu_thread_policy": "require"}, "is not the flavor's isolate"),
        ({"hw:cpu_thread_policy": "isolate"}, {"hw_cpu_thread_policy": "prefer"}, "is not the flavor's isolate"),
        ({HYPERTHREADING: "required"}, {}, "require"),
        ({HYPERTHREADING: "forbidden"}, {}, "isolate"),
        ({}, {HYPERTHREADING: "required"}, "require"),
        ({HYPERTHREADING: "required", "hw:cpu_thread_policy": "require"}, {}, "leave one of them out"),
    ],
)
def test_thread_policy_of_flavor_and_image(flavor, image, threads):
    found = topology({**PINNED, **flavor}, image)
    assert threads in found if isinstance(found, str) else threads == found.threads


@pytest.mark.parametrize("flavor", [{"hw:cpu_thread_policy": "require"}, {HYPERTHREADING: "required"}])
def test_threads_are_chosen_for_dedicated_cpus_only(flavor):
    assert "are only for hw:cpu_policy dedicated" in topology(flavor)


# nova's admin/huge-pages: an image chooses where the flavor says any or large, and nowhere else.
@pytest.mark.parametrize(
    ("flavor", "image", "page_size"),
    [
        (None, None, "no topology"),
        ("small", None, "small"),
        ("any", None, "any"),
        ("any", "small", "small"),
        ("any", "2048", 2048),
        ("large", "1GB", 1048576),
        (None, "2048", "needs a flavor with hw:mem_page_size large or any, it has None"),
        ("small", "2048", "it has small"),
        ("2048", "2048", "it has 2048"),
        ("2MB", None, 2048),
        ("2MiB", None, 2048),
        ("16Mb", None, 2048),
        ("16Mibit", None, 2048),
        ("4KB", None, 4),
        ("1TB", None, 1073741824),
        ("huge", None, "hw:mem_page_size is 'huge', it must be small, large, any, or a size such as 2MB"),
        ("2M", None, "it must be small, large, any, or a size such as 2MB"),
        ("0", None, "hw:mem_page_size (KiB): 0 is less than 1"),
        ("512B", None, "hw:mem_page_size (KiB): 0.5 is not a whole number"),
    ],
)
def test_page_size_of_flavor_and_image(flavor, image, page_size):
    found = topology({"hw:mem_page_size": flavor} if flavor else {}, {"hw_mem_page_size": image} if image else {})
    if isinstance(found, str):
        assert page_size in found
    else:
        assert page_size == ("no topology" if found is None else found.page_size)


# nova's admin/cpu-topologies, "Customizing instance NUMA placement policies", and its extra specs hw:numa_*.
@pytest.mark.parametrize(
    ("flavor", "image", "cells"),
    [
        ({"hw:numa_nodes": "1"}, {}, [((0, 1), 512)]),
        ({"hw:numa_nodes": "2"}, {}, [((0,), 256), ((1,), 256)]),
        ({}, {"hw_numa_nodes": 2}, [((0,), 256), ((1,), 256)]),
        ({"hw:numa_nodes": "2"}, {"hw_numa_nodes": "2"}, "the image may not say hw_numa_nodes as well"),
        ({**PINNED, "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "512"}, {}, [((0, 1), 512)]),
        (
            {"hw:numa_nodes": "2"},
            {"hw_numa_cpus.0": "1", "hw_numa_mem.0": "128", "hw_numa_cpus.1": "0", "hw_numa_mem.1": "384"},
            [((1,), 128), ((0,), 384)],
        ),
        (
            {**PINNED, "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "512"},
            {"hw_numa_cpus.0": "0-1", "hw_numa_mem.0": "512"},
            "the image may not say hw_numa_cpus as well",
        ),
        ({"hw:numa_nodes": "3"}, {}, "cannot be parted evenly among 3"),
        ({"hw:numa_nodes": "no"}, {}, "hw:numa_nodes: 'no' is not a whole number"),
        ({"hw:numa_nodes": "-1"}, {}, "hw:numa_nodes: -1 is less than 1"),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "512"}, {}, "for each of the 2"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-1"}, {}, "for each of the 1"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.1": "0-1", "hw:numa_mem.1": "512"}, {}, "for each of the 1"),
        (
            {
                "hw:numa_nodes": "1", "hw:numa_cpus.0": "0", "hw:numa_mem.0": "256", "hw:numa_cpus.1": "1",
                "hw:numa_mem.1": "256",
            },
            {}, "for each of the 1",
        ),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-9", "hw:numa_mem.0": "512"}, {}, "each of the 2 vCPUs once"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "7"}, {}, "add up to"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-1", "hw:numa_mem.0": "0"}, {}, "hw:numa_mem.0 (MiB): 0 is less"),
        ({"hw:numa_nodes": "1", "hw:numa_cpus.0": "x", "hw:numa_mem.0": "512"}, {}, "hw:numa_cpus.0 is 'x'"),
    ],
)  # fmt: skip
def test_cells_of_flavor_and_image(flavor, image, cells):
    found = topology(flavor, image)
    if isinstance(found, str):
        assert cells in found
    else:
        assert [(cell.vcpus, cell.memory_mb) for cell in found.cells] == cells


# nova's extra spec hw:pci_numa_affinity_policy: one of four; an image's must be the flavor's.
@pytest.mark.parametrize(
    ("flavor", "image", "affinity"),
    [
        (None, None, "legacy"),
        ("socket", None, "socket"),
        (None, "required", "required"),
        ("preferred", "preferred", "preferred"),
        ("preferred", "required", "the image's hw_pci_numa_affinity_policy required is not the flavor's preferred"),
        ("bogus", None, "it must be one of required, socket, legacy, preferred"),
    ],
)
def test_affinity_of_flavor_and_image(flavor, image, affinity):
    asked = {"pci_passthrough:alias": "gpu:1", **({"hw:pci_numa_affinity_policy": flavor} if flavor else {})}
    properties = {"hw_pci_numa_affinity_policy": image} if image else {}
    if affinity in AFFINITIES:
        [found] = parse_pci_requests(asked, properties, {"gpu": GPU})
        assert found.affinity == affinity
    else:
        with pytest.raises(InvalidRequest, match=affinity):
            parse_pci_requests(asked, properties, {"gpu": GPU})


@pytest.mark.parametrize(
    ("vcpus", "flavor", "image"),
    [
        (4, {}, {"hw_numa_nodes": "3000000"}),
        (4, {}, {"hw_numa_nodes": "9" * 5000}),
        (4, {"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-2000000000", "hw:numa_mem.0": "512"}, {}),
        (4, {"hw:numa_nodes": "1", "hw:numa_cpus.0": "0-8191," * 9999, "hw:numa_mem.0": "512"}, {}),
        (2**31 - 1, PINNED, {}),
    ],
)
def test_nothing_large_is_built_before_it_is_checked(vcpus, flavor, image):
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest):
            parse_topology(vcpus, 512, flavor, image)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024**2
    finally:
        tracemalloc.stop()


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
    ("text", "cpus"),
    [("", []), ("0-2,5", [0, 1, 2, 5]), ("0-7,^3", [0, 1, 2, 4, 5, 6, 7]), (" 0 - 3 , ^1-2,", [0, 3])],
)
def test_numbers(text, cpus):
    assert numbers(text) == cpus


@pytest.mark.parametrize("text", ["x", "-1", "3-1", "1-", "^", "^^1", "1.5", "0-8192", "0-999999999", "9" * 30])
def test_what_is_no_list_of_cpus(text):
    with pytest.raises(ValueError, match="neither a number nor a range|more than 8192 numbers"):
        numbers(text)


def test_the_longest_list_of_cpus():
    assert len(numbers("0-%d" % (MOST_CPUS - 1))) == MOST_CPUS
