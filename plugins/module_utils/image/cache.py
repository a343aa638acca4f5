# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bases that a compute host has, and which of them nobody needs: as nova's image cache (nova/virt/imagecache.py).

A base's time of modification is when a root disk was last laid over it, or removed.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from glob import escape, glob
from typing import Any, Iterator, Mapping

from ..core.change import Change
from ..core.convert import whole
from ..core.diff import line
from ..core.disk import disk_errors, in_use, remove
from ..core.errors import Conflict, LaunchError
from ..core.names import instance_path
from .base import let_go
from .url import read_header

# nova's remove_unused_original_minimum_age_seconds.
OPTIONS = {"minimum_age": {"type": "int", "default": 24 * 3600}}

# What is being made is called like the file that it becomes, and this.
PART = ".part"


@dataclass(frozen=True)
class Base:
    """A file of the cache.

    size: the bytes that it takes; age: the seconds since a root disk was laid over it or removed.
    used_by: how many root disks lie over it; in_use: a guest has it open, whatever the root disks say.
    """

    path: str
    size: int
    age: int
    used_by: int
    in_use: bool = False

    @property
    def key(self) -> str:
        return self.path

    def to_result(self) -> dict[str, Any]:
        """Its fields."""
        return {"name": os.path.basename(self.path), **vars(self)}


def as_text(base: Base, whole: bool) -> str:
    """What a diff shows of a base."""
    return line("base %s" % os.path.basename(base.path), {"bytes": base.size, "unused for seconds": base.age})


def parse(params: Mapping[str, Any]) -> list[int]:
    """For how many seconds a base has to be unused; nothing else is asked for."""
    return [whole(params["minimum_age"], "minimum_age", least=0)]


def connect(params: Mapping[str, Any]) -> Cache:
    """The bases below state_path of this host."""
    return Cache(params["state_path"])


def plan(wanted: list[int], current: Mapping[str, Base], state: str) -> list[Change]:
    """Those that no root disk lies over, and no guest has open, go when they are old enough."""
    [minimum_age] = wanted
    return [Change(base, base, base if _stays(base, minimum_age) else None) for base in current.values()]


def _stays(base: Base, minimum_age: int) -> bool:
    return bool(base.used_by) or base.in_use or base.age < minimum_age


class Cache:
    """Reads and changes the cache of a host."""

    def __init__(self, state_path: str) -> None:
        self.state_path = state_path
        self.directory = os.path.join(state_path, "base")

    def read(self, wanted: list[int]) -> dict[str, Base]:
        """The bases by path. Conflict where a root disk does not say what it lies over: any of them may be it."""
        with disk_errors(self.directory):
            used, moment = Counter(self._used()), time.time()
            paths = sorted(glob(os.path.join(escape(self.directory), "*")))
            found = [_look(path, used, moment) for path in paths if not path.endswith((PART, ".part.json"))]
            return {base.path: base for base in found if base is not None}

    def _used(self) -> Iterator[str]:
        """What the root disks lie over, by its real path."""
        for path in glob(instance_path(escape(self.state_path), "*", "root.qcow2*")):
            base = _backing_file(path)
            if base is not None:
                yield os.path.realpath(base)

    def apply(self, changes: list[Change]) -> dict[str, Base | LaunchError]:
        """Remove bases, but not those that somebody has begun to use meanwhile; one that cannot go stops no other."""
        outcome: dict[str, Base | LaunchError] = {}
        for change in changes:
            try:
                with disk_errors(self.directory):
                    self._remove(change.key)
                outcome[change.key] = change.before
            except LaunchError as error:
                outcome[change.key] = error
        return outcome

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError), let_go(path) as unused:
            if not unused or os.path.realpath(path) in self._used():
                raise Conflict("it is in use by now")
            remove(path)


def _look(path: str, used: Mapping[str, int], moment: float) -> Base | None:
    """A base; None for what is none, or has just been removed."""
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    age = max(0, int(moment - facts.st_mtime))
    return Base(path, facts.st_blocks * 512, age, used[os.path.realpath(path)], in_use(path))


def _backing_file(path: str) -> str | None:
    """What a root disk lies over, if over anything. One that has gone, or was never finished, needs nothing."""
    try:
        return read_header(path).backing_file
    except FileNotFoundError:
        return None
    except Conflict:
        if path.endswith(PART):  # who is making it has its base open; the next run makes it anew
            return None
        raise
