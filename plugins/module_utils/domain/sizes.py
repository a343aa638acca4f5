# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of its volumes a running guest sees: what a service made larger, QEMU has to be told."""

from __future__ import annotations

from typing import Any

from ..core.errors import Unavailable
from .changes import set_sizes
from .device import Disk
from .timeout import TimedOut, call_with_timeout

# Seconds that QEMU has to tell the size of a disk, or to take on a new one.
TIMEOUT = 30


def read(handle: Any, wanted: tuple | None, found: tuple | None) -> dict[str, int]:
    """The bytes that a running guest sees, by role, of the volumes whose service says a size."""
    asked = {disk.role for disk in wanted or () if disk.size}
    return {disk.role: _patient(disk, handle.blockInfo, disk.target)[0] for disk in found or () if disk.role in asked}


def grow(libvirt: Any, handle: Any, before: tuple | None, after: tuple | None) -> tuple | None:
    """Let a running guest see all of its volumes; gives them as they then are."""
    sizes = {disk.role: disk.size for disk in before or ()}
    for disk in after or ():
        if sizes.get(disk.role) and disk.size != sizes[disk.role]:
            _patient(disk, handle.blockResize, disk.target, disk.size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            sizes[disk.role] = disk.size
    return set_sizes(before, sizes)


def _patient(disk: Disk, call: Any, *arguments: Any) -> Any:
    try:
        return call_with_timeout(TIMEOUT, call, *arguments)
    except TimedOut:
        raise Unavailable(
            "volume %s: QEMU did not answer in %d s: see that its storage answers, and run again" % (disk.role, TIMEOUT)
        ) from None
