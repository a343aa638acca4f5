# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Choices: batches, alternates, explanations, names that are wrong; and the fast selector against the specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.equivalence import EquivalenceSelector
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.filters.registry import CLAIM, check_enabled
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.host_state import Cluster
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import Group, NoValidHost, Selection
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.plan import planner
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.selection import PlainSelector, select
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import CELLS, ask, host, policy

BOTH = pytest.mark.parametrize("selector", [PlainSelector, EquivalenceSelector])


def cluster(*hosts, **more):
    return Cluster({each.host: each for each in hosts}, **{"selections": {}, **more})


def plan(requests, known, selector=EquivalenceSelector, **params):
    return planner(policy(**params), selector)(requests, known, "present")


def places(changes):
    return [change.after and change.after.host for change in changes]


def test_a_negative_multiplier_packs():
    packing = policy(filters=["RamFilter"], weighers={"RAMWeigher": -1})
    assert select(ask(), [host("c1"), host("c2", memory_mb_used=4096)], packing).host == "c2"


@BOTH
def test_a_batch_spreads_and_names_alternates(selector):
    changes = plan([ask("a"), ask("b"), ask("c")], cluster(host("c1"), host("c2"), host("c3")), selector)
    assert places(changes) == ["c1", "c2", "c3"]
    assert changes[0].after.alternates == ("c2", "c3")
    assert [name for name, _weight in changes[0].after.weights] == ["c1", "c2", "c3"]


@BOTH
def test_a_batch_never_takes_more_than_there_is(selector):
    placed, also, refused = plan([ask("a"), ask("b"), ask("c")], cluster(host("c1", memory_mb=512 + 1024)), selector)
    assert (placed.after.host, also.after.host) == ("c1", "c1")
    assert "lack 512 MiB" in str(refused.error)
    assert refused.wanted.to_result()["refused"]["RamFilter"]["examples"] == {"c1": "has 0 of 1536 MiB left"}


SSD = {"aggregate_instance_extra_specs:ssd": "true"}


@pytest.mark.parametrize(
    ("asked", "filters", "missing"),
    [
        ({"extra_specs": SSD}, ["RamFilter"], "AggregateInstanceExtraSpecsFilter"),
        ({"extra_specs": {"capabilities:vcpus": ">= 2"}}, ["RamFilter"], "ComputeCapabilitiesFilter"),
        ({"image_properties": {"trait:CUSTOM_GOLD": "forbidden"}}, ["RamFilter"], "TraitsFilter"),
        ({"image_properties": {"trait:CUSTOM_GOLD": "forbidden"}}, ["TraitsFilter"], None),
        ({"extra_specs": {"ssd": "true", "acme:x": "1"}}, ["RamFilter"], None),
    ],
)
def test_what_no_enabled_filter_hears_is_refused(asked, filters, missing):
    [change] = plan([ask("a", **asked)], cluster(host("c1")), filters=filters)
    assert (missing or "None") in str(change.error)


def test_a_filter_of_another_collection_may_hear_what_no_other_does():
    check_enabled([SSD], ["RamFilter", "acme.cloud.ssd"])
    with pytest.raises(InvalidRequest):
        check_enabled([SSD], ["RamFilter"])


def test_an_instance_that_holds_a_claim_keeps_its_host():
    held = Selection(ask("a"), "c9", allocation={"pci": ["x"]})
    [change] = plan([ask("a")], cluster(selections={"a": held}))
    assert (change.action, change.after.host, change.after.allocation) == ("keep", "c9", {"pci": ["x"]})


@BOTH
def test_a_refusal_counts_and_explains(selector):
    [change] = plan(
        [ask(memory_mb=8000)], cluster(host("c1"), host("c2", memory_mb_used=512), host("c3", enabled=False)), selector
    )
    assert str(change.error) == (
        "no valid host: ComputeFilter: 1 of 3 are disabled; "
        "RamFilter: 2 of 2 lack 8000 MiB (c1 has 7680 of 8192 MiB left, c2 has 7168 of 8192 MiB left)"
    )
    assert change.error.public == ("no valid host: ComputeFilter: 1 of 3 are disabled; RamFilter: 2 of 2 lack 8000 MiB")


@BOTH
def test_a_refusal_tells_users_of_no_single_host(selector):
    hosts = host("c1", enabled=False, disabled_reason="c1 is old (2)"), host("c2", enabled=False)
    [change] = plan([ask()], cluster(*hosts), selector)
    assert "c1 is old (2)" in str(change.error)
    assert change.error.public == "no valid host: ComputeFilter: 1 of 2 are disabled, 1 of 2 are disabled"


