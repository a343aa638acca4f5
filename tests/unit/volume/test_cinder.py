# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of Cinder: made, located, attached, gone on with, given up."""

from __future__ import annotations

import contextlib
import os
import stat

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    LaunchError,
    NotFound,
    QuotaExceeded,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.cinder import backend as cinder
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.cinder import chap, volume_list
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse
from ansible_collections.kvmstack.launch.tests.unit.volume.fake_cinder import ISCSI, RBD, FakeCinder, Killed, View

ID, OTHER, ONE, TWO = ("00000000-0000-0000-0000-00000000000%d" % number for number in range(4))
DATA = {"id": ID, "name": "data", "instance_uuid": ONE, "host": "kvm1", "size": 2, "device": "vdb"}
GOING = dict(DATA, delete_on_termination=True)


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setattr(volume_list, "FIRST", 0.001)
    monkeypatch.setattr(volume_list, "LONGEST", 0.001)
    return FakeCinder()


@pytest.fixture
def run(cloud, tmp_path):
    """Read, plan and apply, as core does; gives (action, volume or error) for each entry."""

    def run(*entries, state="present", check=False, timeout=5):
        params = {"volumes": list(entries), "service": "cinder", "state": state, "timeout": timeout}
        params.update(private_path=str(tmp_path / "private"), host_addresses={"kvm1": "192.0.2.11"})
        backend, wanted = cinder.Cinder(cloud, params), parse(params)
        cloud.requests.clear()
        changes = plan(wanted, backend.read(wanted), state)
        outcome = {} if check else backend.apply([change for change in changes if change.pending])
        return [(each.action, outcome.get(each.key) or each.error or each.after) for each in changes]

    return run


def asked(cloud):
    return [request[0] for request in cloud.requests]


def test_made_attached_kept_given_up(cloud, run):
    ((action, made),) = run(GOING)
    (raw,) = cloud.volumes.values()
    assert (action, made.status, made.host, made.volume_id) == ("create", "in-use", "kvm1", raw["id"])
    assert made.connection["hosts"] == [{"name": "192.0.2.1", "port": "6789"}]
    assert raw["metadata"] == {"kvmstack:id": ID}
    ((action, kept),) = run(GOING)
    assert (action, kept.connection, kept.attachment_id) == ("keep", made.connection, made.attachment_id)
    assert asked(cloud) == ["GET"] * 3
    assert run(GOING, state="absent")[0][0] == "delete"
    assert (cloud.volumes, cloud.attached) == ({}, {})
    assert run(GOING, state="absent")[0][0] == "keep"
    assert asked(cloud) == ["GET"]


def test_the_host_is_told(cloud, run):
    run(DATA)
    (connector,) = [request[2]["attachment"]["connector"] for request in cloud.requests if request[1] == "/attachments"]
    assert (connector["host"], connector["ip"], connector["mountpoint"]) == ("kvm1", "192.0.2.11", "/dev/vdb")


def test_check_mode_writes_nothing(cloud, run):
    assert run(DATA, check=True)[0][0] == "create"
    assert (cloud.volumes, asked(cloud)) == ({}, ["GET"])


@pytest.mark.parametrize("number", range(6))
def test_killed_while_it_is_made_and_comes_to_another_host(cloud, run, number):
    """Whatever request was the last, the next run ends with one volume and one attachment, for the right host."""
    for entry in (GOING, dict(GOING, host="kvm2")):
        cloud.kill_at = number
        with contextlib.suppress(Killed):
            run(entry)
        cloud.kill_at = None
        ((_action, volume),) = run(entry)
        assert volume.status == "in-use"
        (attached,) = cloud.attached.values()
        assert (len(cloud.volumes), attached["status"], attached["host"]) == (1, "attached", entry["host"])
        assert run(entry)[0][0] == "keep"


@pytest.mark.parametrize("number", range(3))
def test_killed_while_it_is_given_up(cloud, run, number):
    run(GOING)
    cloud.kill_at = number
    with contextlib.suppress(Killed):
        run(GOING, state="absent")
    cloud.kill_at = None
    run(GOING, state="absent")
    assert (cloud.volumes, cloud.attached) == ({}, {})


def test_killed_while_it_is_removed(cloud, run):
    cloud.volume(status="deleting", left=2, metadata={"kvmstack:id": ID})
    assert run(GOING, state="absent")[0][0] == "delete"
    assert asked(cloud) == ["GET"] * 4
    assert cloud.volumes == {}


@pytest.mark.parametrize("status", ["reserved", "attaching", "error_attaching"])
def test_gone_on_with(cloud, run, status):
    raw = cloud.volume(name="data", size=2, metadata={"kvmstack:id": ID})
    begun = cloud.attachment(raw, ONE, status)
    assert run(DATA)[0][0] == "update"
    (attached,) = cloud.attached.values()
    assert (attached["id"] == begun["id"], attached["status"]) == (status != "error_attaching", "attached")


def test_a_volume_is_never_free_on_its_way_to_another_host(cloud, run):
    run(DATA)
    run(dict(DATA, host="kvm2"))
    assert [request[0] for request in cloud.requests[3:]] == ["POST", "POST", "DELETE"]
    assert [raw["host"] for raw in cloud.attached.values()] == ["kvm2"]


