# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server's guest has said on its console: a worker reads it, as this API reaches no compute host."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..record import consoles
from ..record.database import now
from . import reading
from .context import RequestContext
from .errors import ApiError
from .main import THREADS
from .policies import HOST_ATTRIBUTES
from .site import Site

WAIT = 15  # seconds that a client waits at most
LOOK = 0.2  # seconds between two looks
MOST = THREADS // 2  # clients that wait at a time, so that all others are answered

_waiting = threading.BoundedSemaphore(MOST)


def output(site: Site, context: RequestContext, server_id: str, body: Any) -> dict[str, str]:
    """The last lines of it, as many as are asked for. ApiError 409 for a server that is nowhere yet, 503 where nobody
    has read it in time, or its host has not told it; then it is as good to ask again."""
    server = reading.one(site, context, server_id)
    host = server.instance.host
    if host is None:
        raise ApiError(409, "Instance %s is not ready" % server.id)
    told = _told(site, context, server.id, host)
    if told is None:
        raise ApiError(503, "No worker has read the console of instance %s in %d s: ask again." % (server.id, WAIT))
    if told["error"]:
        why = told["error"] if context.identity.may(HOST_ATTRIBUTES) else "its host has not told it"
        raise ApiError(503, "The console of instance %s: %s" % (server.id, why))
    return {"output": last_lines(told["output"] or "", body.get("length"))}


def _told(site: Site, context: RequestContext, identity: str, host: str) -> dict[str, Any] | None:
    """What a worker has told of it, in time."""
    database = site.database
    found = database.write(lambda connection: consoles.ask(database, connection, identity, host, now(connection)))
    if found is not None:
        return found
    site.wake({identity: ("console", context.request_id)})
    if not _waiting.acquire(blocking=False):
        raise ApiError(503, "%d clients wait for consoles already: ask again for that of %s." % (MOST, identity))
    try:
        return _waited(database, identity)
    finally:
        _waiting.release()


def _waited(database: Any, identity: str) -> dict[str, Any] | None:
    deadline = time.monotonic() + WAIT
    found = None
    while found is None and time.monotonic() < deadline:
        time.sleep(LOOK)
        with database.reading() as connection:
            found = consoles.answer(database, connection, identity)
    return found


def last_lines(text: str, length: Any) -> str:
    """The last so many lines of a text; all of them where that is not said, or -1."""
    most = -1 if length is None else int(length)
    if most < 0:
        return text
    return "\n".join(text.split("\n")[-most:]) if most else ""
