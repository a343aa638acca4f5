# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bases and root disks on a real disk, by the real qemu-img, from a real server."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import directory, disk
from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import (
    Conflict,
    Exhausted,
    InvalidRequest,
    LaunchError,
    NotFound,
    Unavailable,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.image import base as bases
from ansible_collections.kvmstack.launch.plugins.module_utils.image import fetch, policy, url
from ansible_collections.kvmstack.launch.plugins.module_utils.image.request import parse
from ansible_collections.kvmstack.launch.tests.unit.clock import sleeping

MIB = 1024**2
FIRST, SECOND = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
ONE, TWO = str(uuid.UUID(int=11)), str(uuid.UUID(int=12))


@pytest.fixture(scope="module")
def bytes_of_image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "image"
    (path.parent / "raw").write_bytes(os.urandom(2 * MIB))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", path.parent / "raw", path], check=True)
    return path.read_bytes()


@pytest.fixture
def served(site, bytes_of_image, monkeypatch):
    monkeypatch.setattr(fetch, "time", sleeping(lambda seconds: None))
    site.content = bytes_of_image
    return site


@pytest.fixture
def run(tmp_path, served):
    """Read, plan and apply, as core does; gives (action, outcome or item) for each entry."""

    def run(*entries, state="present", check=False, options=None, **common):
        entries = [dict(entry_of(served), **dict(common, **entry)) for entry in entries]
        params = {"images": entries, "state": state, "state_path": str(tmp_path / "state"), **(options or {})}
        params = {"image_sources": ["127.0.0.1", str(tmp_path)], **params}
        wanted = parse(params)
        backend = url.connect(params)
        changes = plan(wanted, backend.read(wanted), state)
        outcome = {} if check else backend.apply([change for change in changes if change.pending])
        return [(change.action, outcome.get(change.key) or change.error or change.after) for change in changes]

    return run


def entry_of(site):
    digest = hashlib.sha256(site.content).hexdigest()
    return {"name": "demo", "url": site.address + "/image", "checksum": "sha256:" + digest, "disk_format": "qcow2"}


def files(tmp_path):
    found = (os.path.join(where, name) for where, _dirs, names in os.walk(tmp_path / "state") for name in names)
    return sorted(os.path.relpath(path, tmp_path / "state") for path in found)


def snapshot(tmp_path):
    return {name: os.stat(tmp_path / "state" / name).st_mtime_ns for name in files(tmp_path)}


def info(path):
    shown = subprocess.run(["qemu-img", "info", "-f", "qcow2", "--output=json", path], check=True, capture_output=True)
    return json.loads(shown.stdout)


def test_one_base_for_many_root_disks(run, served, tmp_path):
    (first, one), (second, two) = run({"instance_uuid": FIRST}, {"instance_uuid": SECOND, "size": 1})
    assert first == second == "create"
    assert len(served.requests) == 1
    assert one.base == two.base
    assert one.virtual_size == 2 * MIB
    assert two.virtual_size == 1 << 30
    found = info(two.path)
    assert (found["full-backing-filename"], found["backing-filename-format"]) == (one.base, "qcow2")
    assert oct(os.stat(one.base).st_mode & 0o777) == "0o640"
    assert oct(os.stat(two.path).st_mode & 0o777) == "0o600"
    assert oct(os.stat(os.path.dirname(two.path)).st_mode & 0o777) == "0o711"
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", one.base, one.path], check=True)
    assert not [name for name in files(tmp_path) if ".part" in name]


def test_again_changes_nothing_and_asks_nobody(run, served, tmp_path, monkeypatch):
    run({"instance_uuid": FIRST}, {})
    before, asked = snapshot(tmp_path), len(served.requests)
    monkeypatch.setattr(bases, "digest_of", None)
    assert [action for action, _item in run({"instance_uuid": FIRST}, {})] == ["keep", "keep"]
    assert (snapshot(tmp_path), len(served.requests)) == (before, asked)


def test_a_rebuild_lays_another_disk_in_the_place_of_the_one_that_is_there(run, served, tmp_path):
    """What a guest that still runs has open is lost with it; nothing is lost before the new disk is whole."""
    ((_action, old),) = run({"instance_uuid": FIRST})
    inode = os.stat(old.path).st_ino
    asked = {"instance_uuid": FIRST, "launched": True, "rebuild_id": ONE}
    assert run(dict(asked, size=1), check=True)[0][0] == "update"
    assert os.stat(old.path).st_ino == inode
    served.statuses = [404]
    assert isinstance(run(dict(asked, checksum="sha256:" + 64 * "0"))[0][1], NotFound)
    ((_action, error),) = run(dict(asked, url="file://%s/large" % tmp_path, checksum="none"))
    assert isinstance(error, NotFound)
    assert os.stat(old.path).st_ino == inode
    ((action, new),) = run(dict(asked, size=1))
    assert (action, new.virtual_size, new.base) == ("update", 1 << 30, old.base)
    assert os.stat(old.path).st_ino != inode
    # Whether it is done says the directory, once the domain has gone as well: until then it is done anew.
    assert run(dict(asked, size=1))[0][0] == "update"
    directory.write(str(tmp_path / "state"), directory.Owner(FIRST, rebuild_id=ONE))
    assert run(dict(asked, size=1))[0][0] == "keep"
    assert run(dict(asked, size=1, rebuild_id=TWO))[0][0] == "update"
    assert [name for name in files(tmp_path) if ".part" in name] == []


def test_a_rebuild_replaces_a_disk_that_is_none_any_more(run):
    ((_action, old),) = run({"instance_uuid": FIRST})
    Path(old.path).write_bytes(b"\0" * 512)
    asked = {"instance_uuid": FIRST, "launched": True}
    assert isinstance(run(asked)[0][1], Conflict)
    ((action, new),) = run(dict(asked, rebuild_id=ONE))
    assert (action, new.virtual_size) == ("update", 2 * MIB)
    assert info(new.path)["full-backing-filename"] == old.base


def test_the_base_of_the_disk_that_a_rebuild_replaces_was_used_until_now(run, tmp_path):
    ((_action, old),) = run({"instance_uuid": FIRST})
    os.utime(old.base, (0, 0))
    copy = tmp_path / "copy"
    copy.write_bytes(Path(old.base).read_bytes())
    other = {"url": "file://%s" % copy, "checksum": "none"}
    ((_action, new),) = run({"instance_uuid": FIRST, "launched": True, "rebuild_id": ONE, **other})
    assert new.base != old.base
    assert os.stat(old.base).st_mtime > 0


def test_a_rebuild_that_another_run_ends_meanwhile_is_not_done_again(run, tmp_path, monkeypatch):
    run({"instance_uuid": FIRST})
    asked = {"instance_uuid": FIRST, "launched": True, "rebuild_id": ONE}
    ((_action, new),) = run(asked)
    inode, locked = os.stat(new.path).st_ino, url.locked

    def slowly(path):
        directory.write(str(tmp_path / "state"), directory.Owner(FIRST, rebuild_id=ONE))
        return locked(path)

    monkeypatch.setattr(url, "locked", slowly)
    assert run(asked)[0][0] == "update"
    assert os.stat(new.path).st_ino == inode


def test_check_mode_writes_nothing(run, served, tmp_path):
    ((action, item),) = run({"instance_uuid": FIRST}, check=True)
    assert action == "create"
    assert item.path.endswith(FIRST + "/root.qcow2")
    assert files(tmp_path) == []
    assert served.requests == []


def test_absent_removes_the_root_disk_alone(run, tmp_path):
    run({"instance_uuid": FIRST}, {"instance_uuid": SECOND})
    (tmp_path / "state/instances" / SECOND / "console.log").write_text("x")
    absent = [{"instance_uuid": FIRST}, {"instance_uuid": SECOND}]
    assert [action for action, _item in run(*absent, state="absent")] == ["delete", "delete"]
    assert [name.split("/")[-1] for name in files(tmp_path)][1:] == ["console.log"]
    assert os.listdir(tmp_path / "state/instances") == [SECOND]
    assert [action for action, _item in run(*absent, state="absent")] == ["keep", "keep"]


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize(
    ("made_by", "asked_by", "allowed"),
    [
        pytest.param(FIRST, FIRST, True, id="the same record"),
        pytest.param(FIRST, None, True, id="nobody asks"),
        pytest.param(None, FIRST, True, id="it does not say"),
        pytest.param(SECOND, FIRST, False, id="another record"),
    ],
)
def test_a_root_disk_of_another_record_is_foreign(run, tmp_path, made_by, asked_by, allowed, state):
    run({"instance_uuid": FIRST, "record_id": made_by})
    ((_action, outcome),) = run({"instance_uuid": FIRST, "record_id": asked_by}, state=state)
    assert isinstance(outcome, Conflict) != allowed
    path = tmp_path / "state/instances" / FIRST
    assert path.exists() == (state == "present" or not allowed)
    if not allowed:
        assert "belongs to another record (%s)" % SECOND in str(outcome)
        assert sorted(os.listdir(path)) == ["instance.json", "root.qcow2"]


def test_half_a_root_disk_is_completed_or_removed(run, tmp_path):
    run({"instance_uuid": FIRST})
    path = tmp_path / "state/instances" / FIRST / "root.qcow2"
    os.rename(path, str(path) + ".part")
    ((action, item),) = run({"instance_uuid": FIRST})
    assert action == "update"
    assert info(item.path)["virtual-size"] == 2 * MIB
    os.rename(path, str(path) + ".part")
    assert run({"instance_uuid": FIRST}, state="absent")[0][0] == "delete"
    assert not path.parent.exists()


def test_a_base_that_is_gone_is_fetched_again(run, tmp_path):
    ((_action, item),) = run({"instance_uuid": FIRST})
    os.unlink(item.base)
    before = os.stat(item.path).st_mtime_ns
    assert run({"instance_uuid": FIRST})[0][0] == "update"
    assert os.path.exists(item.base)
    assert os.stat(item.path).st_mtime_ns == before


def test_one_bad_image_does_not_stop_the_others(run, served, tmp_path):
    wrong = {"instance_uuid": FIRST, "checksum": "sha256:" + "0" * 64}
    results = run(wrong, dict(wrong, instance_uuid=str(uuid.UUID(int=3))), {"instance_uuid": SECOND})
    errors = [item for _action, item in results[:2]]
    assert all(isinstance(error, InvalidRequest) and "0000" in str(error) for error in errors)
    assert os.path.exists(results[2][1].path)
    assert len(served.requests) == 2, "a bad base is fetched once, too"
    assert not [name for name in files(tmp_path) if ".part" in name]


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        pytest.param({"disk_format": "raw"}, InvalidRequest, "content is qcow2, its disk_format says raw", id="a lie"),
        pytest.param({"url": "/none"}, NotFound, "404", id="missing"),
        pytest.param({"size": 1, "min_disk": 2}, Conflict, "min_disk", id="below min_disk"),
    ],
)
def test_errors(run, served, tmp_path, entry, error, words):
    if entry.get("url"):
        entry = {"url": served.address + entry["url"]}
    ((_action, found),) = run({"instance_uuid": FIRST}, **entry)
    assert isinstance(found, error)
    assert found.abort
    assert words in str(found)
    assert files(tmp_path) == []


