# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes on a real disk by the real qemu-img; libvirt is played."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import disk
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    Exhausted,
    NotFound,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import GIB
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.file import backend as file
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import User, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse

ID, OTHER, ONE, TWO = ("00000000-0000-0000-0000-00000000000%d" % number for number in range(4))


class FakeDomains:
    def __init__(self):
        self.having = {}
        self.resized = []

    def users(self, path):
        return tuple(self.having.get(os.path.basename(path), ()))

    def resize(self, user, path, size):
        self.resized.append((user.name, size))
        os.truncate(path, size)


@pytest.fixture
def domains():
    return FakeDomains()


@pytest.fixture
def run(tmp_path, domains):
    """Read, plan and apply, as core does; gives (action, outcome or item) for each entry."""

    def run(*entries, state="present", check=False):
        params = {"volumes": [dict({"id": ID}, **entry) for entry in entries], "state_path": str(tmp_path)}
        wanted = parse(params)
        backend = file.Volumes(str(tmp_path), domains, state)
        changes = plan(wanted, backend.read(wanted), state)
        outcome = {} if check else backend.apply([change for change in changes if change.pending])
        return [(change.action, outcome.get(change.key) or change.error or change.after) for change in changes]

    return run


def there(tmp_path):
    return sorted(os.listdir(tmp_path / "volumes"))


def record(tmp_path):
    return json.loads((tmp_path / "volumes" / (ID + ".json")).read_text())


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_made_kept_grown_removed(run, tmp_path, form):
    wanted = {"name": "data", "instance_uuid": ONE, "size": 1, "format": form}
    ((action, made),) = run(wanted)
    assert action == "create"
    assert there(tmp_path) == [ID + ".json", ID + "." + form]
    assert record(tmp_path) == dict(wanted, id=ID, status="available", record_id=None)
    assert file.virtual_size(made.path, form) == GIB
    assert made.allocated < 1 << 20
    assert oct(os.stat(made.path).st_mode & 0o777) == "0o600"
    before = os.stat(tmp_path / "volumes" / (ID + ".json")).st_mtime_ns
    assert run(wanted)[0][0] == run({})[0][0] == "keep"
    assert os.stat(tmp_path / "volumes" / (ID + ".json")).st_mtime_ns == before
    assert run({"size": 2})[0][0] == "update"
    assert file.virtual_size(made.path, form) == 2 * GIB
    assert record(tmp_path)["size"] == 2
    assert record(tmp_path)["name"] == "data"
    assert isinstance(run({"size": 1})[0][1], Conflict)
    assert run({}, state="absent")[0][0] == "delete"
    assert there(tmp_path) == []
    assert run({}, state="absent")[0][0] == "keep"


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("made_by", "asked_by", "allowed"),
    [
        pytest.param(ONE, ONE, True, id="the same record"),
        pytest.param(ONE, None, True, id="nobody asks"),
        pytest.param(None, ONE, True, id="it does not say"),
        pytest.param(TWO, ONE, False, id="another record"),
    ],
)
def test_a_volume_of_another_record_is_foreign(run, tmp_path, made_by, asked_by, allowed, state):
    run({"name": "data", "size": 1, "record_id": made_by})
    ((_action, outcome),) = run({"name": "data", "size": 1, "record_id": asked_by}, state=state)
    assert isinstance(outcome, Conflict) != allowed
    if not allowed:
        assert str(outcome).startswith("volume data: belongs to another record (%s)" % TWO)
        assert there(tmp_path) == [ID + ".json", ID + ".raw"]
    elif state == "present":
        assert record(tmp_path)["record_id"] == (asked_by or made_by)


def test_check_mode_writes_nothing(run, tmp_path):
    assert run({"size": 1}, check=True)[0][0] == "create"
    assert os.listdir(tmp_path) == []


def test_located_but_not_there(run):
    assert isinstance(run({})[0][1], NotFound)


def test_exactly_the_listed_ones_are_removed(run, tmp_path):
    run({"size": 1}, {"id": OTHER, "size": 1})
    run({}, state="absent")
    assert there(tmp_path) == [OTHER + ".json", OTHER + ".raw"]


def test_one_bad_volume_does_not_stop_the_others(run):
    (_first, bad), (_second, good) = run({}, {"id": OTHER, "size": 1})
    assert isinstance(bad, NotFound)
    assert os.path.exists(good.path)


