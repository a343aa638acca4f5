# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every weigher as a table, and how weights are laid on one scale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.model import Group
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.selection import normalise, rank
from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.weighers import WEIGHERS
from ansible_collections.kvmstack.launch.tests.unit.schedule.samples import ask, host, policy

LOAD = {"settings": {"metrics_weight_setting": {"load": -2.0}}}
CASES = {
    "RAMWeigher": [({"memory_mb_used": 680}, {}, 7000), ({"ram_allocation_ratio": 2.0}, {}, 7680)],
    "CPUWeigher": [({"vcpus_used": 4}, {}, 12), ({"vcpus_reserved": 2}, {}, 16), ({"cpu_dedicated_set": "4-7"}, {}, 8)],
    # nova/scheduler: the less of free_disk_gb (what is reserved is used) and disk_available_least.
    "DiskWeigher": [
        ({"disk_gb_used": 30, "disk_gb_reserved": 10}, {}, 60),
        ({"disk_gb_used": 30, "disk_gb_reserved": 10, "facts": {"foreign_disk_gb": 25}}, {}, 45),
        ({"disk_gb_used": 30, "disk_gb_reserved": 10, "facts": {"foreign_disk_gb": 5}}, {}, 60),
        ({"facts": {"foreign_disk_gb": 120}}, {}, -20),
    ],
    "IoOpsWeigher": [({"num_io_ops": 3}, {}, 3)],
    "NumInstancesWeigher": [({"num_instances": 4}, {}, 4)],
    "BuildFailureWeigher": [({"failed_builds": 2}, {}, 2)],
    "HypervisorVersionWeigher": [({}, {}, 7002001), ({"facts": {"hypervisor_version": None}}, {}, 0)],
    "PCIWeigher": [
        ({}, {}, 97),
        ({"allocations": [{"pci": ["0000:01:00.0"]}]}, {}, 98),
        ({}, {"settings": {"pci_aliases": {}}}, 100),
    ],
    "ServerGroupSoftAffinityWeigher": [
        ({}, {}, 0),
        ({}, {"group": Group("g", "soft-affinity", None, {"c1": 2})}, 2),
        ({}, {"group": Group("g", "affinity", None, {"c1": 2})}, 0),
    ],
    "ServerGroupSoftAntiAffinityWeigher": [({}, {"group": Group("g", "soft-anti-affinity", None, {"c1": 2})}, -2)],
    "ImagePropertiesWeigher": [
        ({"images": [{"os": "a", "x": "1"}, {"os": "a"}]}, {"image_properties": {"os": "a", "x": "1", "y": "2"}}, 3),
        (
            {"images": [{"os": "a"}], "new_images": ({"os": "a"},)},
            {"image_properties": {"os": "a"}, "settings": {"image_props_weight_setting": {"os": 2.0}}},
            4,
        ),
    ],
    "MetricsWeigher": [
        ({}, {}, 0),
        ({"metrics": {"load": 3}}, LOAD, -6),
        ({}, {"settings": {"metrics_weight_setting": {"load": -2.0}, "metrics_required": False}}, -10000),
    ],
}


@pytest.mark.parametrize(
    ("name", "state", "asked", "value"),
    [
        pytest.param(name, *case, id="%s-%d" % (name, index))
        for name, cases in CASES.items()
        for index, case in enumerate(cases)
    ],
)
def test_weigher(name, state, asked, value):
    assert WEIGHERS[name].weigh(host(**state), ask(**asked)) == value


def test_every_weigher_has_a_case_here():
    assert set(CASES) == set(WEIGHERS)


def test_a_required_metric_that_is_missing_is_an_error():
    with pytest.raises(InvalidRequest, match="MetricsFilter"):
        WEIGHERS["MetricsWeigher"].weigh(host(), ask(**LOAD))


@pytest.mark.parametrize(
    ("values", "least", "expected"),
    [
        ([2.0, 4.0, 3.0], None, [0.0, 1.0, 0.5]),
        ([5.0, 5.0], None, [0.0, 0.0]),
        ([5.0, 5.0], 0, [1.0, 1.0]),
        ([2.0, 4.0], 0, [0.5, 1.0]),
        ([-2.0, 4.0], 0, [0.0, 1.0]),
        ([1.0], None, [0.0]),
    ],
)
def test_weights_are_normalised_over_the_hosts_left(values, least, expected):
    assert normalise(values, least) == expected


def best(hosts, request=None, **params):
    return [name for name, _weight in rank(hosts, request or ask(), policy(**params).weighers)]


@pytest.mark.parametrize(
    ("hosts", "weighers", "order"),
    [
        ({"c3": {}, "c2": {}, "c1": {"memory_mb_used": 4096}}, {"RAMWeigher": 1}, ["c2", "c3", "c1"]),
        ({"c1": {}, "c2": {"memory_mb_used": 4096}}, {"RAMWeigher": -1}, ["c2", "c1"]),
        (
            {"c1": {"failed_builds": 1}, "c2": {"memory_mb_used": 4096}},
            {"RAMWeigher": 1, "BuildFailureWeigher": 1e6},
            ["c2", "c1"],
        ),
        ({"c1": {"num_io_ops": 1}, "c2": {}}, {"IoOpsWeigher": -1}, ["c2", "c1"]),
        (
            {
                "c1": {"aggregates": ({"name": "a", "metadata": {"ram_weight_multiplier": "-1"}},)},
                "c2": {},
                "c3": {"memory_mb_used": 4096},
            },
            {"RAMWeigher": 1},
            ["c2", "c3", "c1"],
        ),
        (
            {
                "c1": {"num_instances": 2},
                "c2": {
                    "num_instances": 3,
                    "aggregates": ({"name": "a", "metadata": {"num_instances_weight_multiplier": "5"}},),
                },
            },
            {"NumInstancesWeigher": 0},
            ["c2", "c1"],
        ),
    ],
)
def test_rank(hosts, weighers, order):
    assert best([host(name, **state) for name, state in hosts.items()], weighers=weighers) == order


def test_soft_affinity_gathers():
    request = replace(ask(), group=Group("g", "soft-affinity", None, {"c2": 1}))
    assert best([host("c1"), host("c2")], request) == ["c2", "c1"]
