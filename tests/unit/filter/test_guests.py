# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters for what comes after a launch."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.guests import guests, inventory_hosts, wait_hosts, waited

PORT = {"network": "private", "fixed_ip": "10.20.0.50"}
WEB = {
    "name": "web", "uuid": "u1", "project_id": "p", "host": "c1", "status": "ACTIVE", "metadata": {}, "ports": [PORT],
}  # fmt: skip
HOSTVARS = {"c1": {"ansible_host": "192.0.2.11"}, "localhost": {}}


def known(documents, **options):
    """The inventory with what it is to have of these documents."""
    found = inventory_hosts(documents, HOSTVARS, {}, **options)
    return {**HOSTVARS, **{host["name"]: {"more": 1, **host["variables"]} for host in found}}


def test_an_instance_is_a_host():
    [host] = inventory_hosts([WEB], HOSTVARS, {"compute": ["c1"]}, "debian")
    assert (host["name"], host["groups"]) == ("web", ["instances", "project_p", "host_c1", "status_active"])
    kvmstack = host["variables"].pop("kvmstack")
    assert kvmstack["uuid"] == "u1"
    assert host["variables"] == {
        "ansible_host": "10.20.0.50",
        "ansible_user": "debian",
        "ansible_ssh_common_args": "-o ProxyJump=192.0.2.11 -o HostKeyAlias=u1",
        "ansible_control_path": "%(directory)s/u1-%%r-%%p",
    }


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({**WEB, "uuid": None, "failed": True}, id="what was refused"),
        pytest.param({**WEB, "status": "DELETED"}, id="what is gone"),
        pytest.param({**WEB, "task_state": "deleting"}, id="what is going"),
    ],
)
def test_what_does_not_live_is_none(document):
    assert inventory_hosts([document], HOSTVARS, {}) == []


@pytest.mark.parametrize(
    ("document", "names"),
    [
        pytest.param(WEB, [], id="as it is"),
        pytest.param({**WEB, "status": "SHUTOFF"}, ["web"], id="in another state"),
        pytest.param({**WEB, "ports": []}, ["web"], id="without its address"),
        pytest.param({**WEB, "uuid": "u2"}, ["web.p"], id="another instance"),
    ],
)
def test_what_the_inventory_has_so_is_left_out(document, names):
    assert [each["name"] for each in inventory_hosts([document], known([WEB]), {})] == names


OWN = {"ansible_host": "web.lab.test", "ansible_user": "fedora", "ansible_ssh_common_args": "-o HostKeyAlias=u1"}
USER = {"ansible_user": "fedora"}


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        pytest.param(WEB, None, id="as it is"),
        pytest.param({**WEB, "status": "SHUTOFF"}, OWN, id="in another state"),
        pytest.param({**WEB, "host": "c2"}, USER, id="on another host"),
        pytest.param({**WEB, "ports": [{**PORT, "fixed_ip": "10.20.0.60"}]}, USER, id="with another address"),
        pytest.param({**WEB, "uuid": "u2"}, {}, id="another instance"),
    ],
)
def test_how_an_inventory_reaches_its_instances_stays(document, kept):
    present = known([WEB])
    present["web"].update(OWN)
    found = inventory_hosts([document], present, {}, "debian")
    assert len(found) == (kept is not None)
    for host in found:
        assert set(OWN) - set(host["variables"]) == set(kept)
        assert host["variables"]["kvmstack"]["status"] == document["status"]


@pytest.mark.parametrize("name", ["c1", "localhost", "compute"])
def test_no_host_or_group_is_taken_over(name):
    assert [each["name"] for each in inventory_hosts([{**WEB, "name": name}], HOSTVARS, {"compute": []})] == [
        name + ".p"
    ]


@pytest.mark.parametrize("networks", [["private"], "private", "lan, private"])
def test_a_network_may_be_reached_straight(networks):
    assert known([WEB], direct_networks=networks)["web"]["ansible_ssh_common_args"] == "-o HostKeyAlias=u1"


DB = {**WEB, "name": "db", "uuid": "u2", "host": "c2", "ports": [{**PORT, "fixed_ip": "10.20.0.51"}]}
STRAIGHT = {
    **WEB,
    "name": "www",
    "uuid": "u3",
    "ports": [{**PORT, "network_info": {"floating_ip_address": "192.0.2.9"}}],
}
ALL = [WEB, DB, STRAIGHT, {**WEB, "name": "bad", "failed": True}, {**WEB, "name": "off", "status": "SHUTOFF"}]


