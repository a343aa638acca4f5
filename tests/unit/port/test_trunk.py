# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sub-ports: what is refused of them, and what becomes of them in a real northbound."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.port import request
from ansible_collections.kvmstack.launch.tests.unit.port.test_ovn import (
    Run,
    find,
    identity,
    parameters,
    plain,
    port,
    records,
)

NETWORKS = {
    "private": {"cidr": "10.20.0.0/24"},
    "storage": {"cidr": "10.40.0.0/24"},
    "wire": {"cidr": "172.30.0.0/24", "mtu": 1500},
}


class Server:
    """What stands in for a northbound where none is asked."""

    endpoint = "unix:/nowhere"


def subport(name, vlan=30, parent="a", **said):
    return port(name, **{"network": "storage", "parent": identity(parent), "vlan": vlan, **said})


def faults(*ports):
    """By name what is wrong with each of these ports."""
    params = parameters(Server, *ports, networks=NETWORKS)
    return {each.name: str(each.fault) for each in request.parse(params) if each.fault is not None}


def tags(server):
    """The parent and the VLAN of each port that has one."""
    rows = records(server, "Logical_Switch_Port", "name", "parent_name", "tag_request")
    found = {row["name"]: (row["parent_name"], row["tag_request"]) for row in rows}
    return {name: pair for name, pair in found.items() if [] not in map(plain, pair)}


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        pytest.param([port("b", parent=identity("a"))], "needs its vlan there", id="no vlan"),
        pytest.param([port("b", vlan=30)], "vlan 30: name the port whose sub-port it is", id="no parent"),
        pytest.param([subport("b", 0)], "vlan: 0 is less than 1", id="no tag at all"),
        pytest.param([subport("b", 4095)], "vlan: 4095 is more than 4094", id="the reserved one"),
        pytest.param([subport("b", parent="b")], "it is its own parent", id="of itself"),
        pytest.param([subport("c"), subport("b", parent="c")], "its parent c is a sub-port itself", id="of a sub-port"),
        pytest.param([subport("c"), subport("b")], "vlan 30 of port %s: port c asks" % identity("a"), id="twice"),
        pytest.param(
            [port("a"), subport("b", network="wire")], "network wire has MTU 1500, and network private", id="too long"
        ),
        pytest.param([subport("b", port="mine")], "a sub-port is made on a network", id="one of the user's"),
    ],
)
def test_what_no_trunk_can_be_is_that_ports_fault(ports, words):
    told = faults(*ports, port("good"), subport("fine", 31, "good"))
    assert list(told) == ["b"]
    assert words in told["b"]


def test_a_sub_port_is_no_port_of_the_users():
    params = {**parameters(Server, subport("b", network=None, port="mine")), "service": "neutron"}
    [asked] = request.parse(params)
    assert "a sub-port is made on a network, and no port of yours" in str(asked.fault)


def test_sub_ports_that_go_need_say_no_more_than_whose_they_are():
    params = {**parameters(Server, subport("b", None), subport("c", None)), "state": "absent"}
    assert [each.fault for each in request.parse(params)] == [None, None]


def test_sub_ports_come_change_and_go(northbound):
    both = [port("a"), subport("b")]
    run = Run(northbound, *both, networks=NETWORKS)
    assert run.actions == ["create", "create"]
    assert tags(northbound) == {identity("b"): (identity("a"), 30)}
    parent, child = (each.to_result() for each in run.ports)
    assert (parent["parent"], parent["vlan"], parent["tap"][:3]) == (None, None, "kvt")
    assert (child["parent"], child["vlan"], child["tap"]) == (identity("a"), 30, None)
    assert (child["network"], child["fixed_ip"]) == ("storage", "10.40.0.2")
    before = northbound.dump()
    assert Run(northbound, *both, networks=NETWORKS).actions == ["keep", "keep"]
    assert Run(northbound, port("b", network="storage"), networks=NETWORKS).actions == ["keep"]
    assert northbound.dump() == before
    assert [(each.name, each.parent, each.vlan) for each in find(northbound)] == [
        ("a", None, None), ("b", identity("a"), 30)
    ]  # fmt: skip
    assert Run(northbound, subport("b", 31), networks=NETWORKS).actions == ["update"]
    assert tags(northbound) == {identity("b"): (identity("a"), 31)}
    assert Run(northbound, subport("b", 31), networks=NETWORKS, state="absent").actions == ["delete"]
    assert tags(northbound) == {}
    assert [each.name for each in find(northbound)] == ["a"]


def test_a_tag_that_somebody_took_away_comes_back(northbound):
    both = [port("a"), subport("b")]
    Run(northbound, *both, networks=NETWORKS)
    northbound.nbctl("clear", "Logical_Switch_Port", identity("b"), "tag_request")
    assert Run(northbound, *both, networks=NETWORKS).actions == ["keep", "update"]
    assert tags(northbound) == {identity("b"): (identity("a"), 30)}
