# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ends of guests' consoles, as libvirt's log daemon keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..core.convert import canonical_uuid
from ..core.names import instance_path

MOST = 102400  # bytes of one console that are told, the last ones (nova/virt/libvirt/driver.py, MAX_CONSOLE_BYTES)


@dataclass(frozen=True)
class Console:
    """The end of one guest's console; output is None where the host has none."""

    instance_uuid: str
    output: str | None

    def to_result(self) -> dict[str, Any]:
        """What the query tells of it."""
        return {"instance_uuid": self.instance_uuid, "output": self.output}


def find(params: dict[str, Any]) -> list[Console]:
    """The ends of the consoles of params["instances"], in their order."""
    wanted = [canonical_uuid(each, "instances[%d]" % place) for place, each in enumerate(params["instances"])]
    return [Console(each, _end(instance_path(params["state_path"], each, "console.log"))) for each in wanted]


def _end(path: str) -> str | None:
    """The last bytes of a log, and of the one before where it has just been rolled over; None if there is none."""
    found = _last(path, MOST)
    if found is None:
        return None
    if len(found) < MOST:
        found = (_last(path + ".0", MOST - len(found)) or b"") + found
    return found.decode("utf-8", "replace").replace("\0", "")


def _last(path: str, most: int) -> bytes | None:
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - most, 0))
            return file.read(most)
    except FileNotFoundError:
        return None
