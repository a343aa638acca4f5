# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a request is made again, and after how long."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, Callable

# Seconds before the second, third and fourth attempt; a service may ask for more in Retry-After, up to the limit.
PAUSES = (0.5, 1.0, 2.0)
LIMIT = 10.0

# Answers that may be others a moment later; 501 and 505 are said for good.
PASSING = frozenset([408, 429, 500, 502, 503, 504])


def with_retries(attempt: Callable[[], Any], repeatable: bool, library: SimpleNamespace) -> Any:
    """What attempt() returns in the end, or raises.

    `repeatable` says that doing it twice is the same as doing it once. Without that it is done again only when
    nothing can have reached the service. What ran into a time limit has waited enough.
    """
    for pause in PAUSES:
        try:
            answer = attempt()
        except library.exceptions.ClientException as error:
            if not _passes(error, repeatable, library.exceptions):
                raise
        else:
            if not repeatable or getattr(answer, "status_code", None) not in PASSING:
                return answer
            pause = max(pause, _asked_for(answer))
        time.sleep(pause)
    return attempt()


def _passes(error: Exception, repeatable: bool, exceptions: Any) -> bool:
    """Whether an error may be gone a moment later.

    An HttpError is Keystone's: only there a refusal is raised. A time limit is no ConnectFailure.
    """
    if isinstance(error, exceptions.HttpError):
        return error.http_status in PASSING
    if isinstance(error, exceptions.DiscoveryFailure):
        return True
    return isinstance(error, exceptions.ConnectFailure) and (repeatable or _never_sent(error))


def _never_sent(error: Exception) -> bool:
    """Whether there was no connection at all: urllib3 says so, below requests, below keystoneauth."""
    reason = getattr(error.__context__, "args", (None,))[:1]
    return bool(reason) and type(getattr(reason[0], "reason", None)).__name__ == "NewConnectionError"


def _asked_for(answer: Any) -> float:
    """The seconds in Retry-After, within the limit; a date there is not worth a calendar."""
    value = answer.headers.get("Retry-After", "")
    return min(float(value), LIMIT) if value.isdigit() else 0.0
