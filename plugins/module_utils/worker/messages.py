# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The messages that wake a worker. Each is held, in a thread, until the record has what became of its request.

So a broker gives those of a worker that dies to another one. What to do is nothing that a message says: the worker
claims what waits in the record, whoever told of it.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import uuid
from contextlib import suppress
from typing import Any, Container

from ..service import broker
from ..service.settings import Settings
from ..service.transport import DEAD, EVENT, EXCHANGE, TOPICS, Transport, publisher, url_of

HELD = 50  # messages that one worker holds at most; a thread each
SHOWN = 2000  # characters of a message that nobody can read
PATIENCE = 5  # seconds for the broker to take the last answers

log = logging.getLogger("kvmstack.worker")


class Held:
    """A message that waits for its answer."""

    def __init__(self, instance_uuid: str, request_id: str):
        self.instance_uuid = instance_uuid
        self.request_id = request_id
        self.answered = threading.Event()
        self.done = False

    def answer(self, done: bool) -> None:
        """Have it acknowledged, or else given to another worker."""
        self.done = done
        self.answered.set()


class Messages:
    """A worker's ear at the broker. bell can be read when a message has come (service/wake.py's was_called)."""

    def __init__(self, settings: Settings):
        self._url = url_of(settings)
        transport = Transport(self._url, prefetch=HELD)
        self.bell, self._rope = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._dead = transport.notifier(DEAD, publisher("kvmstack-worker"))
        self._server = transport.listener(TOPICS, self._read)
        self._lock = threading.Lock()
        self._held: list[Held] = []
        self._stopped = False

    def listen(self) -> None:
        """Begin, in the background: a broker that is away is waited for there."""
        threading.Thread(target=self._listen, name="listener", daemon=True).start()

    def _listen(self) -> None:
        try:
            self._server.start(override_pool_size=HELD)
            broker.declare(self._url, EXCHANGE, DEAD + ".error")  # for what the broker itself refuses
        except Exception as error:  # a library's, of whatever kind: the worker does without
            log.error("the transport cannot be listened to: %s: requests are found by looking", error)
        else:
            log.info("listens to %s", ", ".join(TOPICS))

    def held(self) -> list[Held]:
        """What waits for an answer."""
        with self._lock:
            return list(self._held)

    def answer(self, settled: Container[tuple[str, str]]) -> None:
        """Acknowledge the messages of these requests, by instance and id."""
        for each in self.held():
            if (each.instance_uuid, each.request_id) in settled:
                each.answer(True)

    def stop(self) -> None:
        """Give back what is held, and listen no more; soon, also where the broker does not answer."""
        with self._lock:
            self._stopped = True
            held = list(self._held)
        for each in held:
            each.answer(False)
        ending = threading.Thread(target=self._end, name="ending", daemon=True)
        ending.start()
        ending.join(PATIENCE)

    def _end(self) -> None:
        with suppress(Exception):  # of a library that is not needed any more
            self._server.stop()
            self._server.wait()

    def _read(self, message: Any) -> bool:
        """Whether a message is done with: in a thread of the library's, which waits for that."""
        try:
            held = parsed(message)
        except ValueError as error:
            self._bury(message, str(error))
            return True
        with self._lock:
            if self._stopped:
                return False
            self._held.append(held)
        self._ring()
        held.answered.wait()
        with self._lock:
            self._held.remove(held)
        return held.done

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # it has rung often enough
            self._rope.send(b"")

    def _bury(self, message: Any, why: str) -> None:
        """A message that nobody can read goes where people can look at it, with the reason."""
        log.warning("a message cannot be read: %s", why)
        shown = json.dumps(message, default=str)[:SHOWN]
        with suppress(Exception):  # of a library; the warning has told it
            self._dead.error({}, "unreadable", {"reason": why, "message": shown})


def parsed(message: Any) -> Held:
    """The request that a message tells of; ValueError says what is wrong with one that tells of none."""
    if not isinstance(message, dict) or message.get("event_type") != EVENT:
        raise ValueError("its event_type is not %s" % EVENT)
    payload = message.get("payload")
    if not isinstance(payload, dict):
        raise ValueError("its payload is no mapping")
    try:
        instance_uuid = str(uuid.UUID(payload.get("instance_uuid")))
    except (AttributeError, TypeError, ValueError):
        raise ValueError("its instance_uuid is no UUID") from None
    request_id = payload.get("request_id")
    if not isinstance(request_id, str) or not request_id:
        raise ValueError("it has no request_id")
    return Held(instance_uuid, request_id)
