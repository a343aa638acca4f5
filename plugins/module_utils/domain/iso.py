# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The config drive's file: ISO 9660 with Joliet and Rock Ridge, labelled config-2, as cloud-init looks for it."""

from __future__ import annotations

import os
import shutil
from typing import BinaryIO, Iterator, Mapping

from ..core.command import ENVIRONMENT, command
from ..core.disk import put_in_place
from ..core.errors import Unavailable

# These take the same options.
PROGRAMS = ("genisoimage", "mkisofs", "xorrisofs")

# How a drive is laid out (ECMA-119, 8 and 9.1): in sectors, of which the descriptors begin at the 16th and end with one
# of type 255. Joliet's is the one of type 2 that names its alphabet so (Joliet Specification, 3.1).
SECTOR, DESCRIPTORS, END = 2048, 16, 255
JOLIET = (b"%/@", b"%/C", b"%/E")
# A record of a folder has a name of so many bytes (ECMA-119, 9.1) behind these; no drive of ours has so long a file.
HEAD, LONGEST = 33, 64 * 1024**2


def write(path: str, files: Mapping[str, bytes]) -> None:
    """Make the drive with these files, whole or not at all; nobody but root can read it or what it is made from.

    Beside it, while it is made, is a folder that a killed run may leave and the next one removes.
    """
    remove_remains(path)
    folder = _folder(path)
    os.mkdir(folder, 0o700)
    try:
        for name, data in files.items():
            file = os.path.join(folder, "tree", name)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "wb") as stream:
                stream.write(data)
        drive = os.path.join(folder, "drive")
        command(_program(), "-quiet", "-J", "-r", "-V", "config-2", "-o", drive, os.path.join(folder, "tree"))
        os.chmod(drive, 0o600)
        put_in_place(drive, path)
    finally:
        remove_remains(path)


def read(path: str, name: str) -> bytes | None:
    """A file of a drive that there is, as Joliet has it; None if there is no such drive or file.

    Unavailable where the drive is damaged: QEMU may write to it, and nothing that it says is taken on trust.
    """
    try:
        with open(path, "rb") as drive:
            place = _root(drive)
            for part in name.split("/"):
                place = place and _find(drive, place, part)
            return place and _bytes(drive, *place)
    except FileNotFoundError:
        return None


def _root(drive: BinaryIO) -> tuple[int, int] | None:
    """Where the folder of all is: its first sector, and its bytes."""
    for sector in range(DESCRIPTORS, END):
        drive.seek(sector * SECTOR)
        descriptor = drive.read(SECTOR)
        if descriptor[1:6] != b"CD001" or descriptor[0] == END:
            return None
        if descriptor[0] == 2 and descriptor[88:91] in JOLIET:
            return _place(descriptor[156:190])
    return None


def _find(drive: BinaryIO, folder: tuple[int, int], name: str) -> tuple[int, int] | None:
    """Where what is called so in a folder is."""
    return next((place for found, place in _entries(drive, *folder) if found == name), None)


def _entries(drive: BinaryIO, sector: int, length: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """What is in a folder, by name. No record is in two sectors; what follows the last of one is 0."""
    folder, start = _bytes(drive, sector, length), 0
    while start < len(folder):
        size = folder[start]
        if not size:
            start += SECTOR - start % SECTOR
            continue
        record = folder[start : start + size]
        if len(record) < HEAD:
            raise _damaged(drive)
        yield record[HEAD : HEAD + record[32]].decode("utf-16-be", "replace").partition(";")[0], _place(record)
        start += size


def _place(record: bytes) -> tuple[int, int]:
    return int.from_bytes(record[2:6], "little"), int.from_bytes(record[10:14], "little")


def _bytes(drive: BinaryIO, sector: int, length: int) -> bytes:
    """So many bytes of a drive from the beginning of a sector."""
    if length > LONGEST or sector * SECTOR + length > os.fstat(drive.fileno()).st_size:
        raise _damaged(drive)
    drive.seek(sector * SECTOR)
    return drive.read(length)


def _damaged(drive: BinaryIO) -> Unavailable:
    return Unavailable(
        "config drive %s is damaged, and its user data cannot be read: give user_data again, or remove that file"
        % drive.name,
        public="its config drive is damaged, and its user data cannot be read: give user_data again",
    )


def remove_remains(path: str) -> None:
    """Remove what a killed run may have left beside the drive."""
    shutil.rmtree(_folder(path), ignore_errors=True)


def _folder(path: str) -> str:
    return path + ".part"


def _program() -> str:
    for name in PROGRAMS:
        if shutil.which(name, path=ENVIRONMENT["PATH"]):
            return name
    raise Unavailable("nothing on this host makes a config drive: install genisoimage or xorriso")
