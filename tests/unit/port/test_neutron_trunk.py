# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sub-ports in Neutron: trunks are made for their parents, changed, and go with these."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, NotFound
from ansible_collections.kvmstack.launch.tests.unit.port.fake_neutron import FakeNeutron, Killed, identity
from ansible_collections.kvmstack.launch.tests.unit.port.test_neutron import Run, find
from ansible_collections.kvmstack.launch.tests.unit.port.test_neutron import port as a_port

INSTANCE = identity("instance")


@pytest.fixture
def cloud():
    """One whose drivers take no bound port for a trunk, as that of openvswitch."""
    fake = FakeNeutron()
    fake.trunks_take_bound_ports = False
    return fake


def port(name="web", **said):
    return a_port(name, **{"instance_uuid": INSTANCE, "host": "c1", **said})


def subport(name="sub", vlan=30, parent="web", **said):
    return port(name, **{"network": "shared", "parent": identity(parent), "vlan": vlan, **said})


def tags(cloud):
    """By the names of parents their sub-ports, each with its VLAN."""
    names = {row["id"]: row["name"] for row in cloud.ports}
    return {
        names[trunk["port_id"]]: {names[each["port_id"]]: each["segmentation_id"] for each in trunk["sub_ports"]}
        for trunk in cloud.tables["trunks"]
    }


def test_a_trunk_is_made_before_its_parent_is_bound_and_a_second_run_changes_nothing(cloud):
    run = Run(cloud, port(), subport(), subport("more", 31))
    assert run.errors == [None] * 3
    assert tags(cloud) == {"web": {"sub": 30, "more": 31}}
    parent, child, _more = (
        cloud.ports
        if cloud.ports[0]["name"] == "web"
        else sorted(cloud.ports, key=lambda row: ["web", "sub", "more"].index(row["name"]))
    )
    assert (parent["binding:host_id"], parent["device_id"], parent["project_id"]) == ("c1", INSTANCE, "p")
    assert (child["device_id"], child["device_owner"]) == ("", "trunk:subport")
    told = run.results[1]
    assert (told["parent"], told["vlan"], told["tap"], told["instance_uuid"]) == (identity("web"), 30, None, INSTANCE)
    again = Run(cloud, port(), subport(), subport("more", 31))
    assert (again.actions, again.written) == (["keep"] * 3, [])
    silent = Run(cloud, port(), port("sub", network="shared"))
    assert (silent.actions, silent.written) == (["keep"] * 2, [])


def test_nothing_is_written_for_a_plan(cloud):
    run = Run(cloud, port(), subport(), apply=False)
    assert (run.actions, run.written) == (["create", "create"], [])


def test_sub_ports_of_a_port_that_is_there_come_change_and_go(cloud):
    cloud.trunks_take_bound_ports = True
    Run(cloud, port())
    run = Run(cloud, port(), subport())
    assert (run.actions, run.errors) == (["update", "create"], [None, None])
    assert Run(cloud, port(), subport(vlan=40)).actions == ["keep", "update"]
    assert tags(cloud) == {"web": {"sub": 40}}
    # A new one has the VLAN of one that is to go.
    assert Run(cloud, port(), subport("new", 40, network="private")).errors == [None, None]
    assert tags(cloud) == {"web": {"new": 40}}
    assert Run(cloud, subport(vlan=40), state="absent").errors == [None]
    assert Run(cloud, subport("new", 40, network="private"), state="absent").errors == [None]
    assert tags(cloud) == {"web": {}}
    assert [row["name"] for row in cloud.ports] == ["web"]


def test_anothers_sub_port_keeps_its_place(cloud):
    """The user put it there: it has no mark of ours."""
    Run(cloud, port(), subport())
    [trunk] = cloud.tables["trunks"]
    theirs = cloud.port(name="theirs", device_owner="trunk:subport")["id"]
    trunk["sub_ports"].append({"port_id": theirs, "segmentation_id": 40})
    run = Run(cloud, port(), subport(), subport("new", 40))
    assert "VLAN 40 of port web on network private is sub-port %s's" % theirs in str(run.errors[2])
    assert (type(run.errors[2]), tags(cloud)) == (Conflict, {"web": {"sub": 30, "theirs": 40}})
    assert Run(cloud, port(), subport(), subport("new", 41)).errors == [None] * 3
    assert tags(cloud) == {"web": {"sub": 30, "theirs": 40, "new": 41}}


def test_two_change_their_vlans(cloud):
    Run(cloud, port(), subport(), subport("more", 31))
    assert Run(cloud, port(), subport(vlan=31), subport("more", 30)).errors == [None] * 3
    assert tags(cloud) == {"web": {"sub": 31, "more": 30}}


def test_all_go_and_go_again(cloud):
    everything = [port(), subport(), subport("more", 31)]
    Run(cloud, *everything)
    assert Run(cloud, *everything, state="absent").errors == [None] * 3
    assert (cloud.ports, cloud.tables["trunks"]) == ([], [])
    again = Run(cloud, *everything, state="absent")
    assert (again.errors, again.written) == ([None] * 3, [])


@pytest.mark.parametrize("requests", range(1, 6))
def test_a_killed_run_goes_on_where_it_stopped(cloud, requests):
    cloud.trunks_take_bound_ports = True
    cloud.kill_at = requests - 1
    try:
        Run(cloud, port(), subport())
    except Killed:
        cloud.kill_at = None
    assert Run(cloud, port(), subport()).errors == [None, None]
    assert tags(cloud) == {"web": {"sub": 30}}
    assert len(cloud.ports) == 2


def test_where_there_are_no_trunks_it_is_told_and_others_go_on(cloud):
    cloud.errors.append(("POST", "trunks", NotFound("the resource could not be found")))
    run = Run(cloud, port(), subport(), port("other"))
    assert isinstance(run.errors[0], InvalidRequest)
    assert "Neutron has its extension trunk" in str(run.errors[0])
    assert run.errors[2] is None


def test_one_that_cannot_join_says_why(cloud):
    cloud.errors.append(("PUT", "trunks", Conflict("VLAN 30 is not for you")))
    run = Run(cloud, port(), subport(), port("other"))
    assert [str(error) for error in run.errors] == ["None", "VLAN 30 is not for you", "None"]


def test_a_sub_port_alone_needs_a_trunk_that_is_there(cloud):
    assert "its parent has no trunk" in str(Run(cloud, subport()).errors[0])
    Run(cloud, port(), subport())
    assert Run(cloud, subport("more", 31)).errors == [None]
    assert tags(cloud) == {"web": {"sub": 30, "more": 31}}


def test_a_query_has_the_sub_ports_of_its_instances(cloud):
    Run(cloud, port(), subport(), a_port("other"))
    found = find(cloud, instance_uuids=[INSTANCE])
    assert [(each.name, each.parent, each.vlan, each.instance_uuid) for each in found] == [
        ("sub", identity("web"), 30, INSTANCE), ("web", None, None, INSTANCE)
    ]  # fmt: skip
    assert [each.name for each in find(cloud)] == ["other", "sub", "web"]
