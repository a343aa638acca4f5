# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running instance gains and loses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance import attachments, outcome
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance

PORT = {"network": "private", "fixed_ip": None, "security_groups": None, "port_security": None}
MINE = {"network": None, "port": "mine", "fixed_ip": None}
DATA = {"id": "v1", "name": "web-data", "size": 1, "format": "raw", "delete_on_termination": True, "service": "file"}
LOGS = {**DATA, "id": "v2", "name": "web-logs"}
ROOT = {**DATA, "id": "v3", "name": "web-root", "service": "cinder", "boot": True}
IDENTITY = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"


def instance(ports, volumes, before=None):
    """An instance with these; over `before` as a running one takes them."""
    wanted = Instance("web", "p", ports=ports, volumes=volumes)
    made = attachments.ports(wanted, IDENTITY, before and before.ports)
    disks = attachments.volumes(wanted, IDENTITY, before and before.volumes)
    if before:
        made, disks = attachments.exchanged(made, before.ports), attachments.exchanged(disks, before.volumes)
    return replace(wanted, uuid=IDENTITY, ports=made, volumes=disks, host="c1")


def names(items):
    return [item["name"] for item in items]


def test_what_is_taken_off_the_list_leaves_and_what_is_added_joins():
    before = instance([PORT], [DATA])
    document = instance([PORT, PORT], [LOGS], before).to_result()
    assert names(document["ports"]) == ["web-private", "web-private-1"]
    assert (names(document["volumes"]), names(document["leaving_volumes"])) == (["web-logs"], ["web-data"])
    assert "leaving" not in document["leaving_volumes"][0]


def test_a_volume_that_leaves_is_not_deleted():
    [leaving] = instance([], [], instance([], [DATA])).to_result()["leaving_volumes"]
    assert leaving["delete_on_termination"] is False


def test_what_was_leaving_stays_when_it_is_asked_for_again():
    leaving = instance([], [], instance([PORT], [DATA]))
    document = instance([PORT], [DATA], leaving).to_result()
    assert (names(document["ports"]), document["leaving_ports"]) == (["web-private"], [])
    assert (names(document["volumes"]), document["leaving_volumes"]) == (["web-data"], [])


def test_devices_stay_and_a_new_one_takes_the_first_that_is_free():
    before = instance([], [ROOT, DATA, LOGS])
    assert [volume["device"] for volume in before.volumes] == ["vda", "vdb", "vdc"]
    after = instance([], [ROOT, LOGS, {**DATA, "id": "v4", "name": "web-more"}], before)
    assert {volume["name"]: volume["device"] for volume in after.volumes} == {
        "web-root": "vda", "web-logs": "vdc", "web-more": "vdd", "web-data": "vdb",
    }  # fmt: skip


def test_ports_of_the_users_own_are_known_by_their_name():
    before = instance([PORT, MINE], [])
    document = instance([MINE], [], before).to_result()
    assert document["ports"][0]["id"] == before.ports[1]["id"]
    assert names(document["leaving_ports"]) == ["web-private"]


@pytest.mark.parametrize(
    ("volumes", "told"),
    [
        pytest.param([ROOT, {**DATA, "size": 2}], [], id="a larger one"),
        pytest.param([ROOT], [], id="one less"),
        pytest.param([DATA], ["volumes (web-root is what it boots from)"], id="the one to boot from"),
        pytest.param([ROOT, {**DATA, "size": 0.5}], ["volumes (web-data 0 GiB, now 1 GiB)"], id="a smaller one"),
        pytest.param([ROOT, {**DATA, "type": "fast"}], ["volumes (web-data type fast, now None)"], id="another type"),
    ],
)
def test_what_cannot_change(volumes, told):
    assert attachments.fixed(Instance("web", "p", volumes=volumes), instance([], [ROOT, DATA])) == told


@pytest.mark.parametrize(
    ("service", "results", "left"),
    [
        pytest.param("file", [], [], id="a file is let go of by the domain alone"),
        pytest.param("cinder", [], ["web-data"], id="a service has yet to say so"),
        pytest.param("cinder", [{"id": "v1", "name": "web-data", "instance_uuid": IDENTITY}], [], id="it has"),
    ],
)
def test_what_has_left_leaves_the_record(service, results, left):
    before = replace(instance([], [{**DATA, "service": service}]), launched=True, vm_state="active", lease=None)
    known = replace(before, volumes=instance([], [], before).volumes)
    domain = {"uuid": IDENTITY, "instance_uuid": IDENTITY, "name": "web", "status": "ACTIVE"}
    params = {"instances": [known.to_result()], "ports": [], "images": [], "volumes": results, "domains": [domain]}
    [told] = outcome.parse({**params, "lost_hosts": {}, "max_attempts": 3})
    assert names(outcome.settle(told, known).volumes) == left
