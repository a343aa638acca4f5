# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes as images of Ceph: made, located, given to one instance at a time, given up."""

from __future__ import annotations

import contextlib
import json

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import command
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    NotFound,
    Refused,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.rbd import backend as rbd
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.rbd import pool
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse
from ansible_collections.kvmstack.launch.tests.unit.clock import sleeping
from ansible_collections.kvmstack.launch.tests.unit.volume.fake_ceph import FSID, GIB, FakeCeph, Killed

ID, OTHER, ONE, TWO = ("00000000-0000-0000-0000-00000000000%d" % number for number in range(4))
IMAGE = "volume-" + ID
DATA = {"id": ID, "name": "data", "instance_uuid": ONE, "host": "kvm1", "size": 2, "device": "vdb"}
GOING = dict(DATA, delete_on_termination=True)
PARAMS = {
    "service": "rbd",
    "ceph": {
        "pool": "volumes",
        "conf": "/etc/ceph/ceph.conf",
        "user": "cinder",
        "keyring": "/etc/ceph/key",
        "secret_uuid": "s",
    },
}


@pytest.fixture
def cluster(monkeypatch):
    cluster = FakeCeph()
    monkeypatch.setattr(pool, "command", cluster)
    monkeypatch.setattr(pool, "WATCH", 0)
    return cluster


@pytest.fixture
def run(cluster):
    """Read, plan and apply, as core does; gives (action, volume or error) for each entry."""

    def run(*entries, state="present", check=False):
        params = dict(PARAMS, volumes=list(entries), state=state)
        backend, wanted = rbd.connect(params), parse(params)
        cluster.calls.clear()
        changes = plan(wanted, backend.read(wanted), state)
        outcome = {} if check else backend.apply([change for change in changes if change.pending])
        return [(each.action, outcome.get(each.key) or each.error or each.after) for each in changes]

    return run


def mark(cluster, image=IMAGE):
    return json.loads(cluster.images["volumes/" + image]["meta"].get("kvmstack", "{}"))


def held(cluster, image=IMAGE):
    metadata, key = cluster.images["volumes/" + image]["meta"], "kvmstack.instance."
    return {each[len(key) :]: host for each, host in metadata.items() if each.startswith(key)}


@pytest.mark.parametrize(
    ("owner", "word"),
    [({"record_id": OTHER, "project_id": "p"}, "record"), ({"record_id": ID, "project_id": "q"}, "project")],
)
def test_an_image_of_another_record_or_project_is_foreign(cluster, run, owner, word):
    mine = {**DATA, "record_id": ID, "project_id": "p"}
    run({**mine, "instance_uuid": None})
    before = mark(cluster)
    assert (before["record_id"], before["project_id"]) == (ID, "p")
    reason = "image %s belongs to another %s (%s)" % (IMAGE, word, mine[word + "_id"])
    assert reason in str(run({**GOING, **owner})[0][1])
    assert run({**GOING, **owner}, state="absent")[0][0] == "keep", "who was refused it has nothing to give up"
    assert reason in str(run({**GOING, **owner, "instance_uuid": None}, state="absent")[0][1])
    assert mark(cluster) == before
    assert run(mine)[0][1].status == "in-use"
    assert run({**mine, "record_id": None}, state="absent")[0][0] == "update"
    assert mark(cluster) == before, "whose it is stays said"


def test_an_image_that_says_nobodys_is_given_to_who_asks(cluster, run):
    cluster.image("disk", 2 * GIB)
    run({"id": ID, "name": "disk", "instance_uuid": ONE, "host": "kvm1", "record_id": OTHER, "project_id": "p"})
    assert (mark(cluster, "disk")["record_id"], mark(cluster, "disk")["project_id"]) == (OTHER, "p")


def test_made_kept_grown_given_up(cluster, run):
    ((action, made),) = run(GOING)
    assert (action, made.status, made.volume_id) == ("create", "in-use", ID)
    assert made.connection == {
        "protocol": "rbd",
        "name": "volumes/" + IMAGE,
        "hosts": [{"name": "192.0.2.1", "port": "6789"}, {"name": "2001:db8::2", "port": "3300"}],
        "auth_username": "cinder",
        "secret_uuid": "s",
        "format": "raw",
        "discard": True,
        "read_only": False,
    }
    assert cluster.images["volumes/" + IMAGE]["size"] == 2 * GIB
    assert (mark(cluster), held(cluster)) == ({"id": ID, "name": "data"}, {ONE: "kvm1"})
    ((action, kept),) = run(GOING)
    assert (action, kept.connection) == ("keep", made.connection)
    assert run(dict(GOING, size=3))[0][1].size == 3
    assert isinstance(run(GOING)[0][1], Conflict)
    assert run(dict(GOING, size=None), state="absent")[0][0] == "delete"
    assert cluster.images == {}
    assert run(GOING, state="absent")[0][0] == "keep"


def test_check_mode_writes_nothing(cluster, run):
    assert run(DATA, check=True)[0][0] == "create"
    assert cluster.images == {}


