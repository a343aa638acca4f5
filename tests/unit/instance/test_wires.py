# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an instance that runs may not get: a port on a wire that its host is not on."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import NetworkRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.wires import check_wires, wires

NETWORKS = {
    "private": {"cidr": "10.20.0.0/24"},
    "outer": {"physical_network": "physnet1"},
    "vlan": {"physical_network": "physnet1", "vlan": 100},
    "other": {"physical_network": "physnet2"},
    "wrong": "10.20.0.0/24",
}
SETTINGS = {
    "wired": {"bridge_mappings": {"physnet1": {"bridge": "br-ex"}}},
    "bare": {"bridge_mappings": {}},
    "silent": {"enabled": True},
    "wrong": {"bridge_mappings": "physnet1:br-ex"},
    "worse": [],
}
WIRES = wires(NETWORKS, SETTINGS)


def instance(host, *ports, launched=True):
    return Instance("web", "p", "u1", host=host, ports=list(ports), launched=launched)


def port(network, made=False, leaving=False):
    info = {"port_id": "id-" + network} if made else None
    return NetworkRequest(network, id="id-" + network, network_info=info, leaving=leaving)


@pytest.mark.parametrize(
    ("host", "had", "asked", "missing"),
    [
        pytest.param("bare", [], ["outer"], ["physnet1 of network outer"], id="it is on no wire"),
        pytest.param("bare", [], ["private"], None, id="a network on none"),
        pytest.param("wired", [], ["outer", "vlan"], None, id="it is on that wire"),
        pytest.param("wired", [], ["other", "vlan"], ["physnet2 of network other"], id="but not on another"),
        pytest.param(
            "bare", [], ["vlan", "other"], ["physnet2 of network other", "physnet1 of network vlan"], id="two"
        ),
        pytest.param("bare", [port("outer", made=True)], ["outer"], None, id="it has had it from before"),
        pytest.param("bare", [port("outer")], ["outer"], ["physnet1"], id="it was to get it, and has not"),
        *(pytest.param(host, [], ["outer"], None, id=host) for host in ("silent", "wrong", "worse", "unknown")),
    ],
)
def test_a_port_on_a_wire_needs_its_hosts_bridge_there(host, had, asked, missing):
    before, after = instance(host, *had), instance(host, *(port(name) for name in asked))
    if missing is None:
        check_wires(WIRES, before, after)
        return
    with pytest.raises(Conflict, match="on host %s, which has no bridge mapping for " % host) as refusal:
        check_wires(WIRES, before, after)
    assert all(words in str(refusal.value) for words in missing)
    assert "compute_host_bridge_mappings" in str(refusal.value)


@pytest.mark.parametrize("before", [None, instance("bare", launched=False)])
def test_who_is_still_to_be_placed_is_the_schedulers(before):
    check_wires(WIRES, before, instance("bare", port("outer"), launched=False))


def test_a_port_may_leave():
    check_wires(WIRES, instance("bare", port("outer")), instance("bare", port("outer", leaving=True)))
