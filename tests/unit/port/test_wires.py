# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Neutron tells of physical networks: whose networks are on which, and which hosts are."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    InvalidRequest,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.port.neutron import wires
from ansible_collections.kvmstack.launch.tests.unit.port import fake_neutron
from ansible_collections.kvmstack.launch.tests.unit.port.fake_neutron import FakeNeutron, identity

PHYSICAL = "provider:physical_network"


@pytest.fixture
def cloud(monkeypatch):
    """A cloud with a network on physnet1, which the agents of c1 and c2 reach."""
    fake = FakeNeutron()
    for row in fake.tables["networks"]:
        row[PHYSICAL] = "physnet1" if row["name"] == "shared" else None
    fake.tables["agents"] = [
        {"host": "c2", "configurations": {"bridge-mappings": "physnet1:br-ex,physnet2:br-two", "chassis_name": "c2"}},
        {"host": "c1", "configurations": {"bridge_mappings": {"physnet1": "br-ex"}}},
        {"host": "c3", "configurations": {"bridge-mappings": ""}},
        {"host": "c4", "configurations": {"dhcp_driver": "dnsmasq"}},
    ]
    monkeypatch.setattr(wires, "connect_cloud", lambda params: fake)
    return fake


def raising(error):
    raise error


def find(*names):
    return {wire.name: (wire.physical_network, wire.hosts) for wire in wires.find({"names": list(names)})}


@pytest.mark.parametrize("name", ["shared", identity("shared")])
def test_a_network_is_told_with_its_wire_and_the_hosts_there(cloud, name):
    assert find(name, "private", "nowhere") == {"private": (None, None), "shared": ("physnet1", ["c1", "c2"])}


def test_a_wire_that_no_agent_tells_of_has_no_known_hosts(cloud):
    cloud.tables["agents"] = []
    assert find("shared") == {"shared": ("physnet1", None)}


UNTOLD = [Refused("the rule get_agent"), NotFound("no such resource"), Unavailable("Neutron does not answer")]


@pytest.mark.parametrize("error", UNTOLD)
def test_who_may_not_see_agents_knows_no_hosts(cloud, error):
    cloud.errors.append(("GET", "agents", error))
    assert find("shared") == {"shared": ("physnet1", None)}


@pytest.mark.parametrize("error", UNTOLD)
@pytest.mark.parametrize("query", [0, 1])
def test_a_query_that_neutron_does_not_answer_ends_nothing(cloud, monkeypatch, query, error):
    """Nothing is known then: that the service is away, the port stage tells of each instance."""
    queries = iter(range(2))
    begin = fake_neutron.View.begin

    def fails(self, method, path, said):
        if path == "networks" and next(queries) == query:
            raise error
        begin(self, method, path, said)

    monkeypatch.setattr(fake_neutron.View, "begin", fails)
    assert find("shared") == {}


@pytest.mark.parametrize(
    "error", [NotFound("no endpoint of the service network"), Refused("wrong password"), Unavailable("no Keystone")]
)
def test_who_cannot_ask_at_all_knows_nothing(cloud, monkeypatch, error):
    monkeypatch.setattr(wires, "connect_cloud", lambda params: raising(error))
    assert find("shared") == {}


def test_a_cloud_that_is_wrong_is_told(cloud):
    cloud.project_id = None
    with pytest.raises(InvalidRequest, match="the user's token is for none"):
        find("shared")


def test_who_is_not_told_of_wires_knows_none(cloud):
    for row in cloud.tables["networks"]:
        del row[PHYSICAL]
    assert find("shared") == {"shared": (None, None)}


def test_of_a_network_that_the_user_does_not_see_nothing_is_told(cloud):
    for row in cloud.tables["networks"]:
        row[PHYSICAL] = "physnet1"
    assert find("theirs") == {}
    assert find() == {}
    assert len([request for request in cloud.requests if request[2] == "agents"]) == 0


def test_what_is_told_is_what_the_scheduler_takes(cloud):
    [told] = [wire.to_result() for wire in wires.find({"names": ["shared"]})]
    assert told == {"name": "shared", "id": identity("shared"), "physical_network": "physnet1", "hosts": ["c1", "c2"]}