# Numbers in a qcow2's header that are right for themselves: where they are, and how many.
BROKEN = {"refcount_order": (96, 9), "nb_snapshots": (60, 100000), "refcount_table_clusters": (56, 2**31 - 1)}


@pytest.mark.parametrize("field", BROKEN)
def test_what_only_qemu_finds_in_an_image_ends_the_launch(run, served, tmp_path, field):
    place, number = BROKEN[field]
    broken = bytearray(served.content)
    struct.pack_into(">I", broken, place, number)
    served.content = bytes(broken)
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, InvalidRequest)
    assert found.abort
    assert "Could not open" in str(found)
    assert str(found).startswith("image %s/image: qemu-img info failed" % served.address)
    assert files(tmp_path) == []


def test_size_below_the_image(run, served, tmp_path):
    large = tmp_path / "large"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", large, "3G"], check=True)
    served.content = large.read_bytes()
    ((_action, found),) = run({"instance_uuid": FIRST, "size": 2})
    assert isinstance(found, Conflict)
    assert "3 GiB, not 2" in str(found)


def test_an_image_without_a_flavors_bound_is_bounded_too(run, served, tmp_path):
    """A qcow2 of some KiB says that it is of 1 PiB."""
    large = tmp_path / "large"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", large, "1P"], check=True)
    served.content = large.read_bytes()
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, Conflict)
    assert "launch_image_max_size is 100: take a flavor with a disk" in str(found)
    assert not (tmp_path / "state/instances" / FIRST).exists()


