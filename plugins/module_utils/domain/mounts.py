# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shares that are mounted on the host for disks in them, once each, for as long as a domain has one.

They are written down beside where they are mounted, as fstab(5) has it, for the next boot: the unit kvmstack-guests of
the role compute_host mounts them before libvirt brings the guests back.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager, nullcontext, suppress
from typing import Callable, ContextManager, Iterable, Iterator

from ..core.command import command
from ..core.disk import disk_errors, make_directory, put_in_place
from ..core.errors import LaunchError, Unavailable
from .device import Mount

# Seconds that a server has to answer.
TIMEOUT = 60
_OCTAL = re.compile(r"\\([0-7]{3})")
_SPECIAL = re.compile(r"[\s\\#]")


class Mounts:
    """The shares below {state_path}/mnt. libvirt's domains tell which of them are in use."""

    def __init__(self, state_path: str, sources: Callable[[], Iterable[str]]):
        self.directory = os.path.join(state_path, "mnt")
        self._table = os.path.join(self.directory, "fstab")
        self._sources = sources

    def held(self, needed: bool) -> ContextManager:
        """While a run prepares domains that need shares, no other run unmounts one."""
        return self._locked(fcntl.LOCK_SH) if needed else nullcontext()

    def mount(self, mount: Mount) -> None:
        """Mount a share unless it is, now and at the next boot; Unavailable, with what mount says, if that fails."""
        make_directory(mount.path)
        if mount.path not in mounted():
            self._mount(mount)
        if mount.path not in self._written():
            options = mount.options[-1] if mount.options else "defaults"
            with open(self._table, "a", encoding="utf-8") as file:
                file.write(" ".join(map(_escaped, (mount.export, mount.path, "nfs", options, "0", "0"))) + "\n")

    def _mount(self, mount: Mount) -> None:
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
            unused = self._unused()
            for path in unused:
                with suppress(LaunchError, OSError):
                    if path in mounted():
                        command("umount", path, package="mount", timeout=TIMEOUT)
                    os.rmdir(path)
            with open(self._table + ".part", "w", encoding="utf-8") as file:
                file.writelines(line for path, line in self._written().items() if path not in unused)
            put_in_place(file.name, self._table)

    def _unused(self) -> list[str]:
        mine = {path for path in mounted() if os.path.dirname(path) == self.directory} | set(self._written())
        sources = list(self._sources()) if mine else []
        return [path for path in mine if not any(source.startswith(path + "/") for source in sources)]

    def _written(self) -> dict[str, str]:
        """The lines of what is to be mounted at the next boot, by where."""
        try:
            with open(self._table, encoding="utf-8") as file:
                return {_unescaped(line.split(" ")[1]): line for line in file}
        except FileNotFoundError:
            return {}

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
        return {_unescaped(line.split(" ")[4]) for line in file}


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\%03o" % ord(found[0]), text)


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
