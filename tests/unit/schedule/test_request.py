# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From documents to requests: a hint or a group that cannot be is its instance's own fault."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.schedule.request import parse

DOCUMENT = {"name": "web", "uuid": "u1", "project_id": "p", "flavor": {"name": "f", "vcpus": 1, "ram": 512, "disk": 1}}


@pytest.mark.parametrize(
    ("differences", "fault"),
    [
        ({"scheduler_hints": {"same_host": ["web-1"], "query": ["=", "$host", "c1"]}}, None),
        ({"scheduler_hints": {"me.mine.rack": 7}}, None),
        ({"scheduler_hints": {"me.mine.rack": 0, "me.mine.near": False}}, None),
        ({"scheduler_hints": {"same_hots": "x"}}, "unknown scheduler hint same_hots (known: build_near_host_ip"),
        ({"scheduler_hints": {"build_near_host_ip": "10.0.0.1", "cidr": "/99"}}, "scheduler hints: "),
        ({"scheduler_hints": {"query": ["like", "$host", "c"]}}, "does not begin with one of"),
        ({"scheduler_hints": {"query": [["="], "c"]}}, "does not begin with one of"),
        ({"image": {"properties": {"img_hv_requested_version": ">=7.0, <9"}}}, None),
        ({"image": {"properties": {"img_hv_requested_version": "7.0"}}}, "write comparisons such as >=7.0,<9.0.1"),
        ({"image": {"properties": {"img_hv_requested_version": ">=7.0.1.2"}}}, "write comparisons such as"),
        ({"group": {"name": "g", "policy": "anti-affinity"}}, None),
        ({"group": {"name": "g", "policy": "close"}}, "server group g: policy is 'close', it must be one of affinity"),
    ],
)
def test_fault(differences, fault):
    [request] = parse({"instances": [{**DOCUMENT, **differences}]})
    assert (request.fault is None) is (fault is None)
    assert (fault or "") in str(request.fault)
    assert set(request.hints) == set(differences.get("scheduler_hints") or {})


@pytest.mark.parametrize(
    ("host", "waits_on", "pinned"),
    [
        pytest.param(None, None, (), id="new, with a new volume"),
        pytest.param(None, "c1", ("c1",), id="its volume waits there"),
        pytest.param("c2", None, ("c2",), id="its build has begun there"),
        pytest.param("c2", "c1", ("c1", "c2"), id="both, and nowhere else"),
    ],
)
def test_where_it_has_to_go(host, waits_on, pinned):
    volume = {"id": "v1", "name": "data", "size": 1, "host": waits_on}
    [request] = parse({"instances": [{**DOCUMENT, "host": host, "volumes": [volume]}]})
    assert request.pinned == pinned


WIRE = {
    "cidr": "192.0.2.0/24",
    "physical_network": "physnet1",
    "allocation_pool": {"start": "192.0.2.9", "end": "192.0.2.19"},
}


@pytest.mark.parametrize(
    ("ports", "wires"),
    [
        pytest.param([{"network": "private"}], (), id="on none"),
        pytest.param([{"network": "private"}, {"network": "lab"}], ("physnet1",), id="by its network's definition"),
        pytest.param([{"network": "old", "network_info": {"physical_network": "two"}}], ("two",), id="as it was made"),
        pytest.param([{"network": "lab", "leaving": True}], (), id="it leaves"),
        pytest.param([{"network": "wrong"}, {"port": "mine"}], (), id="what other stages refuse, or know"),
    ],
)
def test_the_wires_that_an_instance_is_on(ports, wires):
    networks = {"private": {"cidr": "10.20.0.0/24"}, "lab": WIRE, "wrong": {**WIRE, "vlan": 5000}}
    [request] = parse({"instances": [{**DOCUMENT, "ports": ports}], "networks": networks})
    assert request.physical_networks == wires


PROVIDER = {"name": "provider", "id": "net-1", "physical_network": "physnet1", "hosts": ["c1", "c2"]}


@pytest.mark.parametrize(
    ("told", "port", "wires"),
    [
        pytest.param(PROVIDER, {"network": "provider"}, ("physnet1",), id="by its name"),
        pytest.param(PROVIDER, {"network": "net-1"}, ("physnet1",), id="by its id"),
        pytest.param(PROVIDER, {"network": "other"}, (), id="on another network"),
        pytest.param({**PROVIDER, "physical_network": None}, {"network": "provider"}, (), id="on no wire"),
        pytest.param({**PROVIDER, "hosts": None}, {"network": "provider"}, (), id="nobody knows which hosts are there"),
    ],
)
def test_the_wires_that_neutron_tells_of(told, port, wires):
    [request] = parse({"instances": [{**DOCUMENT, "ports": [port]}], "provider_networks": [told]})
    assert request.physical_networks == wires
    assert request.wired.get("physnet1", frozenset()) == (
        frozenset(["c1", "c2"]) if told["hosts"] and told["physical_network"] else frozenset()
    )
