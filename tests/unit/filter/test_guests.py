# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters for what comes after a launch."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.filter.guests import inventory_hosts

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


@pytest.mark.parametrize("name", ["c1", "localhost", "compute"])
def test_no_host_or_group_is_taken_over(name):
    assert [each["name"] for each in inventory_hosts([{**WEB, "name": name}], HOSTVARS, {"compute": []})] == [
        name + ".p"
    ]


def test_a_network_may_be_reached_straight():
    assert known([WEB], direct_networks=["private"])["web"]["ansible_ssh_common_args"] == "-o HostKeyAlias=u1"
