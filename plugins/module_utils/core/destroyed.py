# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances that are destroyed on a compute host, noted there for as long as another run may still be building them.

That run has lost the instance and does not know it yet: it asks here before it starts the guest.
{state_path}/destroyed/UUID, an empty file; no UUID comes again.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Iterable

from .change import Change
from .disk import disk_errors, make_directory, remove
from .documents import goes_on, is_deleting, is_remainder
from .errors import Unavailable

# Seconds; no build takes so long.
KEPT = 7 * 24 * 3600


@dataclass(frozen=True)
class Destroyed:
    """An instance that is destroyed."""

    uuid: str

    @property
    def key(self) -> str:
        """The instance's UUID."""
        return self.uuid

    def over(self, before: Destroyed | None) -> Destroyed:
        """It is noted, and stays so."""
        return self


def parse(params: dict[str, Any]) -> list[Destroyed]:
    """The instances that go for good; one that is elsewhere, and of which this host is to be rid, may come back."""
    going = [document for document in params["instances"] if goes_on(document) and is_deleting(document)]
    return [Destroyed(each["uuid"]) for each in going if not is_remainder(each) and not each.get("abandoned")]


def connect(params: dict[str, Any]) -> Notes:
    """The notes of this host."""
    return Notes(os.path.join(params["state_path"], "destroyed"))


class Notes:
    """The files."""

    def __init__(self, directory: str):
        self.directory = directory

    def read(self, wanted: Iterable[Destroyed]) -> dict[str, Destroyed]:
        """Those that are noted."""
        return {item.key: item for item in wanted if os.path.exists(os.path.join(self.directory, item.uuid))}

    def apply(self, changes: list[Change]) -> dict[str, Destroyed]:
        """Note them, and forget those of long ago."""
        with disk_errors(self.directory):
            if changes:
                make_directory(self.directory)
                self._sweep()
            for change in changes:
                os.close(os.open(os.path.join(self.directory, change.key), os.O_CREAT | os.O_WRONLY, 0o600))
        return {change.key: change.after for change in changes}

    def _sweep(self) -> None:
        for entry in os.scandir(self.directory):
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime < time.time() - KEPT:
                    remove(entry.path)


def check(state_path: str, instance_uuid: str) -> None:
    """Unavailable if the instance has been destroyed here."""
    if connect({"state_path": state_path}).read([Destroyed(instance_uuid)]):
        raise Unavailable("another run has destroyed it while it was being built")
