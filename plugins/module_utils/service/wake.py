# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waking the workers of this machine: a datagram without content, which may be lost.

Each worker listens on a socket of its own in one folder. Nothing hangs on a call that is not heard: a worker looks
every few seconds anyway.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import closing, contextmanager, suppress
from typing import Iterator

TYPE = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK


def listen(folder: str) -> socket.socket:
    """A socket on which this process is woken; OSError where there can be none."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    heard = socket.socket(socket.AF_UNIX, TYPE)
    name = "%d.sock" % os.getpid()
    try:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))  # of an earlier process of this number
        with _within(folder) as short:
            heard.bind(os.path.join(short, name))
    except OSError:
        heard.close()
        raise
    return heard


def was_called(heard: socket.socket) -> bool:
    """Whether anybody has called since the last time."""
    called = False
    with suppress(BlockingIOError):
        while True:
            heard.recv(1)
            called = True
    return called


def close(heard: socket.socket, folder: str) -> None:
    """Listen no more."""
    heard.close()
    with suppress(OSError):
        os.unlink(os.path.join(folder, "%d.sock" % os.getpid()))


def call(folder: str) -> int:
    """Wake the workers that listen there, and forget those that have died; how many have been called."""
    try:
        with closing(socket.socket(socket.AF_UNIX, TYPE)) as caller, _within(folder) as short:
            return sum(_called(caller, os.path.join(short, name)) for name in os.listdir(short))
    except OSError:  # there is no such folder, so nobody has ever listened
        return 0


def _called(caller: socket.socket, path: str) -> bool:
    try:
        caller.sendto(b"", path)
    except BlockingIOError:  # it has more calls than it has heard
        return True
    except ConnectionRefusedError:  # a dead one's, or no socket at all, which is not ours to take away
        with suppress(OSError):
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
        return False
    except OSError:
        return False
    return True


@contextmanager
def _within(folder: str) -> Iterator[str]:
    """A short path of a folder for as long as it is used: a socket's has at most 107 characters (unix(7))."""
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield "/proc/self/fd/%d" % there
    finally:
        os.close(there)
