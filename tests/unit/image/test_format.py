# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inspector: what it calls things, what it refuses, and that nothing makes it fall over."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import InvalidRequest
from ansible_collections.kvmstack.launch.plugins.module_utils.image.format import detect, inspect, parse_qcow2


def over(data):
    return lambda offset, length: data[offset : offset + length]


def at(offset, signature, size=70000):
    data = bytearray(size)
    data[offset : offset + len(signature)] = signature
    return bytes(data)


def qcow2(
    version=3, features=0, backing=b"", crypt=0, bits=16, size=1 << 20, l1_size=1, extension=b"", magic=b"QFI\xfb"
):
    """A qcow2 file of nothing: header, L1 table and refcount table, a cluster each."""
    cluster = 1 << 16
    data = bytearray(4 * cluster)
    place = 1024 if backing else 0
    fields = (magic, version, place, len(backing), bits, size, crypt, l1_size, cluster, 2 * cluster, 1, 0, 0)
    struct.pack_into(">4sIQIIQIIQQIIQ", data, 0, *fields)
    struct.pack_into(">QQQII", data, 72, features, 0, 0, 4, 104)
    data[104 : 104 + len(extension)] = extension
    data[place : place + len(backing)] = backing
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(b"", "raw", id="nothing"),
        pytest.param(bytes(1024), "raw", id="zeros"),
        pytest.param(qcow2(), "qcow2", id="qcow2"),
        pytest.param(at(0, b"QED\0"), "qed", id="qed"),
        pytest.param(at(0, b"KDMV"), "vmdk", id="sparse vmdk"),
        pytest.param(at(0, b"COWD"), "vmdk", id="old vmdk"),
        pytest.param(b"# Disk DescriptorFile\nversion=1\n", "vmdk", id="vmdk text"),
        pytest.param(
            b'# a\r\n\r\n  # b\nversion=1\nRW 1 FLAT "/etc/shadow" 0\n', "vmdk", id="vmdk text that qemu takes"
        ),
        pytest.param(at(0x40, b"\x7f\x10\xda\xbe"), "vdi", id="vdi"),
        pytest.param(at(0, b"vhdxfile"), "vhdx", id="vhdx"),
        pytest.param(at(0, b"conectix"), "vhd", id="dynamic vhd"),
        pytest.param(at(70000 - 512, b"conectix"), "vhd", id="fixed vhd"),
        pytest.param(at(510, b"\x55\xaa")[:-512] + at(0, b"conectix", 512), "vhd", id="fixed vhd of a disk that boots"),
        pytest.param(at(0, b"LUKS\xba\xbe"), "luks", id="luks"),
        pytest.param(at(0x8001, b"CD001"), "iso", id="iso"),
        pytest.param(at(512, b"EFI PART"), "gpt", id="gpt"),
        pytest.param(at(510, b"\x55\xaa"), "mbr", id="mbr"),
        pytest.param(at(0, b"\xfd7zXZ\0"), "xz", id="compressed"),
        pytest.param(b"\n<!DOCTYPE html><title>Log in", "web page", id="a web page"),
    ],
)
def test_detect(data, name):
    assert detect(over(data), len(data)) == name


@pytest.mark.parametrize("data", [at(0x8001, b"CD001"), at(512, b"EFI PART"), at(510, b"\x55\xaa"), bytes(512)])
def test_content_that_boots_is_raw(data):
    assert inspect(over(data), len(data), "raw") == len(data)


@pytest.mark.parametrize("arguments", [{}, {"version": 2}, {"features": 1 | 8}, {"features": 16, "size": 4096}])
def test_sane_qcow2(arguments):
    data = qcow2(**arguments)
    assert inspect(over(data), len(data), "qcow2") == arguments.get("size", 1 << 20)


