# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a volume is and may become."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import User, Volume, from_record, plan
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse

ID, ONE, TWO = ("00000000-0000-0000-0000-00000000000%d" % number for number in range(3))
RUNNING, OFF = User(ONE, "web-1", True), User(ONE, "web-1", False)


def parsed(**entry):
    return parse({"volumes": [dict({"id": ID}, **entry)], "state_path": "/s"})[0]


WANTED = parsed(name="data", instance_uuid=ONE, size=2, format="raw", device="vdb")
HERE = replace(WANTED, device=None, allocated=4096)


@pytest.mark.parametrize(
    ("wanted", "existing", "state", "action"),
    [
        pytest.param(WANTED, None, "present", "create", id="a missing volume is made"),
        pytest.param(WANTED, HERE, "present", "keep", id="a volume is kept"),
        pytest.param(parsed(), HERE, "present", "keep", id="what is left out stays"),
        pytest.param(parsed(size=3), HERE, "present", "update", id="a volume grows"),
        pytest.param(parsed(name="logs"), HERE, "present", "update", id="a volume is renamed"),
        pytest.param(parsed(instance_uuid=TWO), HERE, "present", "update", id="an unused volume changes hands"),
        pytest.param(
            parsed(instance_uuid=ONE), replace(HERE, attached_to=(RUNNING,)), "present", "keep", id="its user keeps it"
        ),
        pytest.param(
            parsed(instance_uuid=TWO),
            replace(HERE, attached_to=(User(TWO, "web-2", True),)),
            "present",
            "update",
            id="who has it may be recorded",
        ),
        pytest.param(WANTED, replace(HERE, path=None, status="creating"), "present", "update", id="half made"),
        pytest.param(WANTED, replace(HERE, status="creating"), "present", "update", id="made but not said so"),
        pytest.param(WANTED, replace(HERE, status=None, name=None), "present", "update", id="a disk without record"),
        pytest.param(WANTED, HERE, "absent", "delete", id="a volume is removed"),
        pytest.param(WANTED, None, "absent", "keep", id="none is to remove"),
    ],
)
def test_plan(wanted, existing, state, action):
    (change,) = plan([wanted], {ID: existing} if existing else {}, state)
    assert (change.error, change.action) == (None, action)


def test_growing_changes_the_size_alone():
    before = replace(HERE, format="qcow2", path="/s/volumes/%s.qcow2" % ID)
    assert parsed(size=3).over(before) == replace(before, size=3)


def test_a_new_volume_is_raw_and_at_its_place():
    made = parsed(size=1).over(None)
    assert (made.format, made.path) == ("raw", "/s/volumes/%s.raw" % ID)


@pytest.mark.parametrize(
    ("wanted", "existing", "error", "words"),
    [
        pytest.param(parsed(size=1), HERE, Conflict, "size 2 GiB never shrinks, not to 1", id="smaller"),
        pytest.param(parsed(format="qcow2"), HERE, Conflict, "format is raw", id="another format"),
        pytest.param(
            parsed(instance_uuid=TWO), replace(HERE, attached_to=(RUNNING,)), Conflict, "web-1.*running", id="held"
        ),
        pytest.param(
            parsed(instance_uuid=TWO), replace(HERE, attached_to=(OFF,)), Conflict, "web-1.*shut off", id="held, off"
        ),
        pytest.param(parsed(name="data"), None, NotFound, "volume data: .*size", id="located, not there"),
        pytest.param(parsed(), replace(HERE, path=None, status="creating"), NotFound, "size", id="located, half made"),
        pytest.param(WANTED, replace(HERE, path=None), Conflict, "disk is gone", id="lost disk"),
    ],
)
def test_refused(wanted, existing, error, words):
    with pytest.raises(error, match=words) as raised:
        wanted.over(existing)
    assert raised.value.abort


def test_not_removable():
    with pytest.raises(Conflict, match="web-1"):
        replace(HERE, attached_to=(RUNNING,)).check_unused()
    with pytest.raises(Conflict, match="belongs to instance %s" % ONE):
        HERE.check_removable(parsed(instance_uuid=TWO))


def test_removable():
    replace(HERE, attached_to=(OFF,)).check_unused()
    HERE.check_removable(parsed())


def test_a_broken_record():
    with pytest.raises(Conflict, match="broken"):
        from_record({"id": ID, "format": "vmdk"})


def test_record_comes_back():
    assert from_record(WANTED.to_record()) == replace(WANTED, path=None)


def test_result():
    result = replace(HERE, name=None, attached_to=(RUNNING,)).to_result()
    assert (result["name"], result["attached_to"]) == (ID, [{"uuid": ONE, "name": "web-1", "active": True}])
    assert isinstance(Volume(ID).to_result(), dict)
