# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an error tells everybody, and what only who runs the cloud."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import errors
from ansible_collections.kvmstack.launch.plugins.module_utils.core.command import command
from ansible_collections.kvmstack.launch.plugins.module_utils.core.disk import FULL, check_room, disk_errors


@pytest.mark.parametrize(
    ("error", "public"),
    [
        pytest.param(errors.Conflict("it is another's"), "it is another's", id="all of it"),
        pytest.param(errors.Conflict("c1 has it", "a host has it"), "a host has it", id="less"),
        pytest.param(errors.Unavailable("c1 is off"), errors.Unavailable.OUTSIDE, id="nothing of who does not answer"),
        pytest.param(errors.Unavailable("c1 is off", "its host is off"), "its host is off", id="what is said of it"),
        pytest.param(errors.MissingLibrary("libvirt"), errors.Unavailable.OUTSIDE, id="nothing of libraries"),
        pytest.param(errors.Conflict("c1: 5%", "5%").within(errors.NotFound, "gone: %s"), "gone: 5%", id="in words"),
    ],
)
def test_what_everybody_is_told(error, public):
    assert error.public == public


def test_an_error_in_more_words_is_of_another_kind():
    error = errors.Conflict("c1 has it", "a host has it").within(errors.NotFound, "web: %s")
    assert (type(error), str(error)) == (errors.NotFound, "web: c1 has it")


def no_room(path):
    check_room(path, 2**70)


def full(path):
    with disk_errors(path):
        raise OSError(28, "No space left on device", path)


def meant(path):
    command("ls", path + "/no", meanings={2: errors.NotFound})


@pytest.mark.parametrize(("act", "public"), [(no_room, FULL), (full, FULL), (meant, "ls failed")])
def test_no_path_of_a_host_is_told_everybody(tmp_path, act, public):
    with pytest.raises(errors.LaunchError) as raised:
        act(str(tmp_path))
    assert str(tmp_path) in str(raised.value)
    assert raised.value.public == public
