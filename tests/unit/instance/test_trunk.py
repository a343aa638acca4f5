# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An instance's sub-ports: as a person asks for them, and as the record has them from run to run."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance import attachments
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import NetworkRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.guest import Guest, differences
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.request import parse
from ansible_collections.kvmstack.launch.tests.unit.instance.test_attachments import instance
from ansible_collections.kvmstack.launch.tests.unit.instance.test_request import WEB, refused, request

NETWORKS = {
    "private": {"cidr": "10.20.0.0/24"},
    "storage": {"cidr": "10.40.0.0/24"},
    "wire": {"cidr": "172.30.0.0/24", "mtu": 1500},
}
TAGGED = {"network": "storage", "vlan": 30}


def networks(*subports, **more):
    return {"networks": [{"network": "private", "subports": list(subports), **more}]}


def parent(*subports):
    return NetworkRequest("private", subports=list(subports))


def tagged(vlan=30, network="storage", **more):
    return NetworkRequest(network, vlan=vlan, **more)


def shown(ports):
    return [(each.network, each.vlan, each.leaving) for each in ports]


def test_what_is_said_of_a_sub_port_is_kept():
    said = networks({**TAGGED, "vlan": "30", "fixed_ip": "10.40.0.9", "security_groups": []}, {**TAGGED, "vlan": 31})
    first, second = parse(request({**WEB, **said, "count": 2}, networks=NETWORKS))
    assert first.refusal is None
    [port] = second.ports
    assert [(each.vlan, each.fixed_ip, each.security_groups) for each in port.subports] == [
        (30, "10.40.0.10", []), (31, None, None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("subports", "words"),
    [
        ([{"network": "storage"}], "networks[0]: subports[0]: vlan is missing"),
        ([{**TAGGED, "vlan": 4095}], "networks[0]: subports[0]: vlan: 4095 is more than 4094"),
        ([{**TAGGED, "vlan": "thirty"}], "networks[0]: subports[0]: vlan: 'thirty' is not a whole number"),
        ([TAGGED, {**TAGGED, "network": "private"}], "networks[0]: subports: vlan 30 is there twice"),
        ([{**TAGGED, "subports": []}], "networks[0]: subports[0]: a sub-port has no subports of its own"),
        ([{**TAGGED, "tag": 3}], "networks[0]: subports[0]: unknown key tag"),
        ([{"vlan": 30}], "networks[0]: subports[0]: needs the name of a network"),
        (["storage"], "networks[0]: subports[0]: 'storage' is not a mapping"),
        ([{**TAGGED, "fixed_ip": "10.20.0.9"}], "fixed_ip 10.20.0.9 is outside 10.40.0.0/24"),
        ([{**TAGGED, "network": "wire"}], "network wire has MTU 1500, and network private of its parent"),
    ],
)
def test_what_makes_no_sense_of_a_sub_port_is_refused(subports, words):
    assert words in refused(networks(*subports), networks=NETWORKS)


def test_subports_are_a_list_and_those_of_a_port():
    assert "subports: 'storage' is not a list" in refused({"networks": [{"network": "private", "subports": "storage"}]})
    assert "unknown key vlan" in refused({"networks": [TAGGED]})


def test_a_network_that_nobody_knows_is_the_instances_fault():
    [web] = parse(request({**WEB, **networks({**TAGGED, "network": "nope"})}, networks=NETWORKS))
    assert "nope" in web.fault


def test_neutron_is_asked_for_sub_ports_on_networks_alone():
    [web] = parse(request({**WEB, **networks(TAGGED)}, network_service="neutron"))
    assert [each.vlan for each in web.ports[0].subports] == [30]
    said = refused({"networks": [{"port": "mine", "subports": [TAGGED]}]}, network_service="neutron")
    assert "a port of yours is taken as it is: make its trunk in neutron" in said
    said = refused(networks({"port": "mine", "vlan": 3}), network_service="neutron")
    assert "subports[0]: port: a sub-port is made on a network" in said


def test_sub_ports_follow_their_parent_and_name_it():
    ports = instance([parent(tagged(), tagged(31)), NetworkRequest("storage")], []).ports
    assert shown(ports) == [
        ("private", None, False), ("storage", 30, False), ("storage", 31, False), ("storage", None, False)
    ]  # fmt: skip
    assert [each.parent for each in ports] == [None, ports[0].id, ports[0].id, None]
    assert len({each.id for each in ports}) == 4
    assert all(each.subports is None for each in ports)
    alone = instance([NetworkRequest("private"), NetworkRequest("storage")], []).ports
    assert [each.id for each in alone] == [ports[0].id, ports[3].id]


def test_a_second_run_and_one_that_does_not_mention_them_change_nothing():
    asked = [parent(tagged(), tagged(31, security_groups=[]))]
    before = instance(asked, [])
    assert instance(asked, [], before).ports == before.ports
    assert instance([NetworkRequest("private")], [], before).ports == before.ports


def test_sub_ports_come_and_go_while_their_parent_stays():
    before = instance([parent(tagged())], [])
    after = instance([parent(tagged(31), tagged())], [], before)
    assert shown(after.ports) == [("private", None, False), ("storage", 31, False), ("storage", 30, False)]
    assert after.ports[2].id == before.ports[1].id
    fewer = instance([parent()], [], after)
    assert shown(fewer.ports) == [("private", None, False), ("storage", 31, True), ("storage", 30, True)]
    again = instance([parent(tagged())], [], fewer)
    assert shown(again.ports) == [("private", None, False), ("storage", 30, False), ("storage", 31, True)]


def test_another_vlan_is_no_other_port():
    before = instance([parent(tagged(30), tagged(31, "wire"))], [])
    after = instance([parent(tagged(40), tagged(30, "wire"))], [], before)
    assert [each.id for each in after.ports] == [each.id for each in before.ports]
    assert [each.vlan for each in after.ports] == [None, 40, 30]


def test_a_sub_port_goes_with_its_parent_and_is_another_ones_only_anew():
    before = instance([parent(tagged()), NetworkRequest("wire")], [])
    after = instance([NetworkRequest("wire", subports=[tagged()])], [], before)
    assert shown(after.ports) == [
        ("wire", None, False), ("storage", 30, False), ("private", None, True), ("storage", 30, True)
    ]  # fmt: skip
    assert after.ports[1].id != before.ports[1].id


def test_who_adds_to_what_the_record_has_and_takes_from_it_keeps_the_rest():
    before = instance([parent(tagged(), tagged(31)), NetworkRequest("wire")], [])
    same = instance(before.ports, [], before)
    assert same.ports == before.ports
    more = instance([*before.ports, NetworkRequest("storage")], [], before)
    assert [each.id for each in more.ports[:4]] == [each.id for each in before.ports]
    assert shown(more.ports)[4:] == [("storage", None, False)]
    fewer = instance([each for each in before.ports if each.vlan != 30], [], before)
    assert [each.vlan for each in fewer.ports if each.leaving] == [30]
    without = instance(before.ports[1:], [], before)
    assert shown(without.ports) == [
        ("wire", None, False), ("private", None, True), ("storage", 30, True), ("storage", 31, True)
    ]  # fmt: skip


def test_what_a_running_guest_cannot_take_is_told_of_sub_ports_too():
    before = instance([parent(tagged(fixed_ip="10.40.0.9"))], [])
    asked = instance([], [])
    wanted = type("Wanted", (), {"ports": [parent(tagged(fixed_ip="10.40.0.8"))], "volumes": None})
    assert attachments.fixed_changes(wanted, before) == ["networks (storage: 10.40.0.8, now 10.40.0.9)"]
    assert attachments.fixed_changes(wanted, asked) == []


def test_a_guest_that_is_taken_over_has_its_sub_ports_as_asked_for():
    asked = instance([parent(tagged())], [])
    ports = [{name: getattr(port, name) for name in ("id", "network", "parent", "vlan")} for port in asked.ports]
    found = Guest("c1", {"volumes": []}, ports, {}, has_directory=True)
    assert list(differences(asked, found)) == []
    ports[1]["vlan"] = 31
    top = ports[0]["id"]
    assert list(differences(asked, found)) == [
        "the port on storage is sub-port 31 of port %s, not sub-port 30 of port %s" % (top, top)
    ]
