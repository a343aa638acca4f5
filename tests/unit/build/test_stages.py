# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of a compute host, one after the other, on a host that lives in memory."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.build import stages
from ansible_collections.kvmstack.launch.plugins.module_utils.core import destroyed
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import GIB
from ansible_collections.kvmstack.launch.plugins.module_utils.domain.model import HOST, Hypervisor
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import Volume
from ansible_collections.kvmstack.launch.plugins.modules.build import ARGUMENTS

WEB, DB = "11111111-0000-4000-8000-000000000001", "99999999-0000-4000-8000-000000000009"
DATA, LOGS, FAR = ("33333333-0000-4000-8000-00000000000%d" % number for number in (1, 2, 3))
NAMES = {WEB: "web", DB: "db", DATA: "data", LOGS: "logs", FAR: "far"}
ROOM = {
    "host": "c1", "vcpus": 8, "memory_mb": 8192, "disk_gb": 100, "free_disk_gb": 90,
    "vcpus_used": 0, "memory_mb_used": 0, "running": [],
}  # fmt: skip
IMAGE = {"name": "demo", "url": "https://images.example/demo", "checksum": "sha256:" + 64 * "0", "disk_format": "qcow2"}
NEW = {
    "status": "BUILD", "task_state": "spawning", "host": "c1", "launched": False, "record_id": None,
    "flavor": {"name": "small", "vcpus": 1, "ram": 512, "disk": 1}, "limits": None, "events": [],
    "image": {**IMAGE, "properties": {}}, "metadata": {}, "ports": [], "volumes": [],
}  # fmt: skip


def document(uuid, **fields):
    return copy.deepcopy({"name": NAMES[uuid], "uuid": uuid, **NEW, **fields})


def volume(uuid, **fields):
    return {"id": uuid, "name": NAMES[uuid], "service": "file", "size": 1, "device": "vdb", **fields}


class Host:
    """What exists by noun and key, what the last run did in order, and what fails of what would be done."""

    def __init__(self):
        self.there = {"gateway": {}, "image": {}, "volume": {}, "domain": {}}
        self.log, self.refused, self.asked_for_room = [], {}, 0

    def backend(self, noun, params):
        if (noun, params["state"]) in self.refused:
            raise self.refused[noun, params["state"]]
        return SimpleNamespace(
            read=lambda wanted: {**self.there[noun], HOST: Hypervisor("qemu")},
            apply=lambda changes: {change.key: self.apply(noun, change) for change in changes},
        )

    def apply(self, noun, change):
        name = NAMES[change.key]
        if (noun, change.action, name) in self.refused:
            return self.refused[noun, change.action, name]
        self.log.append("%s %s %s" % (change.action, noun, name))
        if change.action == "delete":
            del self.there[noun][change.key]
            return replace(change.before, status="DELETED") if noun == "domain" else change.before
        known = {"virtual_size": change.after.size * GIB} if noun == "image" else {}
        self.there[noun][change.key] = replace(change.after, **known)
        return self.there[noun][change.key]

    def room(self, _params):
        self.asked_for_room += 1
        return dict(ROOM)


class Ended(Exception):
    """The module has exited."""


@pytest.fixture
def host(monkeypatch, tmp_path):
    """The host of the stages; their own requests and plans are the real ones."""
    host = Host()
    monkeypatch.setattr(stages, "read_room", host.room)
    made = [replace(stage, connect=partial(host.backend, stage.noun)) for stage in stages.STAGES]
    monkeypatch.setattr(stages, "STAGES", tuple(made))
    notes = destroyed.Notes(str(tmp_path / "destroyed"))
    monkeypatch.setattr(stages, "DESTROYED", replace(stages.DESTROYED, connect=lambda params: notes))
    return host


@pytest.fixture
def build(host):
    """One run of the module; gives its answer."""

    def build(*documents, check_mode=False, diff=False, **options):
        answers = []

        def end(**answer):
            answers.append(answer)
            raise Ended

        defaults = {name: option.get("default") for name, option in ARGUMENTS["argument_spec"].items()}
        params = {**defaults, **options, "instances": list(documents)}
        module = SimpleNamespace(
            params=params, check_mode=check_mode, _diff=diff, _verbosity=0, exit_json=end, fail_json=end
        )
        host.log.clear()
        with pytest.raises(Ended):
            stages.build(module)
        return answers[0]

    return build