def test_the_largest_flavor_bounds_an_image(run, monkeypatch):
    monkeypatch.setattr(policy.Policy, "largest", lambda _self, size: (size or 100) * MIB)
    ((_action, found),) = run({"instance_uuid": FIRST, "size": 1})
    assert "is larger than the 1 MiB" in str(found)
    results = run({"instance_uuid": FIRST, "size": 1}, {"instance_uuid": SECOND, "size": 3})
    assert not [item for _action, item in results if isinstance(item, LaunchError)]


def test_a_base_is_qemus_and_nobody_elses(run, tmp_path, monkeypatch):
    home = tmp_path / "qemu"
    home.mkdir()
    os.chown(home, -1, 12345)
    monkeypatch.setattr(bases, "QEMU_HOME", str(home))
    ((_action, item),) = run({})
    assert (os.stat(item.base).st_gid, oct(os.stat(item.base).st_mode & 0o777)) == (12345, "0o640")


def test_a_signed_url_is_shown_without_its_signature(run, served):
    served.aliases = {"/image?Signature=hidden"}
    signed = {"image_queries": json.dumps({"demo": "Signature=hidden"})}
    ((_action, item),) = run({"instance_uuid": FIRST}, checksum="none", options=signed)
    assert [path for path, _headers in served.requests] == ["/image?Signature=hidden"] * 2
    assert "hidden" not in json.dumps(item.to_result())
    assert run({"instance_uuid": FIRST}, checksum="none")[0][0] == "keep"
    wrong = {"image_queries": json.dumps({"demo": "hidden x"})}
    ((_action, found),) = run({}, checksum="none", options=wrong)
    assert "blanks" in str(found)
    assert "hidden" not in str(found)