def test_a_choice_tells_whom_it_refused_and_why():
    [change] = plan(
        [ask(memory_mb=7500)], cluster(host("c1"), host("c2", memory_mb_used=512), host("c3", enabled=False))
    )
    assert change.after.to_result()["refused"] == {
        "ComputeFilter": {"count": 1, "reasons": {"are disabled": 1}, "examples": {"c3": "are disabled"}},
        "RamFilter": {"count": 1, "reasons": {"lack 7500 MiB": 1}, "examples": {"c2": "has 7168 of 8192 MiB left"}},
    }


def test_no_host_at_all():
    with pytest.raises(NoValidHost, match="no compute host is known"):
        select(ask(), [], policy())


@BOTH
def test_affinity_and_anti_affinity_hold_within_a_batch(selector):
    known = cluster(host("c1"), host("c2"))
    apart = [replace(ask(name), group=Group("g", "anti-affinity")) for name in "abc"]
    assert places(plan(apart, known, selector)) == ["c1", "c2", None]
    pairs = [replace(ask(name), group=Group("g", "anti-affinity", 2)) for name in "abcde"]
    assert places(plan(pairs, known, selector)) == ["c1", "c2", "c1", "c2", None]
    together = [replace(ask(name), group=Group("g", "affinity")) for name in "abc"]
    assert places(plan(together, known, selector)) == ["c1", "c1", "c1"]
    known = cluster(host("c1"), host("c2"), groups={("p", "g"): Group("g", "affinity", None, {"c2": 1})})
    assert places(plan(together, known, selector)) == ["c2", "c2", "c2"]


@BOTH
def test_hints_name_instances_of_the_record_and_of_the_batch(selector):
    known = cluster(host("c1"), host("c2"), places={"old": "c2"})
    near = ask("a", hints={"same_host": ["old"]})
    far = ask("b", hints={"different_host": "a"})
    lost = ask("c", hints={"same_host": ["nobody"]})
    assert places(plan([near, far, lost], known, selector)) == ["c2", "c1", None]


@BOTH
def test_a_subset_of_the_best_is_chosen_from_by_the_uuid(selector):
    known = cluster(*(host("c%d" % number) for number in range(9)))
    requests = [ask("web-%d" % number) for number in range(30)]
    first = [places(plan([request], known, selector, host_subset_size=3)) for request in requests]
    assert {place for [place] in first} == {"c0", "c1", "c2"}
    assert first == [places(plan([request], known, selector, host_subset_size=3)) for request in requests]


def test_what_a_claim_rests_on_is_always_applied():
    assert list(policy(filters=["ComputeFilter", "RamFilter"]).filters) == [
        "ComputeFilter",
        "RamFilter",
        *(name for name in CLAIM if name != "RamFilter"),
    ]


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"filters": ["NoFilter"]}, id="filter"),
        pytest.param({"weighers": {"NoWeigher": 1}}, id="weigher"),
        pytest.param({"weighers": {"RAMWeigher": "much"}}, id="multiplier"),
    ],
)
def test_an_unknown_name_is_told(params):
    with pytest.raises(InvalidRequest):
        policy(**params)


# --- The fast selector makes the choices of the specification ---