@pytest.mark.parametrize(
    ("wrong", "options", "stage", "words"),
    [
        ({"image": {**IMAGE, "checksum": "x"}}, {}, "image", "image demo: checksum: write sha256: and 64"),
        ({"volumes": [volume(DATA, size=0)]}, {}, "volume", "volume data: size: 0 GiB is not above 0"),
        ({"metadata": {"a": "\x1b"}}, {}, "domain", "domain web: a: '\\x1b' has a control character"),
        ({}, {"user_data": '{"web": 5}'}, "domain", "domain web: user_data of web: a text is needed"),
    ],
)
def test_what_makes_no_sense_of_one_stops_no_other(build, host, wrong, options, stage, words):
    web, db = build(document(WEB, **wrong), document(DB), **options)["instances"]
    assert (web["failed_in"], web["abort"]) == (stage, True)
    assert words in web["msg"]
    assert (db.get("failed"), db["domain"]["status"]) == (None, "ACTIVE")


def test_present_goes_from_the_disk_to_the_domain(build, host):
    answer = build(document(WEB, volumes=[volume(DATA)]))
    assert host.log == ["create image web", "create volume data", "create domain web"]
    assert answer["changed"]
    [web] = answer["instances"]
    assert web["image"]["path"] == "/var/lib/kvmstack/instances/%s/root.qcow2" % WEB
    assert web["volumes"][0]["path"] == "/var/lib/kvmstack/volumes/%s.raw" % DATA
    assert (web["domain"]["status"], web["actions"]) == (
        "ACTIVE",
        dict.fromkeys(("image", "volume", "domain"), ["create"]),
    )
    assert [event["event"] for event in web["events"]] == ["image", "volume", "domain"]


def test_a_second_run_keeps_all(build, host):
    [web] = build(document(WEB, volumes=[volume(DATA)]))["instances"]
    answer = build({**web, "status": "ACTIVE", "launched": True})
    assert (host.log, answer["changed"]) == ([], False)
    assert not answer["instances"][0].get("failed")


def test_a_guest_that_loses_its_last_routed_network_leaves_the_gateway(build, host):
    gate = {"gateway_port": "g1", "gateway_mac": "fa:16:3f:00:00:01", "gateway": "10.0.0.1", "cidr": "10.0.0.0/24"}
    port = {"id": "p1", "network": "private", "port_id": "p1", "tap": "tap1", "mac_address": "fa:16:3e:00:00:01"}
    [web] = build(document(WEB, ports=[{**port, **gate}]))["instances"]
    assert host.log[0] == "create gateway web"
    [web] = build({**web, "status": "ACTIVE", "launched": True, "ports": [{**port, "leaving": True}]})["instances"]
    assert (host.log[0], host.there["gateway"]) == ("delete gateway web", {})
    assert web["actions"]["gateway"] == ["create", "delete"]


def test_absent_goes_the_other_way_round(build, host):
    [web] = build(document(WEB, volumes=[volume(DATA, delete_on_termination=True), volume(LOGS)]))["instances"]
    answer = build({**web, "status": "ACTIVE", "task_state": "deleting"}, state="absent")
    assert host.log == ["delete domain web", "delete volume data", "delete image web"]
    assert list(host.there["volume"]) == [LOGS]
    assert answer["changed"]
    assert answer["instances"][0]["domain"]["status"] == "DELETED"


def test_what_a_domain_does_not_give_up_stays_whole(build, host):
    [web] = build(document(WEB, volumes=[volume(DATA, delete_on_termination=True)]))["instances"]
    host.refused["domain", "delete", "web"] = Unavailable("libvirt does not answer")
    [web] = build({**web, "status": "ACTIVE", "task_state": "deleting"}, state="absent")["instances"]
    assert host.log == []
    assert (web["failed"], web["msg"]) == (True, "domain web: libvirt does not answer")


