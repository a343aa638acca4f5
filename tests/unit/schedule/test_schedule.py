# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters, weighers and choices, as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule import filters
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import (
    Cluster,
    Host,
    NoValidHost,
    Request,
    choose,
    normalised,
    planner,
    rank,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.policy import SPEC, policy_of

HOST = Host(
    host="c1", generation=0, enabled=True, disabled_reason=None, vcpus=4, memory_mb=8192, disk_gb=100, vcpus_reserved=0,
    memory_mb_reserved=512, disk_gb_reserved=0, cpu_allocation_ratio=2.0, ram_allocation_ratio=1.0,
    disk_allocation_ratio=1.0, vcpus_used=0, memory_mb_used=0, disk_gb_used=0, facts={},
)  # fmt: skip
POLICY = policy_of({name: option["default"] for name, option in SPEC.items()})


def ask(name="web", vcpus=1, memory_mb=512, disk_gb=1, **more):
    return Request(Instance(name, "p", uuid=name), vcpus, memory_mb, disk_gb, **more)


def hosts(**differences):
    return [replace(HOST, host=name, **values) for name, values in differences.items()]


@pytest.mark.parametrize(
    ("refuses", "host", "request_", "reason"),
    [
        pytest.param(filters.compute, {}, {}, None, id="enabled"),
        pytest.param(filters.compute, {"enabled": False, "disabled_reason": "new disk"}, {}, "are disabled (new disk)", id="disabled"),
        pytest.param(filters.retry, {}, {"attempted": ("c2",)}, None, id="not tried yet"),
        pytest.param(filters.retry, {}, {"attempted": ("c1",)}, "have failed it already", id="tried"),
        pytest.param(filters.volume, {}, {"pinned": ("c1",)}, None, id="with its volume"),
        pytest.param(filters.volume, {}, {"pinned": ("c2",)}, "are not where its volumes are (c2)", id="without its volume"),
        pytest.param(filters.core, {"vcpus_used": 7}, {}, None, id="the last vCPU of the ratio"),
        pytest.param(filters.core, {"vcpus_used": 8}, {}, "lack 1 vCPUs", id="no vCPU left"),
        pytest.param(filters.core, {}, {"vcpus": 5}, "have fewer than 5 CPUs", id="wider than the host"),
        pytest.param(filters.ram, {}, {"memory_mb": 7680}, None, id="all but what is reserved"),
        pytest.param(filters.ram, {}, {"memory_mb": 7681}, "lack 7681 MiB", id="one MiB too many"),
        pytest.param(filters.disk, {"disk_gb_used": 99}, {"disk_gb": 1}, None, id="the last GiB"),
        pytest.param(filters.disk, {"disk_gb_used": 99}, {"disk_gb": 2}, "lack 2 GiB", id="one GiB too many"),
    ],
)
def test_filter(refuses, host, request_, reason):
    assert refuses(replace(HOST, **host), ask(**request_)) == reason


def test_every_filter_has_a_case_here():
    tested = {case.values[0] for case in test_filter.pytestmark[0].args[1]}
    assert set(filters.FILTERS.values()) == tested


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2.0, 4.0, 3.0], [0.0, 1.0, 0.5]), ([5.0, 5.0], [0.0, 0.0]), ([1.0], [0.0])],
)
def test_weights_are_normalised_over_the_hosts_left(values, expected):
    assert normalised(values) == expected


def test_the_emptiest_host_is_first_and_equal_ones_go_by_name():
    ranked = rank(hosts(c3={}, c2={}, c1={"memory_mb_used": 4096}), ask(), POLICY.weighers)
    assert [name for name, _weight in ranked] == ["c2", "c3", "c1"]


def test_a_negative_multiplier_packs():
    policy = policy_of({"filters": ["RamFilter"], "weighers": {"RAMWeigher": -1}, "max_attempts": 1})
    assert choose(ask(), hosts(c1={}, c2={"memory_mb_used": 4096}), policy).host == "c2"


def test_a_batch_spreads_and_names_alternates():
    changes = planner(POLICY)([ask("a"), ask("b"), ask("c")], Cluster({host.host: host for host in hosts(c1={}, c2={}, c3={})}, {}), "present")
    assert [change.after.host for change in changes] == ["c1", "c2", "c3"]
    assert changes[0].after.alternates == ("c2", "c3")


def test_a_batch_never_takes_more_than_there_is():
    cluster = Cluster({"c1": replace(HOST, memory_mb=512 + 1024)}, {})
    placed, also, refused = planner(POLICY)([ask("a"), ask("b"), ask("c")], cluster, "present")
    assert (placed.after.host, also.after.host) == ("c1", "c1")
    assert "lack 512 MiB" in str(refused.error)


def test_a_claim_that_stands_is_kept():
    [change] = planner(POLICY)([ask("a")], Cluster({}, {"a": "c9"}), "present")
    assert (change.action, change.after.host) == ("keep", "c9")


def test_a_refusal_counts_and_explains():
    with pytest.raises(NoValidHost) as refusal:
        choose(ask(memory_mb=9000), hosts(c1={}, c2={}, c3={"enabled": False}), POLICY)
    assert str(refusal.value) == "no valid host: ComputeFilter: 1 of 3 are disabled; RamFilter: 2 of 2 lack 9000 MiB"


def test_no_host_at_all():
    with pytest.raises(NoValidHost, match="no compute host is known"):
        choose(ask(), [], POLICY)


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
        policy_of({**{name: option["default"] for name, option in SPEC.items()}, **params})