def test_no_key_is_an_argument_and_every_call_ends(cluster, run):
    run(DATA)
    for call in cluster.calls:
        assert call[call.index("--keyring") + 1] == "/etc/ceph/key"
        assert any("timeout" in word for word in call)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("entry", [GOING, dict(GOING, snapshot="base@s")])
def test_killed_while_it_is_made(cluster, run, number, entry):
    cluster.image("base", size=32 * 1024**2)
    cluster.images["volumes/base"]["watchers"] = []
    cluster.kill_at = number
    with contextlib.suppress(Killed):
        run(entry)
    cluster.kill_at = None
    assert run(entry)[0][1].status == "in-use"
    assert cluster.images["volumes/" + IMAGE]["size"] == 2 * GIB
    assert held(cluster) == {ONE: "kvm1"}
    assert run(entry)[0][0] == "keep"


def test_one_that_was_not_marked_yet_is(cluster, run):
    cluster.image(IMAGE, size=2 * GIB)
    ((action, volume),) = run(dict(DATA, host=None))
    assert (action, volume.status, mark(cluster)["id"]) == ("update", "available", ID)
    assert run(dict(DATA, host=None))[0][0] == "keep"


def test_it_stays_when_its_instance_goes(cluster, run):
    run(DATA)
    assert run(DATA, state="absent")[0][0] == "update"
    assert (mark(cluster), held(cluster)) == ({"id": ID, "name": "data"}, {})
    assert run(DATA, state="absent")[0][0] == "keep"
    assert run(dict(DATA, instance_uuid=TWO))[0][1].instance_uuid == TWO


def test_nobody_gets_what_another_instance_has(cluster, run):
    run(DATA)
    ((_action, error),) = run(dict(DATA, instance_uuid=TWO))
    assert "attached to instance %s" % ONE in str(error)
    assert error.abort


@pytest.mark.parametrize("shared", [False, True])
def test_of_two_that_come_at_once_none_has_it_with_the_other(cluster, run, shared):
    run(dict(DATA, host=None))
    metadata = cluster.images["volumes/" + IMAGE]["meta"]
    cluster.meanwhile = lambda: metadata.update({"kvmstack.instance." + TWO: "kvm2"})
    ((_action, volume),) = run(dict(DATA, multiattach=shared))
    if shared:
        assert (volume.status, held(cluster)) == ("in-use", {ONE: "kvm1", TWO: "kvm2"})
        return
    assert isinstance(volume, Conflict)
    assert "instance %s has taken it at the same moment" % TWO in str(volume)
    assert held(cluster) == {TWO: "kvm2"}


def test_who_has_it_already_keeps_it_when_another_comes(cluster, run):
    run(DATA)
    metadata = cluster.images["volumes/" + IMAGE]["meta"]
    cluster.meanwhile = lambda: metadata.update({"kvmstack.instance." + TWO: "kvm2"})
    assert run(dict(DATA, host="kvm3"))[0][1].host == "kvm3"
    assert held(cluster)[ONE] == "kvm3"


def test_nobody_gets_what_somebody_has_open(cluster, run):
    cluster.image(IMAGE, size=2 * GIB, watchers=["192.0.2.9:0/1"])
    ((action, error),) = run(DATA)
    assert action == "keep"
    assert "a client at 192.0.2.9:0/1" in str(error)
    assert "192.0.2.9" not in error.public
    cluster.images["volumes/" + IMAGE]["watchers"] = []
    assert run(DATA)[0][1].status == "in-use"
    cluster.images["volumes/" + IMAGE]["watchers"] = ["192.0.2.11:0/1"]
    assert run(DATA)[0][0] == "keep"


def test_another_host_waits_for_the_guest_on_the_former(cluster, run, monkeypatch):
    run(DATA)
    image = cluster.images["volumes/" + IMAGE]
    image["watchers"] = ["192.0.2.11:0/1"]
    assert "has it open" in str(run(dict(DATA, host="kvm2"))[0][1])
    assert held(cluster) == {ONE: "kvm1"}
    monkeypatch.setattr(pool, "WATCH", 5)
    monkeypatch.setattr(pool, "time", sleeping(lambda _seconds: image["watchers"].clear()))
    assert run(dict(DATA, host="kvm2"))[0][1].host == "kvm2"
    assert held(cluster) == {ONE: "kvm2"}


def test_what_is_open_is_not_removed(cluster, run):
    run(GOING)
    cluster.images["volumes/" + IMAGE]["watchers"] = ["192.0.2.11:0/1"]
    assert "has it open" in str(run(GOING, state="absent")[0][1])
    assert "volumes/" + IMAGE in cluster.images


def test_one_volume_for_two_instances(cluster, run):
    mine = dict(GOING, multiattach=True)
    theirs = dict(mine, instance_uuid=TWO, host="kvm2")
    assert [volume.status for _action, volume in run(mine, theirs)] == ["in-use", "in-use"]
    assert held(cluster) == {ONE: "kvm1", TWO: "kvm2"}
    assert run(mine, state="absent")[0][0] == "update"
    assert held(cluster) == {TWO: "kvm2"}
    run(mine)
    assert [action for action, _volume in run(mine, theirs, state="absent")] == ["delete", "delete"]
    assert cluster.images == {}