def test_the_next_stages_leave_out_an_instance_that_one_has_failed(build, host):
    host.refused["image", "create", "web"] = InvalidRequest("the digest is another one")
    web, db = build(document(WEB, volumes=[volume(DATA)]), document(DB, volumes=[volume(LOGS)]))["instances"]
    assert host.log == ["create image db", "create volume logs", "create domain db"]
    assert (web["failed"], web["failed_in"], web["abort"]) == (True, "image", True)
    assert web["msg"] == "image demo: the digest is another one"
    assert "domain" not in web
    assert (db.get("failed"), db["domain"]["status"]) == (None, "ACTIVE")


def test_what_was_made_of_it_is_taken_back_backwards(build, host):
    host.refused["domain", "create", "web"] = Unavailable("no flows")
    host.there["volume"][LOGS] = Volume(LOGS, "logs", None, 1, "raw", "/logs.raw", "available")
    answer = build(document(WEB, volumes=[volume(DATA), volume(LOGS, device="vdc")]), document(DB))
    assert host.log == [
        "create image web", "create image db", "create volume data", "update volume logs", "create domain db",
        "delete volume data", "delete image web",
    ]  # fmt: skip
    web, db = answer["instances"]
    assert (web["failed"], web["abort"], web["msg"]) == (True, False, "domain web: no flows")
    assert (web["status"], web["task_state"]) == ("BUILD", "spawning")
    assert [each["id"] for each in web["volumes"]] == [DATA, LOGS]
    assert not web["volumes"][0].get("delete_on_termination")
    assert db["domain"]["status"] == "ACTIVE"
    assert list(host.there["domain"]) == [DB]


def test_a_domain_that_failed_after_it_was_made_is_taken_back_first(build, host):
    [web] = build(document(WEB))["instances"]
    host.there["domain"][WEB] = replace(host.there["domain"][WEB], status="PAUSED")
    host.refused["domain", "update", "web"] = Unavailable("no flows")
    [after] = build({**web, "domain": None})["instances"]
    assert host.log == ["delete domain web", "delete image web"]
    assert after["msg"] == "domain web: no flows"


@pytest.mark.parametrize("stage", ["gateway", "image", "domain"])
def test_a_guest_that_an_earlier_run_has_started_stays_whatever_fails(build, host, monkeypatch, stage):
    build(document(WEB))
    monkeypatch.setattr(stages, "read_room", lambda params: {**ROOM, "running": [WEB]})
    host.refused["gateway", "present"] = Unavailable("nft is away")
    host.refused["image", "present"] = Unavailable("the disk is full")
    host.there["domain"][WEB] = replace(host.there["domain"][WEB], status="PAUSED")
    host.refused["domain", "update", "web"] = Unavailable("no flows")
    host.refused = {key: error for key, error in host.refused.items() if key[0] == stage}
    port = {"gateway_port": "g1", "gateway_mac": "0a:00:00:00:00:01", "gateway": "10.0.0.1", "cidr": "10.0.0.0/24"}
    ports = [{"id": "p1", "network": "private", **port}] if stage == "gateway" else []
    [web] = build(document(WEB, ports=ports))["instances"]
    assert host.log == []
    assert (web["failed_in"], web["abort"], "undone" in web) == (stage, True, False)


def test_volumes_of_a_service_are_not_the_hosts_to_take_back(build, host):
    host.refused["domain", "create", "web"] = Unavailable("no flows")
    build(document(WEB, volumes=[volume(FAR, service="cinder", created=True, path="/far")]))
    assert host.log == ["create image web", "delete image web"]


def test_with_abort_nothing_is_taken_back(build, host):
    host.refused["domain", "create", "web"] = InvalidRequest("no such machine type")
    [web] = build(document(WEB, volumes=[volume(DATA)]))["instances"]
    assert host.log == ["create image web", "create volume data"]
    assert (web["failed"], web["abort"]) == (True, True)


def test_a_launched_instance_is_never_undone(build, host):
    [web] = build(document(WEB, volumes=[volume(DATA)]))["instances"]
    web = {**web, "status": "ACTIVE", "launched": True, "metadata": {"role": "web"}}
    web["volumes"].append(volume(LOGS, device="vdc"))
    host.refused["domain", "update", "web"] = Unavailable("libvirt does not answer")
    [web] = build(web)["instances"]
    assert host.log == ["create volume logs"]
    assert (web["failed"], web["abort"], sorted(host.there["volume"])) == (True, False, [DATA, LOGS])