@pytest.mark.parametrize(
    ("data", "claimed", "words"),
    [
        pytest.param(qcow2(), "raw", "content is qcow2.*says raw.*say disk_format: qcow2", id="qcow2 as raw"),
        pytest.param(bytes(512), "qcow2", "content is raw.*say disk_format: raw", id="raw as qcow2"),
        pytest.param(at(0, b"KDMV"), "raw", "qemu-img convert -f vmdk -O qcow2", id="vmdk as raw"),
        pytest.param(at(70000 - 511, b"conectix"), "raw", "convert -f vpc", id="vhd as raw"),
        pytest.param(at(0, b"LUKS\xba\xbe"), "raw", "luks", id="luks as raw"),
        pytest.param(at(0, b"\x1f\x8b\x08"), "raw", "gzip.*decompress", id="compressed"),
        pytest.param(b"", "raw", "empty", id="empty"),
        pytest.param(qcow2(backing=b"/etc/shadow"), "qcow2", "backing file", id="backing file"),
        pytest.param(qcow2(version=2, backing=b"json:{}"), "qcow2", "backing file", id="backing file in version 2"),
        pytest.param(qcow2(features=4), "qcow2", "another file", id="data file"),
        pytest.param(
            qcow2(extension=struct.pack(">II8s", 0x44415441, 7, b"/secret")),
            "qcow2",
            "another file",
            id="data file's name",
        ),
        pytest.param(qcow2(features=2), "qcow2", "corrupt", id="corrupt"),
        pytest.param(qcow2(features=1 << 40), "qcow2", "unknown incompatible.*0x10000000000", id="unknown feature"),
        pytest.param(qcow2(crypt=1), "qcow2", "encrypted", id="encrypted"),
        pytest.param(qcow2(version=1), "qcow2", "version 1", id="version 1"),
        pytest.param(qcow2(version=4), "qcow2", "version 4", id="version 4"),
        pytest.param(qcow2(bits=40), "qcow2", "cluster bits 40", id="clusters too large"),
        pytest.param(qcow2(size=0), "qcow2", "virtual size", id="no size"),
        pytest.param(qcow2(size=1 << 60), "qcow2", "L1", id="size beyond its tables"),
        pytest.param(qcow2(l1_size=0xFFFFFFFF), "qcow2", "L1", id="huge table"),
        pytest.param(qcow2(extension=struct.pack(">II", 1, 0xFFFFFFFF)), "qcow2", "extension", id="endless extension"),
        pytest.param(qcow2()[:70], "qcow2", "broken", id="cut off"),
        pytest.param(qcow2()[: 1 << 16], "qcow2", "L1", id="cut off after the header"),
    ],
)
def test_refused(data, claimed, words):
    with pytest.raises(InvalidRequest, match=words):
        inspect(over(data), len(data), claimed)


def made_by_qemu(path, *options):
    subprocess.run(["qemu-img", "create", "-q", *options], check=True)
    data = path.read_bytes()
    return over(data), len(data)


@pytest.mark.parametrize(
    "options", ["compat=0.10", "compat=1.1", "extended_l2=on,cluster_size=128k", "compression_type=zstd"]
)
def test_what_qemu_makes_is_sane(tmp_path, options):
    path = tmp_path / "disk"
    read, size = made_by_qemu(path, "-f", "qcow2", "-o", options, str(path), "1T")
    assert inspect(read, size, "qcow2") == 1 << 40


def test_backing_file_of_qemu(tmp_path):
    (tmp_path / "base").write_bytes(bytes(1 << 20))
    path = tmp_path / "disk"
    arguments = ("-f", "qcow2", "-F", "raw", "-b", str(tmp_path / "base"), str(path))
    assert parse_qcow2(*made_by_qemu(path, *arguments)).backing_file == str(tmp_path / "base")


def test_data_file_of_qemu(tmp_path):
    path = tmp_path / "disk"
    arguments = ("-f", "qcow2", "-o", "data_file=%s" % (tmp_path / "data"), str(path), "1M")
    with pytest.raises(InvalidRequest, match="another file"):
        inspect(*made_by_qemu(path, *arguments), "qcow2")


@pytest.mark.parametrize("form", ["vmdk", "vdi", "vpc", "vhdx", "qed"])
def test_other_formats_of_qemu_are_not_raw(tmp_path, form):
    path = tmp_path / "disk"
    read, size = made_by_qemu(path, "-f", form, str(path), "1M")
    with pytest.raises(InvalidRequest, match="-f %s" % form):
        inspect(read, size, "raw")


STARTS = st.sampled_from([b"", b"QFI\xfb\0\0\0\2", b"QFI\xfb\0\0\0\3", b"# Disk", b"#\r\n", b"KDMV"])


@settings(max_examples=1500)
@given(start=STARTS, rest=st.binary(max_size=1024), claimed=st.sampled_from(["raw", "qcow2"]))
def test_no_bytes_make_it_fall_over(start, rest, claimed):
    data = start + rest
    with suppress(InvalidRequest):
        assert inspect(over(data), len(data), claimed) > 0


@settings(max_examples=1500)
@given(changes=st.lists(st.tuples(st.integers(0, 140), st.binary(min_size=1, max_size=8)), max_size=4))
def test_no_changed_header_makes_it_fall_over(changes):
    data = bytearray(qcow2())
    for offset, patch in changes:
        data[offset : offset + len(patch)] = patch
    with suppress(InvalidRequest):
        assert inspect(over(bytes(data)), len(data), "qcow2") > 0


@pytest.mark.parametrize("line", [b"#\r\n", b"\r", b" #\r\r\n", b"\n", b"\t"])
def test_no_text_makes_it_slow(line):
    data = (line * 65536)[:65536] + os.urandom(8)
    start = time.monotonic()
    detect(over(data), len(data))
    assert time.monotonic() - start < 2
