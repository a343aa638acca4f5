# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for guests, with real sockets that answer, late, otherwise or not at all."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.guest import wait as waiting
from ansible_collections.kvmstack.launch.plugins.module_utils.guest.wait import Guest, wait

BANNER = b"SSH-2.0-test\r\n"
SSH = "SSH-"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(waiting, "ATTEMPT", 0.4)
    monkeypatch.setattr(waiting, "PAUSE", 0.1)


@pytest.fixture
def serve():
    """A server that says such things to one connection after the other, the last of them to all that follow.

    After so many seconds; it gives its port. None says nothing, and holds the connection, as who says too much does.
    """
    with ExitStack() as stack:

        def serve(*said, after=0.0, address="127.0.0.1"):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            server = stack.enter_context(socket.socket(family))
            server.bind((address, 0))
            if not after:
                server.listen(512)
            threading.Thread(target=speak, args=(server, after, list(said)), daemon=True).start()
            return server.getsockname()[1]

        def speak(server, after, said):
            held = []
            if after:
                time.sleep(after)
                server.listen()
            while True:
                try:
                    connection, _address = server.accept()
                except OSError:
                    return
                words = said.pop(0) if len(said) > 1 else said[0]
                if words is None:
                    held.append(connection)
                    continue
                connection.sendall(words)
                held.append(connection)
                if len(words) < waiting.LONGEST:
                    held.pop().close()

        yield serve


def waited(*guests, timeout=3.0):
    """What is told of the guests, and how long it took."""
    began = time.monotonic()
    wait(guests, timeout)
    assert all(guest.connection is None for guest in guests)
    return [guest.to_result() for guest in guests], time.monotonic() - began


@pytest.mark.parametrize(
    ("said", "banner"),
    [
        pytest.param([b""], "", id="a connection"),
        pytest.param([BANNER], SSH, id="a banner"),
        pytest.param([b"Welcome\r\n" * 9 + BANNER], SSH, id="lines before it"),
        pytest.param([b"", b"busy\r\n", BANNER], SSH, id="not at once"),
        pytest.param([None, BANNER], SSH, id="at first not at all"),
    ],
)
def test_who_answers(serve, said, banner):
    [guest], took = waited(Guest("web", "127.0.0.1", serve(*said), banner))
    assert (guest["failed"], guest["seconds"] <= took + 0.1, took < 2) == (False, True, True)


def test_who_answers_late(serve):
    [guest], took = waited(Guest("web", "127.0.0.1", serve(BANNER, after=0.5), SSH))
    assert (guest["failed"], 0.4 < guest["seconds"] < 2, took < 2) == (False, True, True)


def test_who_answers_over_ipv6(serve):
    assert waited(Guest("web", "::1", serve(BANNER, address="::1"), SSH))[0][0]["failed"] is False


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param([b"220 mail\r\n"], "it does not say SSH-", id="something else"),
        pytest.param([b"x" * 9000], "it does not say SSH-", id="too much"),
        pytest.param([None], "it says nothing", id="nothing"),
    ],
)
def test_who_does_not_answer(serve, said, words):
    port = serve(*said)
    [guest], took = waited(Guest("web", "127.0.0.1", port, SSH), timeout=0.9)
    assert (guest["failed"], guest["seconds"], guest["msg"]) == (True, None, "127.0.0.1 port %d: %s" % (port, words))
    assert 0.8 < took < 1.5


def test_where_nobody_listens():
    [guest, other], _took = waited(Guest("web", "127.0.0.1", 1), Guest("db", "no address", 1), timeout=0.3)
    assert guest["msg"] == "127.0.0.1 port 1: Connection refused"
    assert (other["failed"], "no address port 1: " in other["msg"]) == (True, True)


def test_all_at_once(serve):
    guests = [Guest("late-%d" % index, "127.0.0.1", serve(BANNER, after=0.5), SSH) for index in range(20)]
    quick, silent = serve(BANNER), serve(None)
    results, took = waited(*guests, Guest("quick", "127.0.0.1", quick, SSH), Guest("off", "127.0.0.1", silent, SSH),
                           timeout=2.0)  # fmt: skip
    assert [each["name"] for each in results if each["failed"]] == ["off"]
    assert results[-2]["seconds"] <= min(each["seconds"] for each in results[:20])
    assert took < 2.5


def test_more_than_may_be_tried_at_once(serve, monkeypatch):
    monkeypatch.setattr(waiting, "MOST", 4)
    until_next, open_at_once = waiting._until_next, []

    def watched(left, *moments):
        open_at_once.append(sum(guest.connection is not None for guest in left))
        return until_next(left, *moments)

    monkeypatch.setattr(waiting, "_until_next", watched)
    silent, port = serve(None), serve(BANNER)
    guests = [Guest("off-%d" % index, "127.0.0.1", silent, SSH) for index in range(6)]
    guests += [Guest("web-%d" % index, "127.0.0.1", port, SSH) for index in range(20)]
    results, _took = waited(*guests, timeout=2.5)
    assert [each["failed"] for each in results] == [True] * 6 + [False] * 20
    assert max(open_at_once) == 4
    assert len(open_at_once) < 500, "it looks again and again"


@pytest.mark.parametrize(("port", "status"), [(None, 0), (1, 1)])
def test_the_module_tells_who_did_not(serve, port, status):
    port = port or serve(b"")
    asked = {"guests": [{"name": "web", "address": "127.0.0.1", "port": port}], "timeout": 1}
    program = "from ansible_collections.kvmstack.launch.plugins.modules.guest_wait import main\n"
    program += "from ansible.module_utils.testing import patch_module_args\nimport json, sys\n"
    program += "with patch_module_args(json.load(sys.stdin)):\n    main()\n"
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["guests"][0]["failed"]) == (status, bool(status)), done.stderr
    assert told.get("msg", "") == ("web: 127.0.0.1 port 1: Connection refused" if status else "")
