# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One base of the cache: how it comes to be, complete and checked, or to nothing.

{state_path}/base/NAME is complete and checked, NAME.part is on its way (locked while somebody is at work on it),
NAME.part.json says which version of the source it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import BinaryIO, Callable, Iterator

from ..core.disk import put_in_place, qemu_img, remove
from ..core.errors import InvalidRequest, LaunchError, Unavailable
from .fetch import forget, received
from .format import inspect
from .model import Image, base_name

# An unfinished download that nobody went on with for so long is rubbish. Seconds.
ABANDONED = 24 * 3600
# libvirt's, which belongs to the user and the group that QEMU runs as.
QEMU_HOME = "/var/lib/libvirt/qemu"

# How qemu-img ends on an image that no host's can open (nova's InvalidDiskInfo): refusing it, or stopped by its limit
# of processor time. What else may go wrong is the host's.
UNREADABLE = dict.fromkeys((1, -signal.SIGKILL, -signal.SIGXCPU), InvalidRequest)


def obtain(image: Image, part: BinaryIO, transfer: Callable[[], bool]) -> None:
    """Fetch and check an image. A download that was continued and turns out wrong is made once more, whole."""
    continued = transfer()
    try:
        check(image, part)
    except InvalidRequest:
        if not continued:
            raise
        part.truncate(0)
        forget(part.name)
        transfer()
        check(image, part)


def place(image: Image, part: BinaryIO, base: str) -> str:
    """Put what has come where it belongs in the cache; the place.

    Of an image whose checksum is waived that is the version that came: mirrors behind one address may each have their
    own, and a source may change between two questions.
    """
    if image.waived:
        came = received(part.name)
        image.check_source(came)
        base = os.path.join(os.path.dirname(base), base_name(image, came))
    give_to_qemu(part)
    forget(part.name)
    if os.path.isfile(base):
        remove(part.name)
    else:
        put_in_place(part.name, base)
    return base


def check(image: Image, part: BinaryIO) -> None:
    """InvalidRequest if a file is not the image that was asked for."""
    if not image.waived:
        name, asked = str(image.checksum).split(":")
        digest = digest_of(part, name)
        if digest != asked:
            raise InvalidRequest(
                "image %s: its %s is %s, the request says %s: correct the checksum or the url"
                % (image.url, name, digest, asked),
                public="its %s is %s, the request says %s: correct the checksum or the url" % (name, digest, asked),
            )
    inspect_file(part.fileno(), str(image.url), str(image.disk_format))
    try:
        qemu_img(os.path.dirname(part.name), "info", "-f", str(image.disk_format), part.name, meanings=UNREADABLE)
    except InvalidRequest as error:
        advice = "build or upload the image anew"
        text = "image %s: %s: %s" % (image.url, error, advice)
        raise InvalidRequest(text, "%s: %s" % (error.public, advice)) from error


def give_to_qemu(part: BinaryIO) -> None:
    """Let QEMU's own group read a base, and nobody else: it may be a secret of somebody's."""
    with suppress(FileNotFoundError):
        os.fchown(part.fileno(), -1, os.stat(QEMU_HOME).st_gid)
    os.fchmod(part.fileno(), 0o640)


def digest_of(file: BinaryIO, name: str) -> str:
    """The digest, in hexadecimal, of the whole file as it is on the disk."""
    digest = hashlib.new(name)
    buffer = memoryview(bytearray(1024 * 1024))
    file.seek(0)
    while True:
        count = file.readinto(buffer)
        if not count:
            return digest.hexdigest()
        digest.update(buffer[:count])


def inspect_file(descriptor: int, what: str, disk_format: str) -> int:
    """The virtual size in bytes of an open image; InvalidRequest, which names it, if it is not what it should be."""
    try:
        return inspect(reader(descriptor), os.fstat(descriptor).st_size, disk_format)
    except InvalidRequest as error:
        raise InvalidRequest("image %s: %s" % (what, error), error.public) from error


def reader(descriptor: int):
    """How the inspector reads an open file."""
    return lambda offset, length: os.pread(descriptor, length, offset) if offset >= 0 else b""


@contextmanager
def held(base: str) -> Iterator[BinaryIO | None]:
    """The part of a base, open, for us alone; None if another process completed the base meanwhile.

    A part stays to be continued, unless it is of no use or fills the disk.
    """
    part = _lock(base + ".part")
    keep = True
    try:
        yield None if os.path.exists(base) else part
    except (LaunchError, OSError) as error:
        keep = isinstance(error, Unavailable)
        raise
    finally:
        if is_named(part) and not (keep and os.fstat(part.fileno()).st_size):
            remove(part.name)
            forget(part.name)
        part.close()


@contextmanager
def using(base: str) -> Iterator[BinaryIO]:
    """A base, open, that stays where it is meanwhile, and that counts as used now; Unavailable if it has just gone."""
    gone = Unavailable("base %s has just been removed, as nobody used it: run again" % base)
    try:
        file = open(base, "rb")  # noqa: SIM115
    except FileNotFoundError:
        raise gone from None
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        if not is_named(file):
            raise gone
        touch(base)
        yield file


@contextmanager
def let_go(base: str) -> Iterator[bool]:
    """Whether nobody is at work with a base; meanwhile nobody can begin. FileNotFoundError if it is gone."""
    with open(base, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            # One that was removed and fetched again has its name by now, and is somebody's.
            yield is_named(file)


def touch(base: str) -> None:
    """Note that a base is used, or was until now; one that is gone is none."""
    with suppress(FileNotFoundError):
        os.utime(base)


def _lock(path: str, wait: bool = True) -> BinaryIO:
    """Open a part and lock it; BlockingIOError if it must not wait and another has it."""
    while True:
        part = open(path, "r+b", buffering=0, opener=_open_or_make)  # noqa: SIM115
        fcntl.flock(part, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if is_named(part):
            return part
        part.close()


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)


def is_named(part: BinaryIO) -> bool:
    """Whether the name still is this file: who had the lock before may have renamed or removed it."""
    try:
        return os.path.samestat(os.stat(part.name), os.fstat(part.fileno()))
    except FileNotFoundError:
        return False


def sweep(directory: str) -> None:
    """Remove downloads that were abandoned. One that is gone was completed by another task meanwhile."""
    for entry in os.scandir(directory):
        with suppress(BlockingIOError, FileNotFoundError):
            if entry.name.endswith(".part") and entry.stat().st_mtime < time.time() - ABANDONED:
                part = _lock(entry.path, wait=False)
                remove(entry.path)
                forget(entry.path)
                part.close()