def test_hosts_are_asked_of_the_service_account_only_when_hidden(cloud, run):
    run(DATA)
    run(DATA)
    assert [request[2] for request in cloud.requests] == [False, False, True]
    assert cloud.requests[-1][3] == {"all_tenants": True, "project_id": "p"}
    run(DATA, state="absent")
    assert [request[2] for request in cloud.requests if request[0] == "GET"] == [False, False]
    cloud.admin = True
    run(DATA)
    run(DATA)
    assert [request[2] for request in cloud.requests] == [False, False]


def test_attachments_beyond_the_page(cloud, run):
    run(DATA)
    cloud.page = 0
    assert run(DATA)[0][0] == "keep"


def test_a_users_volume_is_located_and_never_removed(cloud, run):
    raw = cloud.volume(name="data", size=2)
    ((_action, volume),) = run(dict(GOING, size=None))
    assert (volume.volume_id, volume.adopted) == (raw["id"], True)
    assert run(GOING, state="absent")[0][0] == "update"
    assert (list(cloud.volumes), cloud.attached) == ([raw["id"]], {})
    assert run(GOING, state="absent")[0][0] == "keep"
    assert run(dict(DATA, name=raw["id"]))[0][1].volume_id == raw["id"]


def test_our_mark_goes_before_a_name(cloud, run):
    cloud.volume(name="data")
    cloud.volume(name="data")
    mine = cloud.volume(name="data", size=2, metadata={"kvmstack:id": ID})
    assert run(DATA)[0][1].volume_id == mine["id"]
    assert "several are called so" in str(run(dict(DATA, id=OTHER))[0][1])


def test_the_recorded_volume_goes_before_all(cloud, run):
    cloud.volume(name="data", metadata={"kvmstack:id": ID})
    recorded = cloud.volume(name="renamed", size=2)
    assert run(dict(DATA, volume_id=recorded["id"]))[0][1].volume_id == recorded["id"]
    gone = dict(DATA, volume_id=OTHER)
    assert isinstance(run(gone)[0][1], NotFound)
    assert run(gone, state="absent")[0][0] == "keep"


def test_one_on_its_way_out_is_made_anew(cloud, run):
    cloud.volume(name="data", status="deleting", left=9, metadata={"kvmstack:id": ID})
    assert run(DATA)[0][0] == "create"


def test_grown_free_and_in_use(cloud, run):
    run(dict(DATA, host=None))
    assert run(dict(DATA, size=3))[0][1].size == 3
    assert [request[1].split("/")[-1] for request in cloud.requests if request[0] == "POST"][0] == "action"
    ((action, volume),) = run(dict(DATA, size=5))
    assert (action, volume.size, volume.status) == ("update", 5, "in-use")


def test_from_image_and_snapshot(cloud, run):
    run(dict(DATA, image="i", type="slow"), dict(DATA, id=OTHER, size=None, snapshot="snap"))
    bodies = [request[2]["volume"] for request in cloud.requests if request[1] == "/volumes"]
    (image,) = [body for body in bodies if "imageRef" in body]
    (copy,) = [body for body in bodies if "snapshot_id" in body]
    assert (image["imageRef"], image["volume_type"], copy["snapshot_id"]) == ("i", "slow", "s1")
    assert "size" not in copy


@pytest.mark.parametrize(("name", "error"), [("two", Conflict), ("none", NotFound)])
def test_no_such_snapshot(run, name, error):
    assert isinstance(run(dict(DATA, snapshot=name))[0][1], error)


def test_what_cannot_be_made_is_removed_and_the_reason_told(cloud, run):
    cloud.fate, cloud.messages = "error", ["schedule: no backend", "schedule: no backend"]
    ((_action, error),) = run(DATA)
    assert "status is error in Cinder" in str(error)
    assert str(error).count("no backend") == 1
    assert error.abort
    assert [raw["status"] for raw in cloud.volumes.values()] == ["deleting"]


def test_what_is_in_error_is_not_touched_but_may_be_given_up(cloud, run):
    cloud.volume(status="error", metadata={"kvmstack:id": ID})
    assert "status is error" in str(run(DATA)[0][1])
    assert asked(cloud) == ["GET"] * 3
    assert run(GOING, state="absent")[0][0] == "delete"
    assert cloud.volumes == {}


def test_what_cannot_be_removed_is_told(cloud, run):
    run(GOING)
    cloud.fate, cloud.messages = "error_deleting", ["busy"]
    assert "error_deleting" in str(run(GOING, state="absent")[0][1])


def test_what_could_not_be_removed_is_removed_when_its_storage_is_back(cloud, run):
    cloud.volume(status="error_deleting", metadata={"kvmstack:id": ID})
    assert run(GOING, state="absent")[0][0] == "delete"
    assert cloud.volumes == {}


def test_what_could_not_be_removed_goes_before_it_is_made_anew(cloud, run):
    old = cloud.volume(status="error_deleting", metadata={"kvmstack:id": ID})
    ((action, volume),) = run(DATA)
    assert (action, volume.status) == ("create", "in-use")
    assert old["id"] not in cloud.volumes
    assert len(cloud.volumes) == 1


