# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that are to be off: asked to shut down, all at once, and cut off when their time is over.

As nova's clean shutdown (nova/conf/compute.py, shutdown_timeout and shutdown_retry_interval).
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Mapping

# Seconds after which a guest is asked again (it may not have heard while it booted), and between two looks at it.
RETRY = 10
POLL = 0.1


def shut_down(libvirt: Any, handles: Mapping[str, Any], timeout: int) -> dict[str, Exception]:
    """Turn guests off within that many seconds, by a push of their power buttons, else by force; 0 is force at once.

    handles are by key; gives by key the libvirtError of those that could not be turned off.
    """
    failed: dict[str, Exception] = {}
    running = dict(handles)
    begin = pushed = time.monotonic()
    push = timeout > 0
    while running:
        for key, handle in list(running.items()):
            try:
                if push:
                    _push(libvirt, handle)
                elif time.monotonic() - begin >= timeout:
                    _cut_off(libvirt, handle)
                if not handle.isActive():
                    del running[key]
            except libvirt.libvirtError as error:
                failed[key] = error
                del running[key]
        push = time.monotonic() - pushed >= RETRY
        pushed = time.monotonic() if push else pushed
        if running:
            time.sleep(POLL)
    return failed


def _push(libvirt: Any, handle: Any) -> None:
    """Push the power button; a guest that is paused, or has just gone off, has none."""
    with suppress(libvirt.libvirtError):
        handle.shutdown()


def _cut_off(libvirt: Any, handle: Any) -> None:
    try:
        handle.destroy()
    except libvirt.libvirtError:
        if handle.isActive():
            raise