REBUILDING = {"status": "ACTIVE", "launched": True, "task_state": "rebuilding", "rebuild_id": DATA}


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_rebuild_goes_from_the_new_disk_to_the_new_domain(build, host, check_mode):
    [web] = build(document(WEB, volumes=[volume(DATA)]))["instances"]
    image = {**IMAGE, "name": "other", "checksum": "sha256:" + 64 * "1"}
    [done] = build({**web, **REBUILDING, "image": image}, check_mode=check_mode)["instances"]
    assert host.log == ([] if check_mode else ["update image web", "update domain web"])
    assert not done.get("failed")
    assert {noun: done["actions"].get(noun) for noun in ("image", "domain")} == {
        "image": ["create", "update"],
        "domain": ["create", "update"],
    }


def test_an_image_that_cannot_be_had_leaves_the_guest_of_a_rebuild_as_it_is(build, host):
    [web] = build(document(WEB))["instances"]
    host.refused["image", "update", "web"] = Unavailable("the mirror does not answer")
    [web] = build({**web, **REBUILDING})["instances"]
    assert (web["failed_in"], host.log) == ("image", [])


def test_what_could_not_be_taken_back_is_told(build, host):
    host.refused["domain", "create", "web"] = Unavailable("no flows")
    host.refused["volume", "delete", "data"] = Unavailable("the disk is busy")
    [web] = build(document(WEB, volumes=[volume(DATA)]))["instances"]
    assert web["msg"] == "domain web: no flows (and not all was taken back: volume data: the disk is busy)"
    assert (web["failed_in"], web["lost"]) == ("domain", True)


def test_what_is_left_of_an_instance_that_is_elsewhere_goes_before_anything_is_made(build, host):
    build(document(DB, volumes=[volume(LOGS)]))
    left = document(DB, status="DELETED", task_state="deleting", remains=["c1"])
    left["volumes"] = [volume(LOGS, delete_on_termination=True)]
    answer = build(document(WEB), left)
    assert host.log[:3] == ["delete domain db", "delete volume logs", "delete image db"]
    assert host.log[3:] == ["create image web", "create domain web"]
    assert [each.get("cleared") for each in answer["hosts"]] == [[DB]]
    assert not [each for each in answer["instances"] if each.get("failed")]


def test_what_is_left_and_cannot_go_stops_nobody(build, host):
    build(document(DB))
    host.refused["domain", "delete", "db"] = Unavailable("libvirt does not answer")
    answer = build(document(WEB), document(DB, status="DELETED", task_state="deleting", remains=["c1"]))
    assert answer["instances"][0]["domain"]["status"] == "ACTIVE"
    assert [each.get("cleared") for each in answer["hosts"]] == [None]


def test_a_host_where_nothing_is_new_says_what_is_gone(build, host):
    answer = build(document(DB, status="DELETED", task_state="deleting", remains=["c1"]))
    assert [each["cleared"] for each in answer["hosts"]] == [[DB]]
    assert build(document(DB, task_state="deleting"))["hosts"] == [], "a destroy is no such thing"


def test_the_time_that_its_controller_waits_begins_with_the_build(build, host, monkeypatch):
    deadlines = []
    monkeypatch.setattr(host, "room", lambda params: deadlines.append(params["deadline"]) or dict(ROOM))
    monkeypatch.setattr(stages, "read_room", host.room)
    monkeypatch.setattr(stages.time, "monotonic", lambda: 1000.0)
    build(document(WEB), timeout=60)
    build(document(DB))
    assert deadlines == [1060.0, None]


def noted(tmp_path):
    folder = tmp_path / "destroyed"
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"task_state": "deleting"}, [WEB], id="what is destroyed"),
        pytest.param({}, [], id="not what is built"),
        pytest.param({"task_state": "deleting", "failed": True, "msg": "no"}, [], id="nor what has failed before"),
        pytest.param({"task_state": "deleting", "remains": ["c1"]}, [], id="nor what lives elsewhere"),
        pytest.param(
            {"task_state": "deleting", "abandoned": "it is on c2"}, [], id="nor what another run has elsewhere"
        ),
    ],
)
def test_what_goes_for_good_is_noted(build, tmp_path, fields, expected):
    build(document(WEB, **fields), check_mode=True)
    assert noted(tmp_path) == []
    build(document(WEB, **fields))
    assert noted(tmp_path) == expected