@pytest.mark.parametrize(
    ("wait_for", "direct_networks", "hosts"),
    [
        pytest.param("ssh", None, ["c1", "c2"], id="ssh"),
        pytest.param(80, None, ["c1", "c2"], id="a port"),
        pytest.param("80", None, ["c1", "c2"], id="a port as a text"),
        pytest.param("", None, [], id="nothing"),
        pytest.param(None, None, [], id="not said"),
        pytest.param(False, None, [], id="false"),
        pytest.param("shh", None, [], id="what makes no sense"),
        pytest.param(65536, None, [], id="no port"),
        pytest.param("ssh", ["private"], [], id="all straight"),
        pytest.param("ssh", "private", [], id="all straight, as a text"),
        pytest.param("ssh", "", ["c1", "c2"], id="none straight, as a text"),
    ],
)
def test_who_waits(wait_for, direct_networks, hosts):
    assert wait_hosts(ALL, wait_for, direct_networks) == hosts


@pytest.mark.parametrize(
    ("host", "wait_for", "expected"),
    [
        pytest.param("c1", "SSH", [("web", "10.20.0.50", 22, "SSH-")], id="ssh"),
        pytest.param("c2", "5432", [("db", "10.20.0.51", 5432, "")], id="a port"),
        pytest.param("localhost", "ssh", [("www", "192.0.2.9", 22, "SSH-")], id="the controller"),
        pytest.param("c1", "", [], id="nothing"),
    ],
)
def test_for_whom(host, wait_for, expected):
    assert [tuple(each.values()) for each in guests(ALL, host, wait_for)] == expected


@pytest.mark.parametrize(
    ("answer", "msg"),
    [
        pytest.param({"guests": [{"name": "web", "failed": False}]}, None, id="it answered"),
        pytest.param({"guests": [{"name": "web", "failed": True, "msg": "no"}]}, "it does not answer: no", id="not"),
        pytest.param({"skipped": True}, None, id="nobody asked"),
        pytest.param({"msg": "no route"}, "it does not answer: host c1 could not ask: no route", id="a silent host"),
    ],
)
def test_what_became_of_it(answer, msg):
    [document] = waited([WEB], {"c1": {"launch_guests": answer}}, "ssh")
    assert (document.get("failed", False), document.get("msg")) == (msg is not None, msg)
    assert waited([WEB], {"c1": {"launch_guests": answer}}, "") == [WEB]


def on(router, network="inside", **info):
    return {"network": network, "fixed_ip": "10.21.0.5", "network_info": {"router": router, **info}}


@pytest.mark.parametrize(
    ("ports", "direct_networks", "address"),
    [
        pytest.param([on("none")], None, None, id="an island"),
        pytest.param([on("main")], None, None, id="behind a router"),
        pytest.param([on("none"), on("main", "lab")], None, None, id="both"),
        pytest.param([on("main", floating_ip_address="192.0.2.9")], None, "192.0.2.9", id="with a floating IP"),
        pytest.param([on("none"), on("host", "near")], None, "10.21.0.5", id="its host is on another of its networks"),
        pytest.param([on("none")], ["inside"], "10.21.0.5", id="the controller reaches it"),
        pytest.param([on("none", physical_network="physnet1")], None, "10.21.0.5", id="it is on a wire"),
        pytest.param([on(None)], None, "10.21.0.5", id="nobody knows, as of Neutron's networks"),
    ],
)
def test_whom_nobody_reaches_is_told_at_once(ports, direct_networks, address):
    document = {**WEB, "ports": ports}
    asked = [
        each["address"] for place in ("c1", "localhost") for each in guests([document], place, 80, direct_networks)
    ]
    assert asked == ([address] if address else [])
    answers = {"launch_guests": {"guests": [{"name": "web", "failed": False}]}}
    [ended] = waited([document], {"c1": answers, "localhost": answers}, 80, direct_networks)
    assert ended.get("failed", False) == (address is None)
    if address is None:
        assert ended["msg"].startswith(
            "nobody waited for it, as nobody reaches it: its compute host is not on its netw"
        )
        assert "inside (router: %s)" % ports[0]["network_info"]["router"] in ended["msg"]
    assert waited([document], {}, "") == [document]


def test_a_guest_is_reached_by_the_network_that_its_host_is_on():
    far, near = on("none"), {**on("host", "near"), "fixed_ip": "fd00:20::5"}
    [host] = inventory_hosts([{**WEB, "ports": [far, near]}], HOSTVARS, {})
    assert host["variables"]["ansible_host"] == "fd00:20::5"
    assert "ProxyJump=192.0.2.11" in host["variables"]["ansible_ssh_common_args"]
