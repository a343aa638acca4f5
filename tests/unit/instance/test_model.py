# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a record may change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import (
    BlockDeviceMapping,
    NetworkRequest,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import InstanceRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.plan import Recorded, plan

FLAVOR = {"name": "small", "vcpus": 1, "ram": 512, "disk": 1, "extra_specs": {}}
IMAGE = {
    "name": "demo",
    "url": "u",
    "checksum": "none",
    "disk_format": "qcow2",
    "min_disk": 0,
    "min_ram": 0,
    "properties": {},
}
GROUP = {"name": "g", "policy": "affinity", "max_server_per_host": None}
PORT = NetworkRequest("private")
VOLUME = BlockDeviceMapping("v1", "web-data", size=1, format="raw", delete_on_termination=True)
WEB = InstanceRequest(
    "web", "p", flavor=FLAVOR, image=IMAGE, ports=[PORT], volumes=[VOLUME], metadata={"a": "1"}, ssh_keys=["k"]
)
RUNNING = {"vm_state": "active", "power_state": "running"}
OFF = {"vm_state": "stopped", "power_state": "shutdown", "target_state": "stopped"}
GONE = InstanceRequest("web", "p", absent=True)
NOTHING = Recorded({}, {})


def change(wanted, before=None, volumes=()):
    current = Recorded({before.name: before} if before else {}, {volume["id"]: volume for volume in volumes})
    return plan([wanted], current, "present")[0]


def launched(wanted=WEB):
    """The record of an instance that became ACTIVE on c1."""
    built = change(wanted).after
    ports = [replace(port, mac_address="fa:16:3e:00:00:01", fixed_ip="10.20.0.9") for port in built.ports]
    return replace(built, ports=ports, task_state=None, host="c1", launched=True, **RUNNING)


def test_identity_comes_first():
    created = change(WEB)
    assert created.action == "create"
    assert created.after.ports[0].instance_uuid == created.after.volumes[0].instance_uuid == created.after.uuid
    assert created.after.ports[0].name == "web-private"
    assert created.after.volumes[0].device == "vdb"


def test_a_launch_that_was_killed_goes_on_with_the_same_identity():
    first = change(WEB).after
    assert change(WEB, replace(first, host="c1")).action == "keep"


def test_a_failed_launch_begins_again_when_asked_again():
    failed = replace(change(WEB).after, vm_state="error", task_state=None, fault="checksum", attempted_hosts=["c1"])
    again = change(WEB, failed)
    assert (again.action, again.after.status, again.after.fault, again.after.attempted_hosts) == (
        "update",
        "BUILD",
        None,
        [],
    )
    assert again.after.uuid == failed.uuid


SILENT = replace(WEB, ssh_keys=None, default_ssh_keys=["mine"])


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        pytest.param(SILENT, ["mine"], id="what mentions none has the default"),
        pytest.param(replace(SILENT, default_ssh_keys=None), [], id="where there is none, none"),
        pytest.param(replace(WEB, default_ssh_keys=["mine"]), ["k"], id="its own"),
        pytest.param(replace(SILENT, ssh_keys=[]), [], id="none is none"),
    ],
)
def test_the_keys_of_a_new_instance(wanted, keys):
    assert change(wanted).after.ssh_keys == keys


@pytest.mark.parametrize("keys", [[], ["k"], ["mine"]])
def test_an_instance_keeps_its_keys_whatever_the_default_is_later(keys):
    before = launched(replace(WEB, ssh_keys=keys))
    again = change(replace(SILENT, default_ssh_keys=["another's"]), before)
    assert (again.action, again.error, again.after.ssh_keys) == ("keep", None, keys)


def test_a_launch_that_was_killed_goes_on_with_its_keys():
    first = change(SILENT).after
    assert change(replace(SILENT, default_ssh_keys=["another's"]), first).action == "keep"


