# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a disk image is, told by its bytes alone, before any program that could be harmed opens it.

Pure functions over read(offset, length) -> bytes, which may give less at the end, and the size in bytes.
Formats: qemu's docs/interop (qcow2.txt, qed_spec.txt, vdi.txt, vhdx), block/vmdk.c, block/vpc.c; ECMA-119; UEFI.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Callable

from ..core.errors import InvalidRequest

Read = Callable[[int, int], bytes]

# Content that boots or mounts as it is: for the hypervisor these are raw disks.
RAW = ("raw", "mbr", "gpt", "iso")

SIGNATURES = (
    ("qcow2", 0, b"QFI\xfb"),
    ("qed", 0, b"QED\0"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vmdk", 0, b"# Disk DescriptorFile"),
    ("vdi", 0x40, b"\x7f\x10\xda\xbe"),
    ("vhdx", 0, b"vhdxfile"),
    ("vhd", 0, b"conectix"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("gzip", 0, b"\x1f\x8b\x08"),
    ("xz", 0, b"\xfd7zXZ\0"),
    ("zstd", 0, b"\x28\xb5\x2f\xfd"),
    ("bzip2", 0, b"BZh91AY&SY"),
    ("zip", 0, b"PK\x03\x04"),
    ("iso", 0x8001, b"CD001"),
    ("gpt", 512, b"EFI PART"),
    ("gpt", 4096, b"EFI PART"),
    ("mbr", 510, b"\x55\xaa"),
)
COMPRESSED = ("gzip", "xz", "zstd", "bzip2", "zip")
QEMU_NAMES = {"vhd": "vpc"}

# A VMDK may be a text alone, which names the host's files: comments and blank lines, then the version.
_VMDK_TEXT = re.compile(rb"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t\r]*version=[0-9]", re.IGNORECASE)
_WEB_PAGE = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)

# qcow2's incompatible features; harmless in a base are dirty refcounts, the compression type and subclusters.
DIRTY, CORRUPT, DATA_FILE, COMPRESSION, SUBCLUSTERS = 1, 2, 4, 8, 16
_HARMLESS = DIRTY | COMPRESSION | SUBCLUSTERS
_EXTERNAL_DATA = 0x44415441


@dataclass(frozen=True)
class Qcow2:
    """A qcow2 header whose numbers fit together. Sizes in bytes."""

    version: int
    virtual_size: int
    backing_file: str | None
    encrypted: bool
    features: int
    external_data: bool


def detect(read: Read, size: int) -> str:
    """The name of the format; "raw" if it looks like none that is known."""
    for name, offset, signature in SIGNATURES:
        if name == "iso" and _fixed_vhd(read, size):
            return "vhd"
        if read(offset, len(signature)) == signature:
            return name
    start = read(0, 65536)
    if _VMDK_TEXT.match(start):
        return "vmdk"
    return "web page" if _WEB_PAGE.match(start) else "raw"


def _fixed_vhd(read: Read, size: int) -> bool:
    """Whether a VHD footer ends it: a fixed VHD has its only mark there (511 bytes in old ones)."""
    return any(size >= length and read(size - length, 8) == b"conectix" for length in (512, 511))


def inspect(read: Read, size: int, claimed: str) -> int:
    """The virtual size in bytes of an image that is what it claims to be (qcow2 or raw) and refers to nothing else.

    InvalidRequest, with the cure, for everything else.
    """
    detected = detect(read, size)
    found = "raw" if detected in RAW else detected
    if found != claimed:
        raise InvalidRequest("its content is %s, its disk_format says %s: %s" % (detected, claimed, cure(found)))
    if size == 0:
        raise InvalidRequest("it is empty: check the url")
    if claimed == "raw":
        return size
    header = parse_qcow2(read, size)
    _check_base(header)
    return header.virtual_size


def cure(found: str) -> str:
    """What to do with an image of a format that was not claimed or is not accepted."""
    if found in ("qcow2", "raw"):
        return "say disk_format: %s if that is meant" % found
    if found in RAW:
        return "say disk_format: raw"
    if found in COMPRESSED:
        return "decompress it first"
    if found == "web page":
        return "check the url"
    return "convert it (qemu-img convert -f %s -O qcow2 OLD NEW) and say disk_format: qcow2" % (
        QEMU_NAMES.get(found, found)
    )


def parse_qcow2(read: Read, size: int) -> Qcow2:
    """The header of a qcow2 file; InvalidRequest if it is none or its numbers make no sense."""
    header = read(0, 104).ljust(104, b"\0")
    (magic, version, backing_offset, backing_length, bits, virtual, crypt, l1_size, l1_offset, refcount_offset) = (
        struct.unpack_from(">4sIQIIQIIQQ", header)
    )
    if magic != b"QFI\xfb" or version not in (2, 3):
        raise _broken("version %d" % version)
    features, length = struct.unpack_from(">Q", header, 72)[0], struct.unpack_from(">I", header, 100)[0]
    if version == 2:
        features, length = 0, 72
    if not 9 <= bits <= 21:
        raise _broken("cluster bits %d" % bits)
    cluster = 1 << bits
    entries = cluster // (16 if features & SUBCLUSTERS else 8)
    for what, wrong in (
        ("header length", not 72 <= length <= cluster or (version == 3 and length < 104)),
        ("virtual size", virtual == 0),
        ("size of the L1 table", l1_size * 8 > 32 * 1024**2 or l1_size * entries * cluster < virtual),
        ("place of the L1 table", l1_offset % cluster or l1_offset == 0 or l1_offset + l1_size * 8 > size),
        ("place of the refcount table", refcount_offset % cluster or not 0 < refcount_offset < size),
        ("name of the backing file", backing_offset and not _named(backing_offset, backing_length, cluster)),
    ):
        if wrong:
            raise _broken(what)
    area = read(0, cluster)
    backing = area[backing_offset : backing_offset + backing_length] if backing_offset else None
    return Qcow2(
        version,
        virtual,
        None if backing is None else backing.decode("utf-8", "surrogateescape"),
        crypt != 0,
        features,
        bool(features & DATA_FILE) or _EXTERNAL_DATA in _extensions(area, length, backing_offset or cluster),
    )


def _named(offset: int, length: int, cluster: int) -> bool:
    """Whether a backing file's name lies in the header's cluster and is as long as qemu accepts."""
    return 0 < length <= 1023 and offset + length <= cluster


def _extensions(area: bytes, offset: int, end: int) -> set[int]:
    """The types of the header extensions between two offsets."""
    found = set()
    end = min(end, len(area))
    while offset + 8 <= end:
        kind, length = struct.unpack_from(">II", area, offset)
        if kind == 0:
            break
        if length > end - offset - 8:
            raise _broken("header extension %#x" % kind)
        found.add(kind)
        offset += 8 + (length + 7) // 8 * 8
    return found


def _check_base(header: Qcow2) -> None:
    """Refuse a qcow2 image that would make QEMU open other files, needs a secret or cannot be trusted to be whole."""
    unknown = header.features & ~(_HARMLESS | CORRUPT | DATA_FILE)
    for wrong, message in (
        (
            header.backing_file is not None,
            "it has a backing file: make it whole (qemu-img convert -O qcow2 OLD NEW)",
        ),
        (
            header.external_data,
            "its data is in another file: make it whole (qemu-img convert -O qcow2 OLD NEW)",
        ),
        (header.encrypted, "it is encrypted: decrypt it with qemu-img convert"),
        (header.features & CORRUPT, "it is marked corrupt: repair it with qemu-img check -r all, or build it anew"),
        (unknown, "it has unknown incompatible features (%#x): convert it with qemu-img convert -O qcow2" % unknown),
    ):
        if wrong:
            raise InvalidRequest(message)


def _broken(what: str) -> InvalidRequest:
    return InvalidRequest("its qcow2 header is broken (%s): build or upload the image anew" % what)
