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
    assert scheduling.hints(hints, "scheduler_hints") == parsed


@pytest.mark.parametrize(
    ("hints", "reason"),
    [
        ([], "[] is not a mapping"),
        ({1: 2}, "the key: 1 is not a text"),
        ({"same_hots": "x"}, "unknown scheduler hint same_hots"),
        ({"same_host": []}, "name or UUID"),
        ({"same_host": [7]}, "same_host: 7 is not a text: put it in quotes"),
        ({"same_host": "a\nb"}, "not a line of printable characters"),
        ({"build_near_host_ip": "near"}, "build_near_host_ip 'near' is not an IP address"),
        ({"build_near_host_ip": "fe80::1%a"}, "scope"),
        ({"build_near_host_ip": 5}, "build_near_host_ip: 5 is not a text"),
        ({"cidr": "/300"}, "cidr: 300 is more than 128"),
        ({"cidr": "/²"}, "cidr: '²' is not a whole number"),
        ({"cidr": []}, "cidr: [] is not a whole number"),
        ({"query": "[1"}, "query: '[1': it must be a list"),
        ({"query": {}}, "must be a list"),
        ({"query": [{"a": 1}]}, "of words, numbers and lists"),
        ({"query": ["and", None]}, "of words, numbers and lists"),
        ({"query": ["=", "a\0b"]}, "query: 'a\\x00b' has a control character"),
        ({"query": "[" * 100000}, "32 deep at most"),
        ({"query": nested(33)}, "32 deep at most"),
        ({"me.mine.rack": {1: 2}}, "me.mine.rack: the key: 1 is not a text"),
        ({"me.mine.rack": b"x"}, "me.mine.rack: b'x' is not a text"),
    ],
)
def test_wrong_hints(hints, reason):
    with pytest.raises(InvalidRequest) as refused:
        scheduling.hints(hints, "scheduler_hints")
    assert str(refused.value).startswith("scheduler_hints: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"policy": "close"}, "policy: 'close' is none of affinity, anti-affinity"),
        ({}, "policy: None is not a text"),
        ("affinity", "'affinity' is not a mapping"),
        (None, "None is not a mapping"),
        ({"policy": "affinity", "size": 3}, "unknown key size (known: max_server_per_host, policy)"),
        ({"policy": "affinity", "max_server_per_host": 2}, "anti-affinity only"),
        ({"policy": "anti-affinity", "max_server_per_host": 0}, "max_server_per_host: 0 is less than 1"),
        ({"policy": ["affinity"]}, "policy: ['affinity'] is not a text"),
    ],
)
def test_wrong_groups(rules, reason):
    with pytest.raises(InvalidRequest) as refused:
        scheduling.group("g", rules)
    assert str(refused.value).startswith("group g: ")
    assert reason in str(refused.value)


def test_a_group_from_the_command_line():
    rules = {"policy": "anti-affinity", "max_server_per_host": "2"}
    assert scheduling.group("g", rules) == {"name": "g", **rules, "max_server_per_host": 2}
