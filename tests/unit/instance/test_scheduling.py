# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Server groups and scheduler hints as people write them."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import scheduling


def nested(levels):
    """A query of so many lists in each other."""
    query = ["=", "$x", 1]
    for _level in range(levels - 1):
        query = ["not", query]
    return query


@pytest.mark.parametrize(
    ("hints", "parsed"),
    [
        (None, None),
        ({}, {}),
        ({"same_host": "web-1"}, {"same_host": ["web-1"]}),
        ({"different_host": ["a", "b"]}, {"different_host": ["a", "b"]}),
        ({"build_near_host_ip": "10.0.0.1", "cidr": 24}, {"build_near_host_ip": "10.0.0.1", "cidr": "/24"}),
        ({"query": '["=", "$x", 1]'}, {"query": ["=", "$x", 1]}),
        ({"query": nested(32)}, {"query": nested(32)}),
        ({"me.mine.rack": 7}, {"me.mine.rack": 7}),
    ],
)
def test_hints(hints, parsed):
    assert scheduling.hints("web", hints) == parsed


@pytest.mark.parametrize(
    ("hints", "reason"),
    [
        ([], "must be a mapping"),
        ({"same_hots": "x"}, "unknown scheduler hint same_hots"),
        ({"same_host": []}, "name or UUID"),
        ({"build_near_host_ip": "near"}, "build_near_host_ip"),
        ({"cidr": "/300"}, "prefix length"),
        ({"query": "[1"}, "query"),
        ({"query": {}}, "must be a list"),
        ({"query": [{"a": 1}]}, "of words, numbers and lists"),
        ({"query": ["and", None]}, "of words, numbers and lists"),
        ({"query": "[" * 100000}, "32 deep at most"),
        ({"query": nested(33)}, "32 deep at most"),
    ],
)
def test_wrong_hints(hints, reason):
    with pytest.raises(InvalidRequest, match=reason):
        scheduling.hints("web", hints)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"policy": "close"}, "policy is 'close', it must be one of affinity, anti-affinity"),
        ({}, "policy is None"),
        ("affinity", "must be a mapping"),
        ({"policy": "affinity", "size": 3}, "must be a mapping of policy"),
        ({"policy": "affinity", "max_server_per_host": 2}, "anti-affinity only"),
        ({"policy": "anti-affinity", "max_server_per_host": 0}, "must be 1 or more"),
    ],
)
def test_wrong_groups(rules, reason):
    [wrong] = scheduling.wrong_groups({"g": rules})
    assert reason in wrong
    assert wrong.startswith("group g")


def test_a_zone():
    assert scheduling.zone("web", "az1") == "az1"
    with pytest.raises(InvalidRequest):
        scheduling.zone("web", ["az1"])
