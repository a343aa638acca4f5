# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a running instance gains and loses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.instance import attachments, outcome
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import (
    BlockDeviceMapping,
    NetworkRequest,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import (
    Instance,
    InstanceRequest,
    to_document,
)

PORT = NetworkRequest("private")
MINE = NetworkRequest(port="mine")
DATA = BlockDeviceMapping("v1", "web-data", size=1, format="raw", delete_on_termination=True)
LOGS = replace(DATA, id="v2", name="web-logs")
ROOT = replace(DATA, id="v3", name="web-root", service="cinder", boot=True)
IDENTITY = "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"


def instance(ports, volumes, before=None):
    """An instance with these; over `before` as a running one takes them."""
    wanted = InstanceRequest("web", "p", ports=ports, volumes=volumes)
    made = attachments.ports(wanted, IDENTITY, before and before.ports)
    disks = attachments.volumes(wanted, IDENTITY, before and before.volumes)
    if before:
        made, disks = attachments.exchange(made, before.ports), attachments.exchange(disks, before.volumes)
    return Instance("web", "p", IDENTITY, ports=made, volumes=disks, host="c1")


def names(items, leaving=None):
    """The names of items; of those that stay, or of those that leave."""
    return [item.name for item in items if leaving in (None, item.leaving)]


def test_what_is_taken_off_the_list_leaves_and_what_is_added_joins():
    before = instance([PORT], [DATA])
    after = instance([PORT, PORT], [LOGS], before)
    assert names(after.ports, leaving=False) == ["web-private", "web-private-1"]
    assert names(after.volumes, leaving=False) == ["web-logs"]
    assert names(after.volumes, leaving=True) == ["web-data"]


def test_a_volume_that_leaves_is_not_deleted():
    [leaving] = instance([], [], instance([], [DATA])).volumes
    assert leaving.leaving
    assert leaving.delete_on_termination is False


def test_what_was_leaving_stays_when_it_is_asked_for_again():
    leaving = instance([], [], instance([PORT], [DATA]))
    again = instance([PORT], [DATA], leaving)
    assert (names(again.ports, leaving=False), names(again.ports, leaving=True)) == (["web-private"], [])
    assert (names(again.volumes, leaving=False), names(again.volumes, leaving=True)) == (["web-data"], [])


def test_devices_stay_and_a_new_one_takes_the_first_that_is_free():
    before = instance([], [ROOT, DATA, LOGS])
    assert [volume.device for volume in before.volumes] == ["vda", "vdb", "vdc"]
    after = instance([], [ROOT, LOGS, replace(DATA, id="v4", name="web-more")], before)
    assert {volume.name: volume.device for volume in after.volumes} == {
        "web-root": "vda", "web-logs": "vdc", "web-more": "vdd", "web-data": "vdb",
    }  # fmt: skip


def test_ports_of_the_users_own_are_known_by_their_name():
    before = instance([PORT, MINE], [])
    after = instance([MINE], [], before)
    assert after.ports[0].id == before.ports[1].id
    assert names(after.ports, leaving=True) == ["web-private"]


@pytest.mark.parametrize(
    ("volumes", "told"),
    [
        pytest.param([ROOT, replace(DATA, size=2)], [], id="a larger one"),
        pytest.param([ROOT], [], id="one less"),
        pytest.param([DATA], ["volumes (web-root is what it boots from)"], id="the one to boot from"),
        pytest.param([ROOT, replace(DATA, size=0.5)], ["volumes (web-data 0 GiB, now 1 GiB)"], id="a smaller one"),
        pytest.param([ROOT, replace(DATA, type="fast")], ["volumes (web-data type fast, now None)"], id="another type"),
    ],
)
def test_what_cannot_change(volumes, told):
    assert attachments.fixed_changes(InstanceRequest("web", "p", volumes=volumes), instance([], [ROOT, DATA])) == told


@pytest.mark.parametrize(
    ("service", "taken_back", "left"),
    [
        pytest.param("file", False, [], id="a file is let go of by the domain alone"),
        pytest.param("cinder", False, ["web-data"], id="a service has yet to say so"),
        pytest.param("cinder", True, [], id="it has"),
    ],
)
def test_what_has_left_leaves_the_record(service, taken_back, left):
    before = replace(instance([], [replace(DATA, service=service)]), launched=True, vm_state="active")
    known = replace(before, volumes=instance([], [], before).volumes)
    document = {**to_document(known), "domain": {"status": "ACTIVE"}}
    document["volumes"] = [] if taken_back else document["volumes"]
    [ended] = outcome.parse({"instances": [document], "state": "present", "max_attempts": 3})
    assert names(outcome.settle(ended, known).volumes) == left
