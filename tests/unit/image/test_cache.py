# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which bases of a host's cache go, with root disks by the real qemu-img."""

from __future__ import annotations

import glob
import os
import subprocess
import time
import uuid

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.image import base as bases
from ansible_collections.kvmstack.launch.plugins.module_utils.image import cache, url
from ansible_collections.kvmstack.launch.plugins.module_utils.image.cache import Base, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.image.model import Image

DAY = 24 * 3600
FIRST = str(uuid.UUID(int=1))


@pytest.mark.parametrize(
    ("base", "action"),
    [
        pytest.param(Base("/b", 1, DAY, 0), "delete", id="one that nobody has used for a day"),
        pytest.param(Base("/b", 1, DAY - 1, 0), "keep", id="one that somebody has used today"),
        pytest.param(Base("/b", 1, 9 * DAY, 1), "keep", id="one that a root disk lies over"),
        pytest.param(Base("/b", 1, 9 * DAY, 0, in_use=True), "keep", id="one that a guest has open"),
    ],
)
def test_plan(base, action):
    assert [change.action for change in plan([DAY], {base.path: base}, "present")] == [action]


@pytest.fixture
def state(tmp_path):
    """A host's directory with a base of yesterday."""
    (tmp_path / "base").mkdir()
    put(tmp_path, "old.raw")
    return tmp_path


def put(state, name, age=DAY):
    path = state / "base" / name
    path.write_bytes(b"x" * 65536)
    os.utime(path, (time.time() - age,) * 2)
    return path


def root_disk(state, base):
    """An instance's root disk over a base, by the stage image."""
    path = str(state / "instances" / FIRST / "root.qcow2")
    image = Image(FIRST, "demo", "http://x/y", "none", "raw", path=path)
    return url.make_root(image, str(base), str(state), 100)


def clean(state, minimum_age=DAY, meanwhile=None):
    """What the module does: the outcome by the base's name, of those that were to go."""
    params = {"state_path": str(state), "minimum_age": minimum_age}
    backend, wanted = cache.connect(params), cache.parse(params)
    pending = [change for change in plan(wanted, backend.read(wanted), "present") if change.pending]
    if meanwhile:
        meanwhile()
    return {os.path.basename(path): outcome for path, outcome in backend.apply(pending).items()}


def left(state):
    return sorted(os.listdir(state / "base"))


def test_what_nobody_uses_goes_and_what_is_on_its_way_stays(state):
    put(state, "new.raw", age=5)
    for name in ("coming.raw.part", "coming.raw.part.json"):
        put(state, name, age=9 * DAY)
    assert list(clean(state)) == ["old.raw"]
    assert left(state) == ["coming.raw.part", "coming.raw.part.json", "new.raw"]
    assert clean(state) == {}
    assert cache.connect({"state_path": str(state / "none")}).read([DAY]) == {}


def test_it_counts_from_when_the_last_root_disk_went(state):
    base = state / "base/old.raw"
    image = root_disk(state, base)
    os.utime(base, (0, 0))
    assert clean(state, minimum_age=0) == {}
    os.rename(image.path, image.path + ".part")  # a launch that was killed goes on with its base
    assert clean(state, minimum_age=0) == {}
    os.rename(image.path + ".part", image.path)
    url.remove_root(image)
    assert base.stat().st_mtime > time.time() - 60
    assert clean(state) == {}
    assert list(clean(state, minimum_age=0)) == ["old.raw"]


def test_a_root_disk_that_tells_nothing_may_lie_over_any(state):
    path = state / "instances" / FIRST / "root.qcow2"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"?")
    with pytest.raises(Conflict, match="root disk .*%s" % FIRST):
        clean(state)
    assert left(state) == ["old.raw"]


def test_who_begins_to_use_one_that_is_to_go_keeps_it(state):
    outcome = clean(state, meanwhile=lambda: root_disk(state, state / "base/old.raw"))
    assert isinstance(outcome["old.raw"], Conflict)
    with bases.using(str(state / "base/old.raw")):
        (state / "instances" / FIRST / "root.qcow2").unlink()
        assert isinstance(clean(state, minimum_age=0)["old.raw"], Conflict)
    assert left(state) == ["old.raw"]


def test_one_that_goes_while_somebody_waits_for_it_is_told_as_gone(state, monkeypatch):
    path = state / "base/old.raw"
    monkeypatch.setattr(bases.fcntl, "flock", lambda _file, _how: path.unlink())
    with pytest.raises(Unavailable, match="has just been removed"), bases.using(str(path)):
        pass


def test_one_that_another_run_has_removed_meanwhile_is_gone(state):
    assert list(clean(state, meanwhile=(state / "base/old.raw").unlink)) == ["old.raw"]
    assert left(state) == []
    with pytest.raises(Unavailable, match="has just been removed"), bases.using(str(state / "base/old.raw")):
        pass


def test_one_that_was_removed_and_fetched_again_meanwhile_stays(state, monkeypatch):
    def again(_file, _how):
        path = state / "base/old.raw"
        path.unlink()
        put(state, "old.raw", age=0)

    monkeypatch.setattr(bases.fcntl, "flock", again)
    assert isinstance(clean(state)["old.raw"], Conflict)
    assert left(state) == ["old.raw"]


def test_one_that_cannot_be_removed_stops_no_other(state, monkeypatch):
    def refuse(path):
        if path.endswith("old.raw"):
            raise PermissionError(1, "Operation not permitted", path)
        os.unlink(path)

    put(state, "older.raw")
    monkeypatch.setattr(cache, "remove", refuse)
    outcome = clean(state)
    assert isinstance(outcome["old.raw"], Unavailable)
    assert (outcome["older.raw"].used_by, left(state)) == (0, ["old.raw"])


def test_what_is_no_base_is_passed_over(state):
    (state / "base/lost+found").mkdir()
    os.symlink("nowhere", state / "base/dangling.raw")
    assert list(clean(state)) == ["old.raw"]
    assert left(state) == ["dangling.raw", "lost+found"]


@pytest.mark.parametrize("content", [b"", b"QFI", b"?"], ids=["empty", "begun", "anything"])
def test_a_root_disk_that_was_never_finished_needs_no_base(state, content):
    path = state / "instances" / FIRST / "root.qcow2.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert list(clean(state)) == ["old.raw"]


def test_a_root_disk_that_goes_while_it_is_looked_at_needs_no_base(state, monkeypatch):
    path = state / "instances" / FIRST / "root.qcow2"
    monkeypatch.setattr(cache, "glob", lambda asked: [str(path)] if "root.qcow2" in asked else glob.glob(asked))
    assert list(clean(state)) == ["old.raw"]


def test_a_root_disk_made_by_another_path_to_the_same_place_counts(state, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(state)
    root_disk(link, link / "base/old.raw")
    os.utime(state / "base/old.raw", (0, 0))
    assert clean(state) == {}
    assert clean(link) == {}


@pytest.mark.parametrize("minimum_age", [-1, "a day", None])
def test_an_age_that_is_none_is_refused(minimum_age):
    with pytest.raises(InvalidRequest, match="minimum_age"):
        cache.parse({"minimum_age": minimum_age})


def test_a_guest_that_has_one_open_keeps_it(state):
    path = state / "base/old.raw"
    reader = subprocess.Popen(["qemu-io", "-r", "-f", "raw", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        reader.stdout.read(1)
        assert clean(state) == {}
    finally:
        reader.communicate()
    assert list(clean(state)) == ["old.raw"]
