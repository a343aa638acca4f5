# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls that may never return, as storage that does not answer makes them."""

from __future__ import annotations

import threading
from typing import Any, Callable


class TimedOut(Exception):
    """A call has not returned in time. It goes on, and nobody waits for it."""


def call_with_timeout(seconds: float, call: Callable, *arguments: Any) -> Any:
    """What a call returns or raises; TimedOut if it takes longer."""
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, call(*arguments)))
        except Exception as error:
            outcome.append((False, error))

    # The process may end before the thread does.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimedOut
    done, result = outcome[0]
    if not done:
        raise result
    return result