@pytest.mark.parametrize(
    ("wanted", "action"),
    [
        pytest.param(WEB, "keep", id="the same request"),
        pytest.param(replace(WEB, ports=None, volumes=None, metadata=None, ssh_keys=None), "keep", id="silence"),
        pytest.param(replace(WEB, metadata={"a": "2"}), "update", id="metadata"),
        pytest.param(replace(WEB, volumes=[replace(VOLUME, size=2)]), "update", id="a larger volume"),
        pytest.param(replace(WEB, ports=[replace(PORT, security_groups=["web"])]), "update", id="security groups"),
        pytest.param(replace(WEB, ports=[replace(PORT, qos=[])]), "update", id="limits"),
        pytest.param(replace(WEB, ports=[replace(PORT, allowed_address_pairs=[])]), "update", id="address pairs"),
        pytest.param(replace(WEB, ports=[replace(PORT, port_security=False)]), "update", id="port security"),
        pytest.param(
            replace(WEB, ports=[replace(PORT, fixed_ip="10.20.0.9", fixed_ips=["10.20.0.9", "10.20.0.10"])]),
            "update",
            id="one address more",
        ),
    ],
)
def test_a_running_instance_takes(wanted, action):
    before = launched()
    taken = change(wanted, before)
    assert (taken.action, taken.error) == (action, None)
    assert taken.after.ports[0].mac_address == before.ports[0].mac_address


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        pytest.param(replace(WEB, flavor={**FLAVOR, "name": "big"}), "flavor (big, now small)", id="flavor"),
        pytest.param(replace(WEB, image={**IMAGE, "name": "other"}), "image (other, now demo)", id="image"),
        pytest.param(replace(WEB, group=GROUP), "group (g, now none)", id="group"),
        pytest.param(replace(WEB, ssh_keys=["other"]), "ssh_keys", id="keys"),
        pytest.param(replace(WEB, user_data_digest="d"), "user_data", id="user data"),
        pytest.param(replace(WEB, ports=[replace(PORT, fixed_ip="10.20.0.10")]), "networks", id="another address"),
        pytest.param(replace(WEB, volumes=[replace(VOLUME, size=0.5)]), "volumes", id="a smaller volume"),
        pytest.param(
            replace(WEB, flavor={"name": "huge"}, faults={("flavor", "huge"): "flavor huge is not defined"}),
            "huge",
            id="an unknown flavor",
        ),
        pytest.param(replace(WEB, faults={("network", "b"): "no network b"}), "no network b", id="an unknown network"),
    ],
)
def test_a_running_instance_refuses(wanted, field):
    refused = change(wanted, launched())
    assert field in str(refused.error)
    assert not refused.pending


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        pytest.param({"min_ram": 1024}, "has 512 MiB of RAM, image demo needs 1024", id="RAM"),
        pytest.param({"min_disk": 5}, "has a disk of 1 GiB, image demo needs 5", id="disk"),
    ],
)
def test_a_flavor_too_small_for_the_image_is_a_fault(image, fault):
    after = change(replace(WEB, image={**IMAGE, **image})).after
    assert after.status == "ERROR"
    assert fault in after.fault


KEPT = {
    "size": 1, "format": "raw", "host": "c2", "instance_uuid": None, "delete_on_termination": False, "made": True,
}  # fmt: skip
HELD = {**KEPT, "instance_uuid": "other"}
GOING = {**KEPT, "delete_on_termination": True}


def test_a_volume_that_exists_pins_its_host_and_keeps_its_size_and_format():
    known = {"id": "v1", "name": "web-data", **KEPT, "size": 5, "format": "qcow2"}
    located = change(replace(WEB, volumes=[replace(VOLUME, size=None, format=None)]), volumes=[known]).after
    assert (located.volumes[0].size, located.volumes[0].format, located.volumes[0].host) == (5, "qcow2", "c2")


def test_a_volume_keeps_the_id_that_the_record_has_for_it():
    """As one that was made when ids followed from something else."""
    before = launched()
    before = replace(before, volumes=[replace(before.volumes[0], id="older")])
    kept = change(WEB, before, volumes=[{"id": "older", "name": "web-data", **KEPT, "host": None}])
    assert (kept.error, [volume.id for volume in kept.after.volumes]) == (None, ["older"])


REMOTE = BlockDeviceMapping("v7", "web-far", size=1, service="cinder", volume_id="c-7", device="vdc")


@pytest.mark.parametrize(
    ("before", "known", "made"),
    [
        pytest.param(None, [], None, id="not before it is made"),
        pytest.param(None, [{"id": "v1", "name": "web-data", **KEPT}], True, id="one that was kept"),
        pytest.param(None, [{"id": "v1", "name": "web-data", **KEPT, "made": False}], None, id="one that failed"),
        pytest.param(True, [{"id": "v1", "name": "web-data", **KEPT, "host": "c1"}], True, id="one that it has"),
    ],
)
def test_a_volume_that_an_instance_has_had_is_never_made_anew(before, known, made):
    has = launched()
    has = replace(has, volumes=[replace(has.volumes[0], made=True)]) if before else None
    assert change(WEB, has, volumes=known).after.volumes[0].made is made