def test_server_down(run, served, tmp_path):
    served.statuses = [503] * 9
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, Unavailable)
    assert not found.abort
    assert files(tmp_path) == []


def test_a_broken_download_is_continued_by_the_next_run(run, served, tmp_path, monkeypatch):
    served.hang_up_after = [MIB]
    monkeypatch.setattr(fetch, "time", sleeping(lambda seconds: served.statuses.append(503)))
    ((_action, found),) = run({})
    assert isinstance(found, Unavailable)
    assert any(name.endswith(".part") for name in files(tmp_path))
    served.statuses = []
    ((action, item),) = run({})
    assert action == "create"
    assert served.requests[-1][1]["Range"] == "bytes=%d-" % MIB
    assert files(tmp_path) == [os.path.relpath(item.base, tmp_path / "state")]


def test_a_continued_download_that_is_wrong_is_made_once_more(run, served, tmp_path):
    base = tmp_path / "state/base"
    run({})
    (name,) = os.listdir(base)
    os.unlink(base / name)
    rotten = base / (name + ".part")
    rotten.write_bytes(bytes(MIB))
    memory = {"url": served.address + "/image", "validator": served.etag, "length": len(served.content)}
    (base / (name + ".part.json")).write_text(json.dumps(memory))
    ((action, item),) = run({})
    assert action == "create"
    assert os.path.exists(item.base)
    assert os.listdir(base) == [name]


