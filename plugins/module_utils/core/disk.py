# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages that keep files on a compute host have in common: disks, records beside them, room for them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from contextlib import contextmanager, suppress
from typing import Any, Iterator, Mapping

from .command import FULL, command
from .errors import Exhausted, LaunchError, Unavailable

# nova's limits for qemu-img, which reads what strangers wrote (CVE-2015-5162): processor seconds, bytes.
CPU_SECONDS = 30
ADDRESS_SPACE = 2 * 1024**3


def qemu_img(directory: str, *arguments: str, meanings: Mapping[int, type[LaunchError]] | None = None) -> str:
    """Run qemu-img under its limits on a disk in a directory; meanings: the errors that certain exit codes stand for.

    The caller always names the format (-f, -F), so that qemu-img never guesses one.
    """
    limits = {"cpu": CPU_SECONDS, "memory": ADDRESS_SPACE}
    try:
        return command("qemu-img", *arguments, package="qemu-utils", meanings=meanings, **limits)
    except Exhausted as error:
        raise Exhausted("%s (%s)" % (error, _room(directory)), error.public) from error


def make_directory(path: str) -> None:
    """Make a directory and its parents that others may pass through but not list: QEMU's user needs no more."""
    if os.path.isdir(path):
        return
    make_directory(os.path.dirname(path))
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    os.chmod(path, 0o711)


def put_in_place(temporary: str, path: str) -> None:
    """Give a complete file its name, so that it is there whole or not at all, also after a power failure."""
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_record(path: str, facts: dict[str, Any]) -> None:
    """Write facts as JSON, whole or not at all."""
    temporary = path + ".part"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1, sort_keys=True)
        file.write("\n")
    os.chmod(temporary, 0o644)
    put_in_place(temporary, path)


def read_record(path: str) -> dict[str, Any] | None:
    """The facts in a JSON file; None if there is no such file or nothing in it that we wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def remove(*paths: str) -> None:
    """Remove files; those that are gone already are fine."""
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Be the only one of ours at work in a directory. The lock ends with the process, however it ends."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def in_use(path: str) -> bool:
    """Whether a QEMU has the disk open: it then holds locks on bytes of the file (qemu's block/file-posix.c)."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # struct flock of a 64-bit Linux: type, whence, start, length, pid.
        asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 100, 200, 0)
        answer = struct.unpack("hhqqi", fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return answer[0] != fcntl.F_UNLCK


def free_bytes(path: str) -> int:
    """What an ordinary process may still write to the file system of an existing path."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize


def check_room(directory: str, needed: int) -> None:
    """Exhausted, with numbers, if so many bytes do not fit there."""
    free = free_bytes(directory)
    if needed > free:
        raise Exhausted(
            "no room on the host's disk: %s needed in %s, %s free; remove something there or use another host"
            % (mebibytes(needed), directory, mebibytes(free)),
            public=FULL,
        )


@contextmanager
def disk_errors(directory: str) -> Iterator[None]:
    """Turn the operating system's errors into ours: a full disk is Exhausted, with numbers, the rest Unavailable."""
    try:
        yield
    except LaunchError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Exhausted("no room on the host's disk: %s (%s)" % (error, _room(directory)), FULL) from error
        raise Unavailable("the host's disk: %s" % error) from error


def _room(directory: str) -> str:
    try:
        return "%s free in %s" % (mebibytes(free_bytes(directory)), directory)
    except OSError as error:
        return str(error)


def mebibytes(number: int) -> str:
    """Bytes for people."""
    return "%d MiB" % -(-number // 1024**2)
