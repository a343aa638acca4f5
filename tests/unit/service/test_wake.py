# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waking workers, with real sockets; and the log that they write."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.service import log, wake

DEAD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.kvmstack.launch.plugins.module_utils.service import wake
wake.listen(sys.argv[2])
os._exit(0)
"""


@pytest.fixture(params=["short", "long" * 40])
def folder(tmp_path, request):
    return str(tmp_path / request.param / "wake")


def test_a_call_is_heard(folder):
    assert wake.call(folder) == 0, "nobody is there"
    heard = wake.listen(folder)
    assert not wake.was_called(heard)
    assert wake.call(folder) == 1
    assert select.select([heard], [], [], 5)[0]
    assert wake.was_called(heard)
    assert not wake.was_called(heard)
    for _call in range(5000):
        assert wake.call(folder) == 1, "a worker that does not listen keeps nobody waiting"
    wake.close(heard, folder)
    assert (wake.call(folder), os.listdir(folder)) == (0, [])


def test_the_dead_are_forgotten_and_the_living_called(folder):
    path = next(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections")))
    subprocess.run([sys.executable, "-c", DEAD, path, folder], check=True)
    heard = wake.listen(folder)
    assert len(os.listdir(folder)) == 2
    assert wake.call(folder) == 1
    assert len(os.listdir(folder)) == 1
    wake.close(wake.listen(folder), folder)  # as after an earlier process of its number
    heard.close()


def test_what_is_no_socket_is_left_alone(folder):
    heard = wake.listen(folder)
    stray = os.path.join(folder, "notes")
    with open(stray, "w"):
        pass
    os.symlink(stray, os.path.join(folder, "link"))
    os.mkdir(os.path.join(folder, "more"))
    assert wake.call(folder) == 1
    assert len(os.listdir(folder)) == 4
    heard.close()


def test_a_line_says_whose_request_it_is_about(capfd):
    lines = log.begin("kvmstack.launch.test")
    lines.info("begun")
    lines.warning("%s is late", "web", extra=log.about("req-1", "uuid-1"))
    first, second = capfd.readouterr().err.splitlines()
    begins = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} %d " % os.getpid()
    assert re.fullmatch(begins + r"INFO kvmstack.launch.test \[-\] begun", first)
    assert re.fullmatch(begins + r"WARNING kvmstack.launch.test \[req-1\] \[instance: uuid-1\] web is late", second)