def test_stuck(cloud, run):
    cloud.looks = 10**6
    ((_action, error),) = run(DATA, timeout=0.05)
    assert "volume data: is creating in Cinder" in str(error)
    assert error.abort
    assert run(DATA, timeout=0.05)[0][0] == "update"
    assert len(cloud.volumes) == 1


def test_quota(run):
    assert isinstance(run(dict(DATA, size=500))[0][1], QuotaExceeded)


def test_a_new_volume_is_none_that_somebody_has_made(cloud, run):
    raw = cloud.volume(name="data", size=1)
    ((_action, error),) = run(DATA)
    assert "there is one of this name that no launch has made" in str(error)
    assert cloud.attached == {}
    assert run(dict(DATA, size=None))[0][1].volume_id == raw["id"]


def test_attached_elsewhere(cloud, run):
    cloud.attachment(cloud.volume(name="data", size=2), TWO)
    ((_action, error),) = run(DATA)
    assert "attached to instance %s" % TWO in str(error)
    assert error.abort


def test_an_attachment_without_an_instance_is_somebody_elses(cloud, run):
    cloud.attachment(cloud.volume(size=2, metadata={"kvmstack:id": ID}), None)
    assert "attached to no instance, by attachment" in str(run(DATA)[0][1])
    assert run(dict(GOING, instance_uuid=None), state="absent")[0][0] == "keep"
    assert len(cloud.attached) == 1


def test_one_volume_for_two_instances(cloud, run):
    mine, theirs = dict(GOING), dict(GOING, instance_uuid=TWO, host="kvm2")
    cloud.volume(name="data", size=2, multiattach=True, metadata={"kvmstack:id": ID})
    assert [action for action, _volume in run(mine, theirs)] == ["update", "update"]
    assert sorted(raw["host"] for raw in cloud.attached.values()) == ["kvm1", "kvm2"]
    assert run(mine, state="absent")[0][0] == "update"
    assert len(cloud.volumes) == len(cloud.attached) == 1
    run(mine)
    assert [action for action, _volume in run(mine, theirs, state="absent")] == ["delete", "delete"]
    assert (cloud.volumes, cloud.attached) == ({}, {})


def test_made_once_for_two_instances(cloud, run):
    run(DATA, dict(DATA, instance_uuid=TWO))
    assert len(cloud.volumes) == 1


def test_one_bad_volume_does_not_stop_the_others(cloud, run):
    (_bad, error), (_good, volume) = run(dict(DATA, size=500), dict(DATA, id=OTHER, name="logs"))
    assert isinstance(error, LaunchError)
    assert volume.status == "in-use"


def test_many_wait_together(cloud, run):
    entries = [dict(DATA, id=ID[:-2] + "%02d" % number, name="v%d" % number) for number in range(10, 20)]
    assert {volume.status for _action, volume in run(*entries)} == {"in-use"}
    assert len([request for request in cloud.requests if request[1] == "/volumes"]) == 10
    run(*entries)
    assert asked(cloud) == ["GET"] * 3


def test_an_unknown_driver_leaves_nothing_attached(cloud, run):
    cloud.info = dict(RBD, driver_volume_type="fibre_channel")
    assert "fibre_channel" in str(run(DATA)[0][1])
    assert cloud.attached == {}


def test_read_only(cloud, run):
    cloud.volume(name="data", size=2, metadata={"readonly": "True"})
    assert run(dict(DATA, size=None))[0][1].connection["read_only"] is True
    assert run(DATA)[0][1].connection["read_only"] is True


def test_a_password_goes_to_its_file_alone(cloud, run, tmp_path):
    cloud.info = ISCSI
    ((_action, volume),) = run(DATA)
    assert "hidden" not in repr(volume)
    assert "hidden" not in str(volume.to_result())
    private = str(tmp_path / "private")
    assert chap.load(private, volume.volume_id) == "hidden"
    path = os.path.join(private, "volumes", volume.volume_id)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    os.unlink(path)
    assert run(DATA)[0][0] == "keep"
    assert chap.load(private, volume.volume_id) == "hidden"
    run(DATA, state="absent")
    assert chap.load(private, volume.volume_id) is None


def test_lost_reply(cloud, run, monkeypatch):
    """The volume is made, the answer does not arrive: the next run finds it."""
    post = View.post

    def lose(self, path, body, what):
        post(self, path, body, what)
        raise Unavailable("no answer")

    monkeypatch.setattr(View, "post", lose)
    assert isinstance(run(DATA)[0][1], Unavailable)
    monkeypatch.setattr(View, "post", post)
    assert run(DATA)[0][0] == "update"
    assert len(cloud.volumes) == 1


def test_ours_are_listed(cloud, run, monkeypatch):
    run(DATA)
    cloud.volume(name="a user's")
    monkeypatch.setattr(cinder.session, "connect", lambda params: cloud)
    (found,) = cinder.find({"private_path": "x"})
    assert (found.id, found.name, found.instance_uuid) == (ID, "data", ONE)
