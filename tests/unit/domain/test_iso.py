# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The config drive's file, made by the program of the distribution where it is installed."""

from __future__ import annotations

import os
import random
import shutil
import stat
from contextlib import suppress

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import Unavailable
from ansible_collections.kvmstack.launch.plugins.module_utils.domain import iso

FILES = {"openstack/latest/user_data": b"\x00\xffsecret", "openstack/latest/meta_data.json": b"{}"}
installed = pytest.mark.skipif(not any(map(shutil.which, iso.PROGRAMS)), reason="needs genisoimage or xorriso")


@installed
def test_a_drive_is_whole_and_private(tmp_path):
    path = tmp_path / "config.iso"
    iso.write(str(path), FILES)
    content = path.read_bytes()
    assert content[0x8001:0x8006] == b"CD001"
    assert content[0x8028:0x8030] == b"config-2"
    assert b"\x00\xffsecret" in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(str(tmp_path)) == ["config.iso"]


@installed
@pytest.mark.parametrize("program", iso.PROGRAMS)
def test_a_file_of_a_drive_is_read_again(tmp_path, monkeypatch, program):
    if not shutil.which(program):
        pytest.skip("needs " + program)
    monkeypatch.setattr(iso, "PROGRAMS", (program,))
    many = {"openstack/latest/file-%d" % number: b"%d" % number for number in range(100)}
    path, files = str(tmp_path / "config.iso"), {**FILES, **many, "openstack/latest/large": 5000 * b"x"}
    iso.write(path, files)
    assert {name: iso.read(path, name) for name in files} == files
    assert iso.read(path, "openstack/latest/none") is None
    assert iso.read(path, "openstack/none/user_data") is None


@pytest.mark.parametrize("content", [None, b"", 64 * 1024 * b"x"])
def test_what_is_no_drive_has_no_file(tmp_path, content):
    path = tmp_path / "config.iso"
    if content is not None:
        path.write_bytes(content)
    assert iso.read(str(path), "openstack/latest/user_data") is None


def damage(content, **values):
    """A drive of which the record of the folder of all, as Joliet has it, says something else."""
    at = content.index(b"%/E", 16 * iso.SECTOR) - 88 + 156
    for name, value in values.items():
        offset = at + {"sector": 2, "length": 10}[name]
        content = content[:offset] + value.to_bytes(4, "little") + content[offset + 4 :]
    return content


@installed
@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"sector": 2**32 - 1}, id="a folder behind the end"),
        pytest.param({"length": 2**32 - 1}, id="a folder of 4 GiB"),
        pytest.param({"sector": 1, "length": 5 * iso.SECTOR}, id="a folder of something else"),
    ],
)
def test_a_damaged_drive_is_told_of(tmp_path, values):
    path = tmp_path / "config.iso"
    iso.write(str(path), FILES)
    content = path.read_bytes()
    path.write_bytes(damage(content[: iso.SECTOR] + b"\5" * iso.SECTOR + content[2 * iso.SECTOR :], **values))
    os.truncate(str(path), 2**33 if values.get("length") == 2**32 - 1 else path.stat().st_size)
    with pytest.raises(Unavailable, match="config.iso is damaged, and its user data cannot be read: give user_data"):
        iso.read(str(path), "openstack/latest/user_data")


@installed
def test_a_drive_of_any_bytes_has_a_file_none_or_is_told_of(tmp_path):
    path, chance = tmp_path / "config.iso", random.Random(1)
    iso.write(str(path), FILES)
    content = path.read_bytes()
    filled = [place for place, byte in enumerate(content) if byte and place >= 16 * iso.SECTOR]
    for _round in range(300):
        damaged = bytearray(content)
        for place in chance.sample(filled, 20):
            damaged[place] = chance.randrange(256)
        path.write_bytes(damaged)
        with suppress(Unavailable):
            assert isinstance(iso.read(str(path), "openstack/latest/user_data"), (bytes, type(None)))


@installed
def test_what_a_killed_run_left_is_cleared(tmp_path):
    path = tmp_path / "config.iso"
    left = tmp_path / "config.iso.part" / "tree"
    left.mkdir(parents=True)
    (left / "user_data").write_bytes(b"old secret")
    iso.write(str(path), FILES)
    assert b"old secret" not in path.read_bytes()
    assert os.listdir(str(tmp_path)) == ["config.iso"]


def test_without_a_program_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(iso, "PROGRAMS", ())
    with pytest.raises(Unavailable, match="install genisoimage or xorriso"):
        iso.write(str(tmp_path / "config.iso"), FILES)
    assert os.listdir(str(tmp_path)) == []
