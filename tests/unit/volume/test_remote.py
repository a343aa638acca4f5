# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a volume of a storage service is and may become."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict, InvalidRequest, NotFound
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.model import plan
from ansible_collections.kvmstack.launch.plugins.module_utils.volume.request import parse

ID, OTHER, ONE, TWO = ("00000000-0000-0000-0000-00000000000%d" % number for number in range(4))


def parsed(**entry):
    return parse({"volumes": [dict({"id": ID}, **entry)], "service": "cinder"})[0]


WANTED = parsed(name="data", instance_uuid=ONE, host="kvm1", size=2)
FREE = replace(WANTED, instance_uuid=None, host=None, status="available", volume_id=OTHER, adopted=False)
HAD = replace(FREE, instance_uuid=ONE, host="kvm1", status="in-use")
HELD = replace(FREE, status="in-use", holders=("instance %s" % TWO,))


@pytest.mark.parametrize(
    ("wanted", "existing", "action"),
    [
        pytest.param(WANTED, None, "create", id="a missing volume is made"),
        pytest.param(WANTED, FREE, "update", id="a free one is attached"),
        pytest.param(WANTED, HAD, "keep", id="an attached one is kept"),
        pytest.param(replace(WANTED, size=None), HAD, "keep", id="a size left out stays"),
        pytest.param(replace(WANTED, size=3), HAD, "update", id="a volume grows"),
        pytest.param(WANTED, replace(FREE, status="reserved"), "update", id="an attachment is finished"),
        pytest.param(WANTED, replace(FREE, status="creating"), "update", id="one that is being made is waited for"),
        pytest.param(WANTED, replace(HAD, stale=("a",)), "update", id="a second attachment is removed"),
        pytest.param(replace(WANTED, host=None), FREE, "keep", id="without a host it is only located"),
        pytest.param(replace(WANTED, host=None), HELD, "keep", id="also while another instance has it"),
        pytest.param(replace(WANTED, host=None), replace(FREE, status="creating"), "update", id="and waited for"),
        pytest.param(WANTED, replace(HELD, multiattach=True), "update", id="several may have it"),
    ],
)
def test_present(wanted, existing, action):
    (change,) = plan([wanted], {wanted.key: existing} if existing else {}, "present")
    assert (change.error, change.action) == (None, action)


LEAVING = replace(HAD, delete_on_termination=True)


@pytest.mark.parametrize(
    ("existing", "action"),
    [
        pytest.param(None, "keep", id="none is there"),
        pytest.param(HAD, "update", id="it is detached and stays"),
        pytest.param(FREE, "keep", id="it is detached already"),
        pytest.param(LEAVING, "delete", id="it goes with its instance"),
        pytest.param(replace(FREE, delete_on_termination=True), "delete", id="also when it is detached already"),
        pytest.param(replace(LEAVING, adopted=True), "update", id="a user's volume is never removed"),
        pytest.param(
            replace(FREE, delete_on_termination=True, adopted=True), "keep", id="a user's, detached already, neither"
        ),
        pytest.param(replace(LEAVING, holders=("instance x",)), "update", id="nor one that others have"),
    ],
)
def test_absent(existing, action):
    (change,) = plan([WANTED], {WANTED.key: existing} if existing else {}, "absent")
    assert (change.error, change.action) == (None, action)


def test_an_error_in_place_of_a_volume_is_its_error():
    for state in ("present", "absent"):
        (change,) = plan([WANTED], {WANTED.key: Conflict("two")}, state)
        assert (str(change.error), change.changed) == ("two", False)


@pytest.mark.parametrize(
    ("wanted", "existing", "error", "words"),
    [
        pytest.param(
            replace(WANTED, size=None), None, NotFound, "does not exist: give its size", id="located, missing"
        ),
        pytest.param(replace(WANTED, boot=True), None, InvalidRequest, "nothing on it to boot from", id="empty root"),
        pytest.param(replace(WANTED, size=1), HAD, Conflict, "size 2 GiB never shrinks, not to 1", id="smaller"),
        pytest.param(replace(WANTED, type="b"), replace(HAD, type="a"), Conflict, "type is a and cannot", id="type"),
        pytest.param(
            replace(WANTED, boot=True), replace(HAD, bootable=False), Conflict, "not bootable", id="not bootable"
        ),
        pytest.param(
            replace(WANTED, multiattach=True), replace(FREE, multiattach=False), Conflict, "not allow", id="for one"
        ),
        pytest.param(WANTED, HELD, Conflict, "attached to instance %s: detach it there" % TWO, id="another has it"),
        pytest.param(WANTED, replace(FREE, encrypted=True), Conflict, "encrypted", id="encrypted"),
    ],
)
def test_refused(wanted, existing, error, words):
    with pytest.raises(error, match="volume data: .*" + words) as raised:
        wanted.over(existing)
    assert raised.value.abort


def test_a_volume_from_a_snapshot_needs_no_size():
    assert replace(WANTED, size=None, snapshot="s").over(None).status == "in-use"


def test_a_new_volume_being_made_is_not_yet_called_unbootable():
    replace(WANTED, boot=True, image="i").over(replace(FREE, status="downloading", bootable=False))


def test_growing_keeps_what_is_larger():
    assert replace(WANTED, size=None).over(HAD).size == 2
    assert replace(WANTED, size=5).over(HAD).size == 5


def test_result():
    result = replace(HAD, mine=("x",), connection={"protocol": "rbd"}).to_result()
    assert result["connection"] == {"protocol": "rbd"}
    assert "mine" not in result
    assert replace(FREE, name=None).to_result()["name"] == OTHER