def test_a_users_image_is_located_and_never_removed(cluster, run):
    cluster.image("data", size=2 * GIB)
    ((_action, volume),) = run(dict(GOING, size=None))
    assert (volume.volume_id, volume.adopted) == ("data", True)
    assert run(dict(GOING, size=None, volume_id="data"))[0][0] == "keep"
    assert run(GOING, state="absent")[0][0] == "update"
    assert cluster.images["volumes/data"]["meta"] == {}
    assert isinstance(run(dict(DATA, volume_id="other"))[0][1], NotFound)


def test_a_new_one_is_never_an_image_that_has_its_name(cluster, run):
    cluster.image("data", size=2 * GIB)
    ((action, volume),) = run(GOING)
    assert (action, volume.volume_id, volume.adopted) == ("create", ID, False)
    assert (mark(cluster, "data"), held(cluster)) == ({}, {ONE: "kvm1"})
    assert run(GOING)[0][0] == "keep"
    assert run(GOING, state="absent")[0][0] == "delete"
    assert list(cluster.images) == ["volumes/data"]


def test_a_clone_in_this_cluster_only(cluster, run):
    cluster.images["images/i"] = {"size": 3 * GIB, "meta": {}, "watchers": []}
    there = "rbd://%s/images/i/snap"
    run(dict(DATA, image=there % FSID, size=4))
    assert ("rbd", "clone", "images/i@snap", "volumes/" + IMAGE) in [call[:4] for call in cluster.calls]
    assert cluster.images["volumes/" + IMAGE]["size"] == 4 * GIB
    ((_action, error),) = run(dict(DATA, id=OTHER, image=there % FSID, size=2))
    assert "less than what it is made from" in str(error)
    assert "volumes/volume-" + OTHER not in cluster.images
    assert "another Ceph cluster" in str(run(dict(DATA, id=OTHER, image=there % ID))[0][1])


@pytest.mark.parametrize(
    "entry",
    [
        {"image": "9b2d2f7e-5d43-4c55-8c39-3d2c0e5f7a10"},
        {"image": "rbd://f/p/i/--conf"},
        {"image": "rbd://f/p/i%2Fx/s"},
        {"snapshot": "--help"},
        {"snapshot": "a@b@c"},
        {"snapshot": "-p/a@b"},
    ],
)
def test_a_bad_origin(entry):
    [bad] = parse(dict(PARAMS, volumes=[dict(DATA, **entry)]))
    [option] = entry
    assert (bad.name, str(bad.fault).partition(" ")[0]) == ("data", option)


@pytest.mark.parametrize(
    ("down", "error", "words"),
    [
        ((110, "couldn't connect to the cluster!"), Unavailable, "couldn't connect.*monitors"),
        ((13, "Permission denied"), Refused, "denied.*keyring"),
        ((2, "error opening pool"), NotFound, "error opening pool"),
    ],
)
def test_a_cluster_that_refuses(cluster, run, down, error, words):
    cluster.down = down
    with pytest.raises(error, match=words):
        run(DATA)


def test_the_librarys_own_log_is_left_out(cluster, run):
    cluster.down = (110, "82+0000 7f124e099380 -1 monclient: x\n2026-11-22T21:43:04+0000 7f2a46bc6380  0 y\nrbd: no")
    with pytest.raises(Unavailable, match=r"failed \(110\): rbd: no; see"):
        run(DATA)


def test_a_foreign_mark_is_none(cluster, run):
    cluster.image(IMAGE, size=2 * GIB, meta={"kvmstack": "no json"})
    assert run(DATA)[0][1].status == "in-use"
    cluster.image(IMAGE, size=2 * GIB, meta={"kvmstack": "[]"})
    assert run(DATA)[0][1].status == "in-use"


def test_ours_are_listed(cluster, run):
    run(DATA)
    cluster.image("a-users")
    (found,) = rbd.find(PARAMS)
    assert (found.id, found.name, found.instance_uuid, found.host) == (ID, "data", ONE, "kvm1")


@pytest.mark.parametrize(
    ("code", "error"), [(1, Refused), (2, NotFound), (13, Refused), (16, Conflict), (39, Conflict), (110, Unavailable)]
)
def test_what_rbds_exit_means(tmp_path, monkeypatch, code, error):
    program = tmp_path / "rbd"
    program.write_text("#!/bin/sh\necho 'rbd: no' >&2\nexit %d\n" % code)
    program.chmod(0o755)
    monkeypatch.setitem(command.ENVIRONMENT, "PATH", str(tmp_path))
    with pytest.raises(error, match=r"^Ceph: rbd ls failed \(%d\): rbd: no" % code) as raised:
        pool.Pool(PARAMS).images()
    assert raised.type is error


def test_without_the_tools(tmp_path, monkeypatch):
    monkeypatch.setitem(command.ENVIRONMENT, "PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"rbd is not on this host: install it \(in Debian it is in ceph-common\)$"):
        pool.Pool(PARAMS).images()
