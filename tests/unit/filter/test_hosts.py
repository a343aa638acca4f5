# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory says of hosts' bridges comes into their settings where it matters."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.hosts import gateways, host_settings

WIRES = {"physnet1": {"bridge": "br-ex", "interface": "eth2"}}
NETWORKS = {"private": {"cidr": "10.20.0.0/24"}, "lab": {"physical_network": "physnet1"}}
HOSTVARS = {"a": {"compute_host_bridge_mappings": WIRES}, "b": {}}


@pytest.mark.parametrize(
    ("settings", "networks", "expected"),
    [
        pytest.param({}, {"private": {}}, {}, id="no wire: no host is looked at"),
        pytest.param({}, NETWORKS, {"a": {"bridge_mappings": WIRES}, "b": {"bridge_mappings": {}}}, id="by host"),
        pytest.param(
            {"a": {"enabled": False}, "c": {"enabled": True}},
            NETWORKS,
            {"a": {"bridge_mappings": WIRES, "enabled": False}, "b": {"bridge_mappings": {}}, "c": {"enabled": True}},
            id="beside the settings",
        ),
        pytest.param(
            {"a": {"bridge_mappings": {}}},
            NETWORKS,
            {"a": {"bridge_mappings": {}}, "b": {"bridge_mappings": {}}},
            id="what is said goes first",
        ),
        pytest.param(
            '{"a": {"enabled": false}}',
            str(NETWORKS),
            {"a": {"bridge_mappings": WIRES, "enabled": False}, "b": {"bridge_mappings": {}}},
            id="as texts",
        ),
        pytest.param('{"a": {"enabled": false}}', {}, {"a": {"enabled": False}}, id="a text and no wire"),
        pytest.param({"a": 7}, NETWORKS, {"a": 7, "b": {"bridge_mappings": {}}}, id="nonsense is left for who tells"),
        pytest.param("x", NETWORKS, "x", id="nonsense instead of settings"),
        pytest.param({}, "x", {}, id="nonsense instead of networks"),
    ],
)
def test_host_settings(settings, networks, expected):
    assert host_settings(["a", "b", "unknown"], HOSTVARS, settings, networks) == expected


@pytest.mark.parametrize(
    ("routers", "looked"),
    [({"edge": {"external_network": "there is"}}, True), ({"edge": {}}, False), (None, False), ("x", False)],
)
def test_a_router_leads_to_a_wire_of_a_network_that_there_is(routers, looked):
    found = host_settings(["a"], HOSTVARS, {}, {"private": {}}, routers)
    assert found == ({"a": {"bridge_mappings": WIRES}} if looked else {})


@pytest.mark.parametrize("wrong", [None, "physnet1:br-ex", {"kvm1": None}, {"kvm1": {"bridge_mappings": "a:br"}}])
def test_the_hosts_of_each_wire(wrong):
    bridge = {"bridge": "br-ex"}
    wires = {"kvm1": {"a": bridge}, "kvm2": {}, "kvm3": {"b": bridge, "a": bridge}}
    settings = {host: {"bridge_mappings": mapped} for host, mapped in wires.items()}
    assert gateways(["kvm3", "kvm1", "kvm2", "gone"], settings) == {"b": ["kvm3"], "a": ["kvm3", "kvm1"]}
    assert gateways(["kvm1"], wrong) == {}


def test_the_hosts_of_each_wire_by_a_text():
    assert gateways(["kvm1"], '{"kvm1": {"bridge_mappings": {"a": {"bridge": "br-ex"}}}}') == {"a": ["kvm1"]}
