# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image that is a file of this host: opened with care, copied with its holes."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ..core.disk import check_room
from ..core.errors import InvalidRequest, NotFound, Unavailable
from .source import Source, check_size

CHUNK = 1024 * 1024


def open_file(source: Source) -> BinaryIO:
    """The file behind a file:// url, open; InvalidRequest unless it is in a folder of the policy's, links followed."""
    path = unquote(urlsplit(source.url).path)
    real = os.path.realpath(path)
    folders = [os.path.join(os.path.realpath(folder), "") for folder in source.policy.folders]
    if not real.startswith(tuple(folders)):
        folders = " and ".join(source.policy.folders) or "all folders, as launch_image_sources names none"
        raise source.error(
            InvalidRequest,
            "is a file outside of %s: move it there, or add its folder to launch_image_sources" % folders,
            public="is a file where no image is had from",
        )
    try:
        # Not to wait for the other end of a pipe; nor to follow what has become a link meanwhile.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
        file = open(os.open(real, flags), "rb", buffering=0)  # noqa: SIM115
    except (FileNotFoundError, NotADirectoryError) as error:
        raise source.error(NotFound, "there is no such file on this host") from error
    except (OSError, ValueError) as error:
        raise source.error(InvalidRequest, str(error), public="cannot be read") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise source.error(InvalidRequest, "is not a file")
    return file


def file_version(file: BinaryIO) -> str:
    facts = os.fstat(file.fileno())
    return "%d|%d" % (facts.st_mtime_ns, facts.st_size)


def copy(source: Source, part: BinaryIO, most: int) -> str:
    """Copy a local file of at most so many bytes as it is, holes as holes, sharing its blocks where the disk can; its
    version."""
    part.truncate(0)
    with open_file(source) as file:
        before, size = file_version(file), os.fstat(file.fileno()).st_size
        check_size(source, size, most)
        if os.fstat(file.fileno()).st_dev != os.fstat(part.fileno()).st_dev:
            check_room(os.path.dirname(part.name), os.fstat(file.fileno()).st_blocks * 512)
        end = 0
        while end < size:
            start, end = _next_data(file.fileno(), end, size)
            _copy_range(file.fileno(), part.fileno(), start, end)
        part.truncate(size)
        if file_version(file) != before:
            raise Unavailable("url %s: changed while it was being copied; run again" % source.url)
        return before


def _next_data(descriptor: int, offset: int, size: int) -> tuple[int, int]:
    """Where the next data begins and ends; the end of the file if there is none any more."""
    try:
        start = os.lseek(descriptor, offset, os.SEEK_DATA)
        return start, os.lseek(descriptor, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size, size
        raise


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    """Copy bytes to the same place of another file; by the kernel if it can."""
    while start < end:
        try:
            done = os.copy_file_range(source, target, end - start, start, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
                raise
            done = os.pwrite(target, os.pread(source, min(CHUNK, end - start), start), start)
        if not done:
            raise Unavailable("a local file became shorter while it was being copied; run again")
        start += done
