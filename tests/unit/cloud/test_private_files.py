# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that nobody else reads."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.private_files import (
    private_directory,
    read_private,
    remove_private,
    write_private,
)
from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest, Unavailable


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def lax():
    """A umask that keeps nobody out."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("lax")
def test_modes(tmp_path):
    directory = private_directory(str(tmp_path / "a" / "private"))
    write_private(directory + "/secret", "text")
    assert (mode(directory), mode(directory + "/secret")) == (0o700, 0o600)
    assert read_private(directory + "/secret") == "text"


def test_a_file_is_replaced_and_nothing_else_left(tmp_path):
    path = str(tmp_path / "secret")
    with open(path, "w") as file:
        file.write("old")
    os.chmod(path, 0o644)
    write_private(path, "new")
    assert (read_private(path), mode(path), os.listdir(tmp_path)) == ("new", 0o600, ["secret"])


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert private_directory("~/private") == str(tmp_path / "private")


@pytest.mark.parametrize("open_to", [0o701, 0o710, 0o720, 0o750, 0o755])
def test_a_directory_that_others_use_is_refused(tmp_path, open_to):
    tmp_path.chmod(open_to)
    with pytest.raises(InvalidRequest, match="others may use it; chmod 700 it, or choose another"):
        private_directory(str(tmp_path))
    assert mode(tmp_path) == open_to


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path):
    os.chown(tmp_path, 65534, 65534)
    tmp_path.chmod(0o700)
    with pytest.raises(InvalidRequest, match="others may use it"):
        private_directory(str(tmp_path))


def test_what_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="choose another"):
        private_directory(str(tmp_path / "file"))


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Unavailable, match="secret: No space left on device"):
        write_private(str(tmp_path / "secret"), "text")
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_not_there(tmp_path):
    assert read_private(str(tmp_path / "secret")) is None
    remove_private(str(tmp_path / "secret"))


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    assert read_private(str(tmp_path / "secret")) is None


def test_a_file_is_removed(tmp_path):
    write_private(str(tmp_path / "secret"), "text")
    remove_private(str(tmp_path / "secret"))
    assert os.listdir(tmp_path) == []