def test_a_volume_of_a_service_keeps_its_name_when_it_is_asked_for_by_its_services_id():
    before = launched()
    before = replace(before, volumes=[replace(REMOTE, instance_uuid=before.uuid)])
    asked = BlockDeviceMapping("v9", "c-7", service="cinder")
    same = change(replace(WEB, volumes=[asked]), before)
    assert (same.error, same.action, same.after.volumes) == (None, "keep", before.volumes)


def test_a_volume_of_a_service_that_is_asked_for_no_more_before_the_instance_was_launched_leaves_it():
    asked = replace(WEB, volumes=[replace(REMOTE, volume_id=None, device=None, boot=True)])
    begun = change(asked).after
    begun = replace(begun, volumes=[replace(begun.volumes[0], volume_id="c-7")])
    [volume] = change(replace(WEB, volumes=[]), begun).after.volumes
    assert (volume.id, volume.leaving) == ("v7", True)
    never = change(replace(WEB, volumes=[]), change(asked).after).after
    assert never.volumes == [], "one that its service does not know yet"


@pytest.mark.parametrize("wanted", [WEB, GONE], ids=["launch", "destroy"])
@pytest.mark.parametrize(("service", "refused"), [("file", True), ("rbd", True), ("cinder", False), (None, False)])
def test_volumes_are_asked_of_the_service_that_has_them(wanted, service, refused):
    before = replace(launched(), volumes=[*launched().volumes, REMOTE])
    error = change(replace(wanted, volume_service=service, volumes=None), before).error
    assert (error is not None) == refused
    assert not refused or "volume web-far is kept by cinder, and this run has %s" % service in str(error)


@pytest.mark.parametrize(
    ("size", "known", "reason"),
    [
        pytest.param(None, [], "does not exist", id="missing"),
        pytest.param(1, [{"id": "v1", "name": "web-data", **HELD}], "attached to", id="taken"),
        pytest.param(None, [{"id": "v1", "name": "web-data", **GOING}], "is being deleted", id="being deleted"),
        pytest.param(1, [{"id": "v2", "name": "web-data", **KEPT}], "was not made as this one", id="another's"),
    ],
)
def test_a_volume_that_cannot_be_had(size, known, reason):
    assert reason in str(change(replace(WEB, volumes=[replace(VOLUME, size=size)]), volumes=known).error)


@pytest.mark.parametrize(
    ("record", "target", "task"),
    [
        pytest.param(RUNNING, "started", None, id="it runs, and is to"),
        pytest.param({**RUNNING, "power_state": None}, "started", None, id="nobody has looked at it"),
        pytest.param(RUNNING, "stopped", "powering-off", id="it runs, and is to be off"),
        pytest.param(OFF, "stopped", None, id="it is off, and is to be"),
        pytest.param(OFF, "started", "powering-on", id="it is off, and is to run"),
        pytest.param({**RUNNING, "power_state": "shutdown"}, "started", "powering-on", id="it went off by itself"),
        pytest.param({**RUNNING, "power_state": "shutdown"}, "stopped", "powering-off", id="and is to stay off"),
        pytest.param({**OFF, "power_state": "running"}, "stopped", "powering-off", id="somebody turned it on"),
        pytest.param({**OFF, "power_state": "running"}, "started", "powering-on", id="and it is to run"),
        pytest.param({**OFF, "task_state": "powering-on"}, "stopped", None, id="an unfinished start is called off"),
        pytest.param(RUNNING, None, None, id="not mentioned"),
        pytest.param(OFF, None, None, id="not mentioned of one that is off"),
    ],
)
def test_what_is_to_be_done_for_the_state_that_is_asked_for(record, target, task):
    before = replace(launched(), **record)
    after = change(replace(WEB, target_state=target), before).after
    assert (after.task_state, after.target_state) == (task, target or before.target_state)


@pytest.mark.parametrize(
    ("record", "task"),
    [
        pytest.param(RUNNING, "rebooting", id="it runs, and starts anew"),
        pytest.param({**RUNNING, "task_state": "rebooting"}, "rebooting", id="a run before was killed at it"),
        pytest.param(OFF, "powering-on", id="it is off, and is only started"),
    ],
)
def test_what_is_to_be_done_for_one_that_is_to_start_anew(record, task):
    after = change(replace(WEB, target_state="started", restart="rebooting"), replace(launched(), **record)).after
    assert (after.task_state, after.target_state) == (task, "started")