few = some.integers(0, 3)
multipliers = some.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, 1e6])
aggregates = some.sampled_from(
    [
        None,
        ({"name": "a", "metadata": {"ram_weight_multiplier": "-3"}},),
        ({"name": "b", "metadata": {"cpu_allocation_ratio": "1"}},),
        ({"name": "c", "metadata": {"ram_weight_multiplier": "nan", "disk_weight_multiplier": "1e999"}},),
    ]
)
host_states = some.lists(
    some.builds(
        dict,
        enabled=some.sampled_from([True, True, True, False]),
        vcpus_used=some.integers(0, 16),
        memory_mb_used=some.integers(0, 30).map(lambda number: number * 256),
        disk_gb_used=some.integers(0, 100),
        failed_builds=some.sampled_from([0, 0, 0, 1, 5]),
        num_instances=some.integers(0, 4),
        num_io_ops=few,
        availability_zone=some.sampled_from([None, "az1", "az2"]),
        aggregates=aggregates,
        facts=some.builds(
            dict,
            hypervisor_version=some.sampled_from([7000000, 8000000]),
            foreign_disk_gb=some.sampled_from([0, 0, 30, 120]),
        ),
    ),
    max_size=12,
)
sizes = some.builds(
    dict,
    vcpus=some.sampled_from([1, 2, 3]),
    memory_mb=some.sampled_from([256, 512, 1024]),
    disk_gb=some.integers(1, 3),
    waiting_gb=some.sampled_from([0, 0, 1]),
    pinned=some.sampled_from([(), (), (), ("c0",)]),
    availability_zone=some.sampled_from([None, None, "az1"]),
    attempted=some.sampled_from([(), (), ("c0",), ("c1", "c2")]),
    extra_specs=some.sampled_from(
        [
            {},
            {},
            {},
            {"hw:cpu_policy": "dedicated"},
            {"pci_passthrough:alias": "gpu"},
            {"hw:numa_nodes": "1", "pci_passthrough:alias": "gpu:1", "hw:pci_numa_affinity_policy": "preferred"},
            {"hw:mem_page_size": "any"},
            {"trait:HW_CPU_HYPERTHREADING": "forbidden", "hw:cpu_policy": "dedicated"},
            {"capabilities:hypervisor_version": ">= 8000000"},
        ]
    ),
    image_properties=some.sampled_from([{}, {"os": "a"}]),
    group=some.sampled_from(
        [
            None,
            None,
            Group("g1", "anti-affinity"),
            Group("g2", "affinity"),
            Group("g3", "soft-affinity"),
            Group("g4", "soft-anti-affinity"),
            Group("g5", "anti-affinity", 2),
        ]
    ),
)
orders = some.lists(some.integers(0, 4), min_size=1, max_size=25)
weighed = some.dictionaries(
    some.sampled_from(
        sorted(
            {
                "RAMWeigher",
                "CPUWeigher",
                "DiskWeigher",
                "IoOpsWeigher",
                "NumInstancesWeigher",
                "BuildFailureWeigher",
                "HypervisorVersionWeigher",
                "PCIWeigher",
                "ServerGroupSoftAffinityWeigher",
                "ServerGroupSoftAntiAffinityWeigher",
                "ImagePropertiesWeigher",
            }
        )
    ),
    multipliers,
)


@settings(max_examples=150)
@given(host_states, some.lists(sizes, min_size=5, max_size=5), orders, some.integers(1, 3), some.none() | weighed)
def test_equivalence_classes_select_as_the_specification_does(hosts, asked, order, subset, weighers):
    known = cluster(*(host("c%d" % number, **each) for number, each in enumerate(hosts)))
    requests = [
        replace(ask("web-%d" % number, **{**asked[index], "group": None}), group=asked[index]["group"])
        for number, index in enumerate(order)
    ]
    params = {"host_subset_size": subset, **({} if weighers is None else {"weighers": weighers})}
    plain, fast = (plan(requests, known, selector, **params) for selector in (PlainSelector, EquivalenceSelector))
    assert [str(change.error) for change in fast] == [str(change.error) for change in plain]
    for mine, theirs in zip(fast, plain):
        assert (mine.after and mine.after.to_result()) == (theirs.after and theirs.after.to_result())
        assert mine.wanted.refused == theirs.wanted.refused


@settings(max_examples=5)
@given(some.randoms(use_true_random=False))
def test_they_do_so_in_a_large_cluster_too(random):
    big = {"vcpus": 64, "memory_mb": 65536, "disk_gb": 2000}
    used = {"vcpus_used": 100, "memory_mb_used": 60000, "disk_gb_used": 1500}
    hosts = [
        host("c%03d" % number, **big, **{key: random.randrange(most) for key, most in used.items()})
        for number in range(150)
    ]
    requests = [ask("web-%d" % number, vcpus=1 + number % 3, memory_mb=700 * (1 + number % 2)) for number in range(200)]
    plain, fast = (plan(requests, cluster(*hosts), selector) for selector in (PlainSelector, EquivalenceSelector))
    assert [change.after for change in fast] == [change.after for change in plain]


def test_nothing_is_allocated_twice():
    dedicated = {"extra_specs": {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": "gpu"}}
    changes = plan([ask("web-%d" % number, vcpus=2, **dedicated) for number in range(6)], cluster(host("c1")))
    allocations = [change.after.allocation for change in changes if change.after]
    cpus = [cpu for each in allocations for cell in each["numa"] for cpu in cell["cpus"]]
    devices = [address for each in allocations for address in each["pci"]]
    assert len(allocations) == 3
    assert len(set(cpus)) == len(cpus)
    assert len(set(devices)) == len(devices)
    assert set(cpus) <= {cpu for cell in CELLS for cpu in cell["cpus"]}
