# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages' results make of a record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvmstack.launch.plugins.module_utils.core.carry import carry, parts_of
from ansible_collections.kvmstack.launch.plugins.module_utils.core.documents import mark_failed
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import (
    BlockDeviceMapping,
    NetworkRequest,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import (
    Instance,
    from_document,
    to_document,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.outcome import parse, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.plan import Recorded

PORT = NetworkRequest("private", id="p1")
BUILDING = Instance("web", "p", "u1", task_state="scheduling", host="c1", ports=[PORT])
ACTIVE = replace(BUILDING, vm_state="active", power_state="running", task_state=None, launched=True)
DELETING = replace(ACTIVE, task_state="deleting")
BROKEN = {"msg": "domain web: no room", "abort": False}
HOPELESS = {"msg": "domain web: bad image", "abort": True}
MADE = {"name": "web-private", "action": "create", "port_id": "p1", "mac_address": "m", "fixed_ip": "10.20.0.9"}


def runs(before, status="ACTIVE"):
    """The document of an instance whose guest runs, is off, or is gone."""
    state = "absent" if status == "DELETED" else "present"
    results = [{"name": "web", "status": status, "action": "create"}]
    return carry([to_document(before)], "domain", results, parts_of("domain", state), state)[0]


def broken(before, error, noun="domain"):
    """The document of an instance that a stage has failed."""
    return mark_failed(to_document(before), noun, error)


def settle(before, document=None, max_attempts=3, interim=False):
    document = to_document(before) if document is None else document
    wanted = parse({"max_attempts": max_attempts, "interim": interim, "instances": [document]})
    return plan(wanted, Recorded({before.name: before}, {}), "present")[0]


def test_a_running_domain_makes_it_active_with_its_address():
    [document] = carry([runs(BUILDING)], "port", [MADE], parts_of("port"))
    after = settle(BUILDING, document).after
    assert (after.status, after.task_state, after.launched) == ("ACTIVE", None, True)
    assert (after.ports[0].fixed_ip, after.ports[0].mac_address) == ("10.20.0.9", "m")


def test_a_local_volume_that_a_guest_has_had_is_known_from_then_on():
    local, far = BlockDeviceMapping("v1", "web-data"), BlockDeviceMapping("v2", "web-far", service="cinder")
    before = replace(BUILDING, volumes=[local, far])
    assert [volume.made for volume in settle(before, runs(before)).after.volumes] == [True, None]
    assert [volume.made for volume in settle(before, broken(before, BROKEN)).after.volumes] == [None, None]


def test_a_second_run_keeps():
    assert settle(ACTIVE, runs(ACTIVE)).action == "keep"


@pytest.mark.parametrize(
    ("known", "status", "states"),
    [
        pytest.param(replace(ACTIVE, target_state="stopped", task_state="powering-off"), "SHUTOFF",
                     ("stopped", None, "shutdown", "SHUTOFF"), id="it was turned off"),
        pytest.param(replace(BUILDING, target_state="stopped"), "SHUTOFF",
                     ("stopped", None, "shutdown", "SHUTOFF"), id="it was made, and left off"),
        pytest.param(replace(ACTIVE, vm_state="stopped", power_state="shutdown", task_state="powering-on"), "ACTIVE",
                     ("active", None, "running", "ACTIVE"), id="it was turned on"),
        pytest.param(replace(ACTIVE, task_state="rebooting"), "ACTIVE",
                     ("active", None, "running", "ACTIVE"), id="it was restarted"),
        pytest.param(replace(ACTIVE, target_state="stopped", task_state="powering-off"), "ACTIVE",
                     ("active", "powering-off", "running", "ACTIVE"), id="it is still on"),
    ],
)  # fmt: skip
def test_the_record_says_what_is(known, status, states):
    after = settle(known, runs(known, status)).after
    assert (after.vm_state, after.task_state, after.power_state, after.status) == states


def test_in_check_mode_only_the_run_knows_that_it_is_to_be_off():
    asked = replace(ACTIVE, target_state="stopped", task_state="powering-off")
    assert settle(ACTIVE, runs(asked, "SHUTOFF")).after.status == "SHUTOFF"


def test_a_host_that_fails_sends_it_on():
    after = settle(BUILDING, broken(BUILDING, BROKEN)).after
    assert (after.status, after.task_state, after.host) == ("BUILD", "scheduling", None)
    assert after.attempted_hosts == ["c1"]


@pytest.mark.parametrize(
    ("volume", "host", "status"),
    [
        pytest.param(BlockDeviceMapping("v1", "web-data", 1), None, "BUILD", id="a local volume is of no harm"),
        pytest.param(BlockDeviceMapping("v1", "web-data", 1, service="cinder"), "c1", "ERROR", id="one of a service"),
        pytest.param(BlockDeviceMapping("v1", "web-data", 1, service="rbd"), "c1", "ERROR", id="one in Ceph"),
    ],
)
def test_a_volume_of_a_service_never_leaves_a_host_where_its_guest_may_run(volume, host, status):
    known = replace(BUILDING, volumes=[volume])
    after = settle(known, {**broken(known, BROKEN), "lost": True}).after
    assert (after.host, after.status) == (host, status)
    assert host is None or "volume web-data may be in use" in after.fault


def test_what_its_stage_says_to_users_is_what_they_are_told():
    failed = {**broken(BUILDING, BROKEN), "msg": "host c1: it is off", "public_msg": "its host has failed"}
    error = settle(BUILDING, failed).wanted.error
    assert (str(error), error.public) == ("host c1: it is off", "its host has failed")
    assert settle(BUILDING, broken(BUILDING, BROKEN)).wanted.error.public == BROKEN["msg"]


@pytest.mark.parametrize(
    ("told", "host", "status"),
    [
        pytest.param({"resumed": True}, "c1", "ERROR", id="which a run before has begun"),
        pytest.param(
            {"resumed": False, "domain": {"status": "ACTIVE"}}, "c1", "ERROR", id="which this one has built just now"
        ),
        pytest.param({"resumed": True, "undone": True}, None, "BUILD", id="not of one that is taken back"),
        pytest.param({"resumed": True, "lost": True}, None, "BUILD", id="nor of one that the record remembers there"),
        pytest.param({"resumed": False}, None, "BUILD", id="nor of one that its host has not begun"),
    ],
)
def test_an_error_of_a_service_moves_no_instance(told, host, status):
    failed = broken(BUILDING, {"msg": "port web-private: neutron is away", "abort": False}, "port")
    after = settle(BUILDING, {**failed, **told}).after
    assert (after.host, after.status) == (host, status)


def test_when_no_host_is_left_it_is_told_why_the_last_one_failed():
    waiting = settle(BUILDING, broken(BUILDING, BROKEN)).after
    nowhere = broken(waiting, {"msg": "no valid host: RetryFilter: ...", "abort": True}, "schedule")
    after = settle(waiting, nowhere).after
    assert after.fault == "no valid host: RetryFilter: ...; the last error was on c1: domain web: no room"


def test_the_last_attempt_ends_in_error():
    last = replace(BUILDING, attempted_hosts=["c2", "c3"])
    after = settle(last, broken(last, BROKEN)).after
    assert (after.status, after.host) == ("ERROR", None)
    assert after.fault == "domain web: no room (tried: c2, c3, c1)"


def test_an_error_that_no_host_can_cure_ends_at_once():
    after = settle(BUILDING, broken(BUILDING, HOPELESS)).after
    assert (after.status, after.fault) == ("ERROR", "domain web: bad image")


def test_an_error_does_not_touch_a_running_instance():
    change = settle(ACTIVE, broken(ACTIVE, BROKEN))
    assert str(change.error) == "domain web: no room"
    assert change.before == change.after == ACTIVE


def test_nothing_heard_is_nothing_changed():
    assert settle(BUILDING).action == "keep"


@pytest.mark.parametrize(
    ("document", "interim"),
    [
        pytest.param(runs(DELETING, "DELETED"), True, id="in the middle of the run"),
        pytest.param(to_document(DELETING), False, id="while its host has said nothing"),
    ],
)
def test_what_is_being_deleted_stays_in_the_record_until_all_is_gone(document, interim):
    assert settle(DELETING, document, interim=interim).action == "keep"


def test_in_check_mode_only_the_run_knows_what_it_deletes():
    assert settle(ACTIVE, to_document(DELETING), interim=True).after == DELETING


def test_what_never_had_a_host_goes_without_one():
    before = replace(DELETING, host=None)
    assert settle(before, to_document(before)).after.status == "DELETED"


@pytest.mark.parametrize(
    ("before", "document", "status", "error"),
    [
        pytest.param(DELETING, runs(DELETING, "DELETED"), "DELETED", None, id="a destroy that went well deletes"),
        pytest.param(DELETING, broken(DELETING, BROKEN), None, "no room", id="one that did not, does not"),
        pytest.param(DELETING, runs(ACTIVE), None, "begun to destroy it", id="a launch never deletes"),
        pytest.param(DELETING, broken(ACTIVE, BROKEN), None, "begun to destroy", id="nor one that failed"),
        pytest.param(ACTIVE, runs(DELETING, "DELETED"), "DELETED", None, id="in check mode only the run knows"),
    ],
)
def test_only_a_destroy_deletes(before, document, status, error):
    change = settle(before, document)
    assert (change.error is None) == (error is None)
    assert error is None or error in str(change.error)
    assert change.after.status == (status or before.status)


@pytest.mark.parametrize("before", [DELETING, replace(DELETING, host=None)], ids=["on a host", "on none"])
def test_what_goes_is_not_gone_before_its_host_has_had_its_turn(before):
    """Beside a new instance, of which the record is written before the hosts build."""
    change = settle(before, interim=True)
    assert (change.action, change.after.status, change.after.task_state) == ("keep", "ACTIVE", "deleting")
    assert not change.wanted.ended


def test_what_the_record_keeps_of_a_port_outlives_a_run_that_did_not_come_so_far():
    known = replace(ACTIVE, ports=[replace(PORT, network_info={"mtu": 1442})])
    assert settle(known, broken(known, BROKEN, "schedule")).after.ports == known.ports


def test_another_instance_of_the_same_name_is_not_settled():
    wanted = parse({"max_attempts": 3, "interim": False, "instances": [runs(BUILDING)]})
    change = plan(wanted, Recorded({"web": replace(BUILDING, uuid="u2")}, {}), "present")[0]
    assert "run again" in str(change.error)


TEXTS = st.none() | st.text(max_size=8)
PORTS = st.builds(
    NetworkRequest, network=TEXTS, fixed_ip=TEXTS, id=TEXTS, leaving=st.booleans(), floating_ip=TEXTS | st.booleans(),
    security_groups=st.none() | st.lists(st.text()), network_info=st.none() | st.dictionaries(st.text(), st.integers()),
)  # fmt: skip
VOLUMES = st.builds(
    BlockDeviceMapping, id=st.text(), name=st.text(), size=st.none() | st.integers(), service=st.text(),
    boot=st.booleans(), host=TEXTS, device=TEXTS, leaving=st.booleans(),
)  # fmt: skip


@given(
    st.builds(
        Instance, name=st.text(), project_id=st.text(), uuid=st.text(),
        vm_state=st.sampled_from(["building", "active", "error", "deleted"]),
        task_state=st.sampled_from([None, "scheduling", "deleting"]), host=TEXTS, fault=TEXTS, last_error=TEXTS,
        ports=st.lists(PORTS, max_size=3), volumes=st.lists(VOLUMES, max_size=3),
        attempted_hosts=st.lists(st.text()), launched=st.booleans(),
        seconds=st.none() | st.floats(0, 1000), user_data_digest=TEXTS, record_id=TEXTS,
        flavor=st.none() | st.fixed_dictionaries({"name": st.text(), "vcpus": st.integers()}),
        metadata=st.dictionaries(st.text(), st.text()), ssh_keys=st.lists(st.text()),
    )
)  # fmt: skip
def test_a_document_is_whole(instance):
    assert from_document(json.loads(json.dumps(to_document(instance)))) == instance