def test_what_was_made_in_vain_may_come_back(build, host, tmp_path):
    host.refused["domain", "create", "web"] = Unavailable("no flows")
    build(document(WEB))
    assert noted(tmp_path) == []


def test_notes_of_long_ago_are_forgotten(build, tmp_path):
    build(document(WEB, task_state="deleting"))
    os.utime(str(tmp_path / "destroyed" / WEB), (0, 0))
    build(document(DB, task_state="deleting"))
    assert noted(tmp_path) == [DB]


def test_an_error_of_a_whole_stage_is_that_of_its_instances(build, host):
    host.refused["domain", "present"] = Unavailable("libvirt does not answer")
    web, db = build(document(WEB), document(DB, failed=True, failed_in="port", msg="no address"))["instances"]
    assert host.log == ["create image web", "delete image web"]
    assert (web["failed"], web["abort"], web["msg"]) == (True, False, "domain: libvirt does not answer")
    assert db == document(DB, failed=True, failed_in="port", msg="no address")


def test_what_failed_before_is_not_the_hosts_to_take_back(build, host):
    [web] = build(document(WEB, volumes=[volume(DATA)]))["instances"]
    broken = {**web, "failed": True, "failed_in": "volume", "abort": False, "msg": "volume far: no room"}
    assert build(broken)["instances"] == [broken]
    assert host.log == []


@pytest.mark.parametrize("diff", [False, True])
def test_check_mode_writes_nothing_and_fills_in_the_documents(build, host, diff):
    answer = build(document(WEB, volumes=[volume(DATA)]), check_mode=True, diff=diff, host="c1")
    assert host.log == []
    assert answer["changed"]
    [web] = answer["instances"]
    assert web["image"]["path"].endswith("root.qcow2")
    assert web["volumes"][0]["path"].endswith(".raw")
    assert (web["domain"]["status"], web["actions"]["domain"]) == ("ACTIVE", ["create"])
    assert ("diff" in answer) == diff
    if diff:
        [shown] = answer["diff"]
        assert (shown["before"], shown["after_header"]) == ("", "c1")
        lines = [line.split(":")[0] for line in shown["after"].splitlines()]
        assert lines == ["root disk over demo", "volume data", "guest web"]


def test_check_mode_takes_nothing_back(build, host):
    [web] = build(document(WEB))["instances"]
    host.refused["domain", "present"] = Unavailable("libvirt does not answer")
    [web] = build({**web, "domain": None}, check_mode=True)["instances"]
    assert (web["failed"], web["abort"]) == (True, False)
    assert host.log == []
    assert list(host.there["image"]) == [WEB]


@pytest.mark.parametrize(
    ("fields", "state", "asked"),
    [
        pytest.param({}, "present", 1, id="something new"),
        pytest.param({"status": "ACTIVE"}, "present", 0, id="all runs"),
        pytest.param({"failed": True, "failed_in": "port", "msg": "no"}, "present", 0, id="what is new has failed"),
        pytest.param({"settled": True}, "present", 0, id="what is new is settled"),
        pytest.param({"task_state": "deleting"}, "absent", 0, id="all goes"),
    ],
)
def test_room_is_read_when_there_is_something_new_to_build(build, host, fields, state, asked):
    answer = build(document(WEB, **fields), state=state)
    assert host.asked_for_room == asked
    assert answer["hosts"] == [{key: value for key, value in ROOM.items() if key != "running"}] * asked


def test_one_that_does_not_fit_is_not_begun(build, host):
    limits = {"memory_mb": {"reserved": 8000, "ratio": 1.0}}
    [web] = build(document(WEB, limits=limits))["instances"]
    assert host.log == []
    assert (web["failed"], web["failed_in"], web["abort"]) == (True, "host", False)
    assert "has 192 MiB of RAM left, not 512" in web["msg"]
