# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until guests answer, all of them at once: connections that one selector watches, tried again until the end."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Iterable

# Seconds: how long one attempt may take, and from its beginning to the next, as sshd may still be about to start.
ATTEMPT = 5.0
PAUSE = 1.0

# So many at once, far below the files that a process may have open.
MOST = 256

# What a server may say before its banner (RFC 4253, 4.2), in bytes.
LONGEST = 8192

IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


@dataclass
class Guest:
    """One that is waited for; banner is how a line begins that it has to send, empty if a connection is enough.

    problem is what its last attempt ended with, seconds when it answered, None while it has not.
    """

    name: str
    address: str
    port: int
    banner: str = ""
    seconds: float | None = None
    problem: str = "it was not tried"
    due: float = 0.0
    began: float = 0.0
    heard: bytes = b""
    connection: Any = field(default=None, repr=False)

    def to_result(self) -> dict[str, Any]:
        """What a module tells of it."""
        told = {"name": self.name, "address": self.address, "port": self.port, "seconds": self.seconds}
        if self.seconds is not None:
            return {**told, "failed": False}
        return {**told, "failed": True, "msg": "%s port %d: %s" % (self.address, self.port, self.problem)}


def wait(guests: Iterable[Guest], timeout: float) -> None:
    """Until each has answered, or so many seconds have passed; what became of each is in it then."""
    began = time.monotonic()
    left = list(guests)
    with selectors.DefaultSelector() as selector:
        while left:
            now = time.monotonic()
            ends = began + timeout
            for guest in left:
                if guest.connection is not None and now >= min(ends, guest.began + ATTEMPT):
                    _end(selector, guest, _silence(selector, guest))
            if now >= ends:
                return
            _begin_due(selector, left, now)
            for key, _events in selector.select(_until_next(left, now, ends)):
                if _answered(selector, key.data):
                    key.data.seconds = round(time.monotonic() - began, 1)
            left = [guest for guest in left if guest.seconds is None]


def _begin_due(selector: Any, left: list[Guest], now: float) -> None:
    """Begin the attempts that are due, those first that have waited longest."""
    room = MOST - sum(1 for guest in left if guest.connection is not None)
    due = [guest for guest in left if guest.connection is None and guest.due <= now]
    for guest in sorted(due, key=lambda guest: guest.due)[:room]:
        guest.began, guest.due, guest.heard = now, now + PAUSE, b""
        try:
            family, kind, _protocol, _name, where = socket.getaddrinfo(
                guest.address, guest.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )[0]
            guest.connection = socket.socket(family, kind)
            guest.connection.setblocking(False)
            code = guest.connection.connect_ex(where)
        except OSError as error:
            _end(selector, guest, error.strerror or str(error))
            continue
        if code not in IN_PROGRESS:
            _end(selector, guest, os.strerror(code))
        else:
            selector.register(guest.connection, selectors.EVENT_WRITE, guest)


def _until_next(left: list[Guest], now: float, ends: float) -> float:
    """Seconds until an attempt is to begin or to end; with no room for another, those under way end first."""
    going = [guest.began + ATTEMPT for guest in left if guest.connection is not None]
    due = [guest.due for guest in left if guest.connection is None] if len(going) < MOST else []
    return max(0.0, min([ends, *going, *due]) - now)


def _answered(selector: Any, guest: Guest) -> bool:
    """Whether what has happened on the guest's connection is its answer."""
    code = guest.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        _end(selector, guest, os.strerror(code))
        return False
    if not guest.banner:
        _end(selector, guest, "")
        return True
    if selector.get_key(guest.connection).events == selectors.EVENT_WRITE:
        selector.modify(guest.connection, selectors.EVENT_READ, guest)
        return False
    try:
        heard = guest.connection.recv(1024)
    except OSError as error:
        _end(selector, guest, error.strerror or str(error))
        return False
    guest.heard += heard
    if any(line.startswith(guest.banner.encode()) for line in guest.heard.split(b"\n")):
        _end(selector, guest, "")
        return True
    if not heard or len(guest.heard) > LONGEST:
        _end(selector, guest, "it does not say %s" % guest.banner)
    return False


def _silence(selector: Any, guest: Guest) -> str:
    """What is the matter with an attempt that takes too long."""
    is_connected = selector.get_key(guest.connection).events == selectors.EVENT_READ
    return "it says nothing" if is_connected else os.strerror(errno.ETIMEDOUT)


def _end(selector: Any, guest: Guest, problem: str) -> None:
    """The end of an attempt."""
    guest.problem = problem
    if guest.connection is not None:
        if guest.connection.fileno() in selector.get_map():
            selector.unregister(guest.connection)
        guest.connection.close()
        guest.connection = None