def test_a_running_domain_grows_its_volume(run, domains):
    run({"size": 1, "instance_uuid": ONE})
    domains.having[ID + ".raw"] = [User(ONE, "web-1", True)]
    ((action, item),) = run({"size": 2})
    assert (action, item.size, domains.resized) == ("update", 2, [("web-1", 2 * GIB)])


def test_a_shut_off_domain_does_not(run, domains):
    run({"size": 1, "instance_uuid": ONE})
    domains.having[ID + ".raw"] = [User(ONE, "web-1", False)]
    assert run({"size": 2})[0][1].size == 2
    assert domains.resized == []


def test_changes_hands_when_nobody_has_it(run, domains, tmp_path):
    run({"size": 1, "instance_uuid": ONE})
    domains.having[ID + ".raw"] = [User(ONE, "web-1", True)]
    assert "web-1" in str(run({"instance_uuid": TWO})[0][1])
    assert record(tmp_path)["instance_uuid"] == ONE
    domains.having.clear()
    assert run({"instance_uuid": TWO})[0][0] == "update"
    assert record(tmp_path)["instance_uuid"] == TWO


def test_not_removed_while_in_use(run, domains, tmp_path):
    run({"size": 1, "instance_uuid": ONE})
    domains.having[ID + ".raw"] = [User(ONE, "web-1", True)]
    assert run({}, state="absent", check=True)[0][0] == "delete", "a plan goes on from where the domain has gone"
    assert "web-1" in str(run({}, state="absent")[0][1])
    assert len(there(tmp_path)) == 2


