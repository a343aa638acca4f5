# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose an instance's directory is: said once, told as long as anything is there."""

from __future__ import annotations

import os

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core import directory
from ansible_collections.kvmstack.launch.plugins.module_utils.core.directory import Owner
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Conflict

UUID = "11111111-0000-4000-8000-000000000001"
RECORD = "aaaaaaaa-0000-4000-8000-00000000000a"
OWNER = Owner(UUID, "web-1", RECORD, "default")


def test_there_and_back(tmp_path):
    assert directory.read(str(tmp_path), UUID) == Owner(UUID)
    directory.write(str(tmp_path), OWNER)
    assert directory.read(str(tmp_path), UUID) == OWNER


def test_what_is_not_mentioned_stays(tmp_path):
    directory.write(str(tmp_path), OWNER)
    written = os.stat(tmp_path / "instances" / UUID / "instance.json").st_mtime_ns
    directory.write(str(tmp_path), Owner(UUID))
    assert directory.read(str(tmp_path), UUID) == OWNER
    assert os.stat(tmp_path / "instances" / UUID / "instance.json").st_mtime_ns == written


def test_another_record_is_refused(tmp_path):
    directory.write(str(tmp_path), OWNER)
    for record_id in (RECORD, None):
        directory.check(str(tmp_path), UUID, record_id)
    with pytest.raises(Conflict, match="belongs to another record \\(%s\\)" % RECORD):
        directory.check(str(tmp_path), UUID, UUID)


def test_all_directories_of_a_host(tmp_path):
    params = {"state_path": str(tmp_path)}
    assert directory.find(params) == []
    other = UUID[:-1] + "0"
    directory.write(str(tmp_path), OWNER)
    (tmp_path / "instances" / other).mkdir()
    (tmp_path / "instances" / "lost+found").mkdir()
    (tmp_path / "instances" / (UUID[:-1] + "9")).touch()
    assert directory.find(params) == [Owner(other), OWNER]


@pytest.mark.parametrize("name", [None, "root.qcow2", "console.log"])
def test_the_word_goes_with_the_last_of_it(tmp_path, name):
    directory.write(str(tmp_path), OWNER)
    path = tmp_path / "instances" / UUID
    if name:
        (path / name).touch()
    directory.remove_if_unused(str(path))
    assert path.exists() == bool(name)
    assert directory.read(str(tmp_path), UUID) == (OWNER if name else Owner(UUID))
    directory.remove_if_unused(str(path))
