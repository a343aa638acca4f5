# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sending to a broker without waiting for it: in a thread that begins with the first message."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any, Callable

from ..core.errors import LaunchError

MOST = 1000  # messages that wait to be sent


class Sender:
    """send() gives each message to act(*message) in turn. What cannot be sent is lost, and logged with what that means.

    act raises whatever it likes.
    """

    def __init__(self, act: Callable[..., None], log: logging.Logger, lost: str):
        self._act = act
        self._log = log
        self._lost = lost
        self._waiting: queue.Queue = queue.Queue(MOST)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, *message: Any) -> None:
        """Have it sent soon."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self._log.warning("the transport is behind: %s", self._lost)

    def end(self, seconds: float) -> None:
        """Wait so long at most until all is sent."""
        until = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.05)

    def _run(self) -> None:
        while True:
            message = self._waiting.get()
            try:
                self._act(*message)
            except LaunchError as error:
                self._log.warning("%s: %s", error, self._lost)
            except Exception as error:  # a library's, of whatever kind: the next message may do better
                self._log.warning("the transport failed (%s): %s", type(error).__name__, self._lost)
            finally:
                self._waiting.task_done()