def test_not_removed_while_a_qemu_has_it(run, tmp_path):
    ((_action, item),) = run({"size": 1})
    writer = subprocess.Popen(["qemu-io", "-f", "raw", item.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        writer.stdout.read(1)
        assert isinstance(run({}, state="absent")[0][1], Conflict)
        assert len(there(tmp_path)) == 2
    finally:
        writer.communicate()


def test_not_removed_for_another_instance(run, tmp_path):
    run({"size": 1, "instance_uuid": TWO})
    assert isinstance(run({"instance_uuid": ONE}, state="absent")[0][1], Conflict)
    assert len(there(tmp_path)) == 2


def test_a_lost_disk_is_not_replaced(run, tmp_path):
    ((_action, item),) = run({"size": 1})
    os.unlink(item.path)
    assert "disk is gone" in str(run({"size": 1})[0][1])
    assert there(tmp_path) == [ID + ".json"]
    assert run({}, state="absent")[0][0] == "delete"
    assert there(tmp_path) == []


def test_one_that_an_instance_has_had_is_not_made_anew(run, tmp_path):
    """Its file system may not be mounted: then its record is gone as well."""
    assert "disk is gone" in str(run({"size": 1, "made": True})[0][1])
    assert not (tmp_path / "volumes").exists()
    run({"size": 1})
    assert run({"size": 1, "made": True})[0][0] == "keep"


def test_a_lost_record_is_written_again(run, tmp_path):
    wanted = {"size": 1, "name": "data", "format": "qcow2"}
    run(wanted)
    os.unlink(tmp_path / "volumes" / (ID + ".json"))
    assert run({})[0][0] == "update"
    assert record(tmp_path)["format"] == "qcow2"
    assert run(wanted)[0][0] == "update"
    assert record(tmp_path)["name"] == "data"


def test_a_guest_does_not_choose_the_format(run, tmp_path):
    ((_action, item),) = run({"size": 1})
    with open(item.path, "r+b") as disk:
        disk.write(b"QFI\xfb\0\0\0\3")
    ((action, item),) = run({"size": 2})
    assert (action, item.format, os.stat(item.path).st_size) == ("update", "raw", 2 * GIB)


def test_full_disk(run, tmp_path, monkeypatch):
    def full(*_arguments, **_limits):
        raise Exhausted("qemu-img create failed (1): No space left on device")

    monkeypatch.setattr(disk, "command", full)
    ((_action, found),) = run({"size": 1})
    assert isinstance(found, Exhausted)
    assert not found.abort
    assert "MiB free in" in str(found)
    assert there(tmp_path) == []


def test_list(run, domains, tmp_path):
    run({"size": 1, "name": "data"}, {"id": OTHER, "size": 2, "format": "qcow2"})
    domains.having[ID + ".raw"] = [User(ONE, "web-1", True)]
    first, second = file.Volumes(str(tmp_path), domains).list()
    assert (first.name, first.size, first.attached_to[0].name) == ("data", 1, "web-1")
    assert (second.id, second.size, second.format, second.attached_to) == (OTHER, 2, "qcow2", ())
    assert second.allocated == os.stat(second.path).st_blocks * 512
    assert file.Volumes(str(tmp_path / "none"), domains).list() == []


class PlayedLibvirt:
    """As much of libvirt as Domains needs: one running domain with one disk, and one that vanishes."""

    VIR_ERR_NO_DOMAIN, VIR_DOMAIN_BLOCK_RESIZE_BYTES = 42, 1

    class libvirtError(Exception):  # noqa: N801
        def get_error_code(self):
            return self.args[0]

    def __init__(self, path, fails=False):
        self.path, self.fails, self.resized = path, fails, None

    def open(self, uri):
        if self.fails:
            raise self.libvirtError("no socket")
        return self

    def isAlive(self):  # noqa: N802
        return True

    def listAllDomains(self):  # noqa: N802
        gone = type("Gone", (), dict.fromkeys(["UUIDString", "name", "isActive", "XMLDesc"], self.vanish))
        return [gone(), self]

    def vanish(self, *_arguments):
        raise self.libvirtError(self.VIR_ERR_NO_DOMAIN)

    def lookupByUUIDString(self, uuid):  # noqa: N802
        return self

    def UUIDString(self):  # noqa: N802
        return ONE

    def name(self):
        return "web-1"

    def isActive(self):  # noqa: N802
        return 1

    def XMLDesc(self):  # noqa: N802
        return "<domain><devices><disk><source file='%s'/></disk><disk/></devices></domain>" % self.path

    def blockResize(self, *arguments):  # noqa: N802
        self.resized = arguments


def test_domains(tmp_path):
    libvirt = PlayedLibvirt(tmp_path / "disk")
    domains = file.Domains(libvirt)
    os.symlink(tmp_path, tmp_path / "link")
    (user,) = domains.users(str(tmp_path / "link/disk"))
    assert user == User(ONE, "web-1", True)
    assert domains.users("/other") == ()
    domains.resize(user, "/disk", GIB)
    assert libvirt.resized == ("/disk", GIB, 1)


def test_libvirt_down():
    with pytest.raises(Unavailable, match="no socket"):
        file.Domains(PlayedLibvirt("/x", fails=True)).users("/x")


KILLED = """
import os, signal, sys
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.file import backend as file
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse
name, count, when, state, state_path, volume = sys.argv[1:]
original, calls = getattr(file, name), []
def dying(*arguments):
    calls.append(1)
    if len(calls) < int(count):
        return original(*arguments)
    if when == "after":
        original(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(file, name, dying)
wanted = parse({"volumes": [{"id": volume, "name": "data", "size": 1}], "state_path": state_path})
backend = file.Volumes(state_path, type("None", (), {"users": lambda self, path: ()})(), state)
backend.apply(plan(wanted, backend.read(wanted), state))
"""


def killed(*arguments):
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("name", "count"), [("write_record", 1), ("qemu_img", 1), ("put_in_place", 1), ("write_record", 2)]
)
def test_killed_while_making(run, tmp_path, name, count, when):
    killed(name, str(count), when, "present", str(tmp_path), ID)
    ((_action, item),) = run({"name": "data", "size": 1})
    assert file.virtual_size(item.path, "raw") == GIB
    assert record(tmp_path)["status"] == "available"
    assert run({"name": "data", "size": 1})[0][0] == "keep"
    assert there(tmp_path) == [ID + ".json", ID + ".raw"]


@pytest.mark.parametrize(("name", "count"), [("write_record", 1), ("qemu_img", 1), ("put_in_place", 1)])
def test_killed_while_making_and_then_removed(run, tmp_path, name, count):
    killed(name, str(count), "after", "present", str(tmp_path), ID)
    assert run({}, state="absent")[0][0] == "delete"
    assert there(tmp_path) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_removing(run, tmp_path, when):
    run({"name": "data", "size": 1})
    killed("remove", "1", when, "absent", str(tmp_path), ID)
    run({}, state="absent")
    assert there(tmp_path) == []
