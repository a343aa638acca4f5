# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The disk that instances have of their hosts, and what those that run may take more."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import room
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.attachments import BlockDeviceMapping
from ansible_collections.kvmstack.launch.plugins.module_utils.instance.model import Instance


def instance(*volumes, disk=5, image=None, launched=True, host="c1"):
    flavor = {"name": "f", "vcpus": 1, "ram": 512, "disk": disk}
    return Instance("web", "p", "u1", flavor=flavor, image=image, volumes=list(volumes), launched=launched, host=host)


def volume(name, size, **more):
    return BlockDeviceMapping(name, name, size, **more)


@pytest.mark.parametrize(
    ("volumes", "disk", "image", "gib"),
    [
        pytest.param([], 5, None, 5, id="the flavor's root disk"),
        pytest.param([], 0, {"min_disk": 3}, 3, id="or what the image needs"),
        pytest.param([], 0, None, 0, id="or nothing that is known"),
        pytest.param([volume("a", 2), volume("b", 3)], 5, None, 10, id="and volumes"),
        pytest.param([volume("a", 2, service="cinder")], 5, None, 5, id="but those of a service"),
        pytest.param([volume("a", 9, service="cinder", boot=True), volume("b", 3)], 5, None, 3, id="no root disk"),
        pytest.param([volume("a", 2, leaving=True)], 5, None, 7, id="a volume until it has left"),
        pytest.param([volume("a", 2, host="c1")], 5, None, 7, id="a volume that waits"),
    ],
)
def test_disk_of_an_instance(volumes, disk, image, gib):
    assert room.disk_gb(instance(*volumes, disk=disk, image=image)) == gib


A, B = volume("a", 2), volume("b", 3)
MINE, WAITING = {"size": 2, "instance_uuid": "u1"}, {"size": 3, "instance_uuid": None}


@pytest.mark.parametrize(
    ("before", "after", "volumes", "left", "still"),
    [
        pytest.param([A], [A], {"a": MINE}, 0, 0, id="nothing more"),
        pytest.param([A], [volume("a", 9)], {"a": MINE}, 7, 0, id="a volume that grows"),
        pytest.param([A], [volume("a", 9)], {"a": MINE}, 6, None, id="too far"),
        pytest.param([A], [A, B], {"a": MINE}, 4, 1, id="a volume that is added"),
        pytest.param([A], [A, B], {"a": MINE}, 2, None, id="too large"),
        pytest.param([A], [A, B], {"a": MINE, "b": WAITING}, 0, 0, id="one that waits there has its room"),
        pytest.param([A], [A, volume("b", 5)], {"a": MINE, "b": WAITING}, 1, None, id="unless it grows"),
        pytest.param([A], [], {"a": MINE}, 0, 2, id="one that is taken off"),
        pytest.param([A], [A], {"a": MINE}, -5, -5, id="a host that has given too much stays as it is"),
    ],
)
def test_what_a_running_instance_may_take_more(before, after, volumes, left, still):
    before, after = instance(*before), instance(*after)
    if still is None:
        with pytest.raises(Conflict, match="GiB more on host c1, which has %d left" % left):
            room.admit({"c1": left}, before, after, volumes)
    else:
        assert room.admit({"c1": left, "c2": 1}, before, after, volumes) == {"c1": still, "c2": 1}


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(None, id="is new"),
        pytest.param(instance(A, launched=False), id="is to be built"),
        pytest.param(instance(A, host="c9"), id="runs on a host that nobody knows"),
    ],
)
def test_the_scheduler_has_the_room_of_what(before):
    assert room.admit({"c1": 0}, before, instance(volume("a", 99)), {}) == {"c1": 0}