def test_a_changed_base_is_not_used(run):
    ((_action, item),) = run({})
    with open(item.base, "r+b") as file:
        file.write(b"KDMV")
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, Conflict)
    assert "vmdk" in str(found)
    assert "remove that file" in str(found)


def test_waived_checksum_follows_the_source(run, served):
    ((_action, first),) = run({"instance_uuid": FIRST}, checksum="none")
    asked = len(served.requests)
    assert run({"instance_uuid": FIRST}, checksum="none")[0][0] == "keep"
    assert len(served.requests) == asked
    served.etag = '"2"'
    ((_action, second),) = run({"instance_uuid": SECOND}, checksum="none")
    assert first.base != second.base
    assert run({"instance_uuid": FIRST}, checksum="none")[0][0] == "keep"


def test_other_bytes_never_come_under_a_root_disk(run, served, bytes_of_image, tmp_path):
    ((_action, item),) = run({"instance_uuid": FIRST}, checksum="none")
    os.unlink(item.base)
    assert run({"instance_uuid": FIRST}, checksum="none")[0][0] == "update"
    before = snapshot(tmp_path)
    os.unlink(item.base)
    served.etag = '"2"'
    (_action, found), (_made, other) = run({"instance_uuid": FIRST}, {"instance_uuid": SECOND}, checksum="none")
    assert isinstance(found, Conflict)
    assert "%s is gone" % item.base in str(found)
    assert os.path.exists(other.base)
    assert not os.path.exists(item.base)
    assert {name: at for name, at in snapshot(tmp_path).items() if FIRST in name} == {
        name: at for name, at in before.items() if FIRST in name
    }


def test_a_waived_image_from_mirrors_that_take_turns(run, served, tmp_path):
    """Each answer is another mirror's, with an ETag of its own: what came is what is kept, and there is an end."""
    served.etags = ['"a"', '"b"'] * 3
    first, second, third = (str(uuid.UUID(int=number)) for number in (4, 5, 6))
    ((action, item),) = run({"instance_uuid": first}, checksum="none")
    assert (action, os.path.isfile(item.base)) == ("create", True)
    served.etags = ['"b"', '"a"']
    ((_action, other),) = run({"instance_uuid": second}, checksum="none")
    assert other.base == item.base, "the one that is there is used"
    asked = len(served.requests)
    served.etags = ['"a"', '"b"']
    ((_action, again),) = run({"instance_uuid": third}, checksum="none")
    assert len(served.requests) == asked + 2
    assert again.base == item.base
    assert os.listdir(tmp_path / "state/base") == [os.path.basename(item.base)]


def test_a_root_disk_never_gets_another_version_under_it(run, served):
    ((_action, item),) = run({"instance_uuid": FIRST}, checksum="none")
    os.unlink(item.base)
    served.etags = [served.etag, '"other"']
    ((_action, found),) = run({"instance_uuid": FIRST}, checksum="none")
    assert isinstance(found, Conflict)
    assert "its source has another version by now" in str(found)
    assert not os.path.exists(item.base)


def test_local_file_may_vanish(run, served, tmp_path):
    source = tmp_path / "source.raw"
    source.write_bytes(os.urandom(MIB + 100))
    checksum = "sha512:" + hashlib.sha512(source.read_bytes()).hexdigest()
    common = {"url": "file://%s" % source, "checksum": checksum, "disk_format": "raw"}
    ((_action, item),) = run({}, **common)
    source.unlink()
    ((_action, disk_of_it),) = run({"instance_uuid": FIRST}, **common)
    assert item.base.endswith(".raw")
    assert info(disk_of_it.path)["backing-filename-format"] == "raw"
    assert disk_of_it.virtual_size == MIB + 512


def test_a_foreign_root_disk_is_left(run, tmp_path):
    path = tmp_path / "state/instances" / FIRST / "root.qcow2"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, Conflict)
    assert path.read_bytes() == b"mine"


