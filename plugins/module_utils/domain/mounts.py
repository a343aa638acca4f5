# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shares that are mounted on the host for disks in them, once each, for as long as a domain has one."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager, nullcontext, suppress
from typing import Callable, ContextManager, Iterable, Iterator

from ..core.command import command
from ..core.disk import disk_errors, make_directory
from ..core.errors import LaunchError, Unavailable
from .device import Mount

# Seconds that a server has to answer.
TIMEOUT = 60
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mounts:
    """The shares below {state_path}/mnt. libvirt's domains tell which of them are in use."""

    def __init__(self, state_path: str, sources: Callable[[], Iterable[str]]):
        self.directory = os.path.join(state_path, "mnt")
        self._sources = sources

    def held(self, needed: bool) -> ContextManager:
        """While a run prepares domains that need shares, no other run unmounts one."""
        return self._locked(fcntl.LOCK_SH) if needed else nullcontext()

    def mount(self, mount: Mount) -> None:
        """Mount a share unless it is; Unavailable, with what mount says, if that fails."""
        make_directory(mount.path)
        if mount.path in mounted():
            return
        try:
            command("mount", "-t", "nfs", *mount.options, mount.export, mount.path, package="mount", timeout=TIMEOUT)
        except LaunchError as error:
            if mount.path in mounted():  # by a run beside this one
                return
            with suppress(OSError):
                os.rmdir(mount.path)
            raise Unavailable(
                "share %s: %s; see that this host has nfs-common and reaches the server" % (mount.export, error)
            ) from error

    def sweep(self) -> None:
        """Unmount what no domain of this host has a disk in, as far as nobody else has."""
        if not self._unused():
            return
        with self._locked(fcntl.LOCK_EX):
            for path in self._unused():
                with suppress(LaunchError, OSError):
                    command("umount", path, package="mount", timeout=TIMEOUT)
                    os.rmdir(path)

    def _unused(self) -> list[str]:
        mine = [path for path in mounted() if os.path.dirname(path) == self.directory]
        sources = list(self._sources()) if mine else []
        return [path for path in mine if not any(source.startswith(path + "/") for source in sources)]

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """The lock ends with the process, however it ends."""
        with disk_errors(self.directory):
            make_directory(self.directory)
            descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def mounted(table: str = "/proc/self/mountinfo") -> set[str]:
    """Where something is mounted. The kernel knows it also where a mount has the device of what is around it."""
    with open(table, encoding="utf-8", errors="surrogateescape") as file:
        return {_OCTAL.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in file}