def test_one_that_a_killed_run_was_restarting_is_left_as_it_is_by_another_wish():
    before = replace(launched(), **RUNNING, task_state="rebooting")
    assert change(WEB, before).after.task_state is None


def test_one_that_there_is_not_yet_is_only_launched():
    assert change(replace(WEB, target_state="started", restart="rebooting")).after.task_state == "scheduling"


@pytest.mark.parametrize(
    ("vm_state", "power_state", "status"),
    [
        ("building", None, "BUILD"), ("error", "running", "ERROR"), ("deleted", None, "DELETED"),
        ("active", None, "ACTIVE"), ("active", "running", "ACTIVE"), ("active", "shutdown", "SHUTOFF"),
        ("active", "crashed", "SHUTOFF"), ("active", "paused", "PAUSED"), ("active", "suspended", "SUSPENDED"),
        ("active", "nostate", "ERROR"), ("stopped", "shutdown", "SHUTOFF"), ("stopped", "running", "ACTIVE"),
    ],
)  # fmt: skip
def test_the_status_is_what_is(vm_state, power_state, status):
    assert replace(launched(), vm_state=vm_state, power_state=power_state).status == status


def test_absent_marks_and_absent_again_keeps():
    marked = change(GONE, launched())
    assert (marked.action, marked.after.task_state) == ("update", "deleting")
    assert change(GONE, marked.after).action == "keep"
    assert change(GONE).action == "keep"


@pytest.mark.parametrize(
    ("networks", "ports", "has"),
    [
        pytest.param(("a",), None, ["a"], id="the only one, as nova"),
        pytest.param((), None, [], id="there is none"),
        pytest.param(("a", "b"), [], [], id="none is asked for"),
        pytest.param(("a", "b"), [NetworkRequest("b")], ["b"], id="one of several"),
        pytest.param(None, [NetworkRequest("b")], ["b"], id="one of a service"),
    ],
)
def test_the_networks_of_a_new_instance(networks, ports, has):
    built = change(replace(WEB, networks=networks, ports=ports)).after
    assert [port.network for port in built.ports] == has
    assert change(replace(WEB, networks=networks, ports=ports), built).action == "keep"


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        (("b", "a"), "networks is missing: name some of a, b, or write networks: [] for none"),
        (None, "networks is missing: name some of those of the network service, or write networks: [] for none"),
    ],
)
def test_an_interface_is_not_left_out_in_silence(networks, told):
    silent = replace(WEB, networks=networks, ports=None)
    new = change(silent)
    assert (str(new.error), new.pending) == (told, False)
    assert change(silent, launched()).action == "keep"


@pytest.mark.parametrize(
    ("silent", "told"),
    [
        pytest.param(replace(WEB, flavor=None), "flavor is missing: name one of launch_flavors", id="no flavor"),
        pytest.param(replace(WEB, image=None), "image is missing, and none of the volumes has boot", id="no image"),
        pytest.param(InstanceRequest("web", "p"), "flavor is missing", id="no more than a name"),
    ],
)
def test_what_it_is_made_of_is_said_once(silent, told):
    """Of an instance that runs, an entry may say no more than what is to change."""
    new = change(silent)
    assert (told in str(new.error), new.pending) == (True, False)
    assert told in str(change(silent, change(WEB).after).error), "what is still to be made"
    assert change(silent, launched()).action == "keep"
    off = change(replace(silent, target_state="stopped"), launched())
    assert (off.after.task_state, off.after.flavor, off.after.image) == ("powering-off", FLAVOR, IMAGE)


def test_it_stays_whose_it_is():
    first = change(replace(WEB, user_id="ann", user_name="Ann")).after
    again = change(replace(WEB, user_id="worker", project_name="Web"), first).after
    assert (again.user_id, again.user_name, again.project_name) == ("ann", "Ann", "Web")


def test_what_makes_no_sense_touches_nothing():
    refusal = InvalidRequest("metadata: 5 is not a mapping of keys to values")
    for before in (None, launched()):
        for absent in (False, True):
            refused = change(InstanceRequest("web", "p", refusal=refusal, absent=absent), before)
            assert (refused.error, refused.changed, refused.pending) == (refusal, False, False)
            assert refused.after == before


def test_what_is_being_deleted_takes_nothing_but_that():
    going = change(GONE, launched()).after
    refused = change(replace(WEB, metadata={"a": "2"}), going)
    assert "it is being deleted" in str(refused.error)
    assert (refused.pending, refused.after) == (False, going)