def test_a_root_disk_in_use_is_not_removed(run):
    ((_action, item),) = run({"instance_uuid": FIRST})
    writer = subprocess.Popen(["qemu-io", "-f", "qcow2", item.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        writer.stdout.read(1)
        assert run({"instance_uuid": FIRST}, state="absent", check=True)[0][0] == "delete", "its domain goes before"
        ((_action, found),) = run({"instance_uuid": FIRST}, state="absent")
        assert isinstance(found, Conflict)
        assert os.path.exists(item.path)
    finally:
        writer.communicate()
    assert run({"instance_uuid": FIRST}, state="absent")[0][0] == "delete"


def test_two_tasks_share_one_download(run, served):
    served.hang_up_after = []
    threads, results = [], []
    for owner in (FIRST, SECOND, str(uuid.UUID(int=4))):
        threads.append(threading.Thread(target=lambda owner=owner: results.extend(run({"instance_uuid": owner}))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [item for _action, item in results if isinstance(item, LaunchError)]
    assert len(served.requests) == 1


def test_two_tasks_for_one_instance(run):
    results = []
    threads = [threading.Thread(target=lambda: results.extend(run({"instance_uuid": FIRST}))) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert not [item for _action, item in results if isinstance(item, LaunchError)]


def test_abandoned_downloads_are_removed_unless_locked(run, tmp_path):
    base = tmp_path / "state/base"
    base.mkdir(parents=True)
    for name in ("old", "held", "new"):
        (base / (name + ".part")).write_bytes(b"x")
        (base / (name + ".part.json")).write_text("{}")
        if name != "new":
            os.utime(base / (name + ".part"), (0, time.time() - bases.ABANDONED - 1))
    with open(base / "held.part") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        run({})
    assert {name for name in os.listdir(base) if ".part" in name} == {
        "held.part", "held.part.json", "new.part", "new.part.json"
    }  # fmt: skip


def test_full_disk(run, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bases, "put_in_place", full)
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, Exhausted)
    assert not found.abort
    assert "MiB free in" in str(found)
    assert files(tmp_path) == []


def test_qemu_img_runs_under_its_limits(run, monkeypatch, tmp_path):
    monkeypatch.setattr(disk, "ADDRESS_SPACE", 8 * MIB)
    ((_action, found),) = run({"instance_uuid": FIRST})
    assert isinstance(found, Unavailable)
    assert "qemu-img" in str(found)
    assert not [name for name in files(tmp_path) if name.startswith("instances")]


KILLED = """
import json, os, signal, sys
from ansible_collections.kvmstack.launch.plugins.module_utils.core import directory, disk
from ansible_collections.kvmstack.launch.plugins.module_utils.core.change import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.image import base, fetch, url
from ansible_collections.kvmstack.launch.plugins.module_utils.image.request import parse
module, name, when = sys.argv[1:4]
module = {"url": url, "base": base, "fetch": fetch}[module]
original = getattr(module, name)
def dying(*arguments, **more):
    if when == "after":
        original(*arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, name, dying)
params = json.loads(sys.argv[4])
wanted = parse(params)
backend = url.connect(params)
backend.apply(plan(wanted, backend.read(wanted), "present"))
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("url", "held"),
        ("fetch", "write_record"),
        ("fetch", "_write"),
        ("base", "digest_of"),
        ("base", "put_in_place"),
        ("base", "forget"),
        ("url", "qemu_img"),
        ("url", "make_root"),
    ],
)
def test_killed_anywhere(run, served, tmp_path, module, name, when):
    entries = [dict(entry_of(served), instance_uuid=FIRST)]
    params = {"images": entries, "state": "present", "state_path": str(tmp_path / "state")}
    params["image_sources"] = ["127.0.0.1"]
    done = subprocess.run([sys.executable, "-c", KILLED, module, name, when, json.dumps(params)], check=False)
    assert done.returncode == -signal.SIGKILL
    ((_action, item),) = run({"instance_uuid": FIRST})
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", item.base, item.path], check=True)
    assert run({"instance_uuid": FIRST})[0][0] == "keep"
    assert [name for name in files(tmp_path) if ".part" in name] == []
