# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which process a run is known, and whether it still goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import lease

NOW = datetime(2026, 1, 2, 3, 4, 5)
# ansible-playbook's shape: a process whose workers are copies of it and start the modules through a shell.
PLAYBOOK = """
import os, subprocess, sys
module = [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); "
          "from ansible_collections.kvmstack.launch.plugins.module_utils.record import lease; "
          "print(lease.this_run(), flush=True)", sys.argv[1]]
print(os.getpid(), flush=True)
for _task in range(2):
    if os.fork() == 0:
        os.setsid()
        subprocess.run("true; exec " + " ".join("'%s'" % word for word in module), shell=True, check=True)
        os._exit(0)
    os.wait()
"""


def process(**more):
    return subprocess.Popen(["sleep", "60"], **more)


def run_of(pid):
    return "host:%d:%d:%s" % (pid, lease._process(pid)[1], lease._machine())


def test_a_run_is_its_playbook_in_every_task(tmp_path):
    script = tmp_path / "ansible-playbook"
    script.write_text(PLAYBOOK)
    path = next(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections")))
    done = subprocess.run([sys.executable, str(script), path], capture_output=True, text=True, check=True)
    pid, first, second = done.stdout.split()
    assert first == second
    assert first.split(":")[1] == pid


def test_without_a_playbook_it_is_the_session():
    run = lease.RUN.fullmatch(lease.this_run())
    assert int(run["pid"]) == os.getsid(0) or lease._playbook()
    assert lease.is_alive(lease.this_run())


def test_a_process_lives_until_it_is_killed():
    with process() as child:
        run = run_of(child.pid)
        assert lease.is_alive(run) is True
        earlier = run.replace(":%d:" % lease._process(child.pid)[1], ":1:")
        assert lease.is_alive(earlier) is False, "another of its number"
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lease.is_alive(run) is False, "a zombie"
    assert lease.is_alive(run) is False


@pytest.mark.parametrize(
    "run",
    [
        pytest.param("host:1:1:00000000-0000-0000-0000-000000000000/1", id="of another machine"),
        pytest.param("worker-7", id="with a name of its own"),
    ],
)
def test_what_cannot_be_seen_from_here(run):
    assert lease.is_alive(run) is None


THERE = "there:%d:1:00000000-0000-0000-0000-000000000000/1"


@pytest.mark.parametrize(
    ("run", "worker", "left_behind"),
    [
        pytest.param(THERE % 2, THERE % 1, True, id="on the machine of a worker that is not heard of"),
        pytest.param(THERE % 2, None, False, id="nobody had it"),
        pytest.param(None, THERE % 1, False, id="nobody drives it"),
        pytest.param(THERE % 2, THERE.replace("/1", "/2") % 1, False, id="on another machine"),
        pytest.param(lease.this_process(), lease.this_process(), False, id="here, where it is seen"),
        pytest.param("worker-7", "worker-7", False, id="with a name of its own"),
    ],
)
def test_what_a_worker_has_left_behind(run, worker, left_behind):
    assert lease.is_left_behind(run, worker) is left_behind


ME = lease.Driver("me", 600, False)


def row(owner, expires=NOW + timedelta(seconds=1)):
    return SimpleNamespace(lease_owner=owner, leased_at=NOW - timedelta(minutes=5), lease_expires=expires, generation=0)


@pytest.mark.parametrize(
    ("driver", "held", "busy"),
    [
        pytest.param(ME, row(None, None), None, id="nobody's"),
        pytest.param(ME, row("me"), None, id="mine"),
        pytest.param(ME, row("other"), "another run drives it (other, since 2026-01-02 02:59:05 UTC)", id="another's"),
        pytest.param(ME, row("other", NOW), None, id="another's that has expired"),
        pytest.param(lease.Driver("me", 600, True), row("other"), None, id="another's, taken over"),
    ],
)
def test_who_may_drive(driver, held, busy):
    told = driver.lease(held, NOW).busy
    assert told is None if busy is None else busy in told


def test_a_living_process_here_keeps_what_has_expired():
    with process() as child:
        owner = run_of(child.pid)
        assert "process %d" % child.pid in ME.lease(row(owner, NOW), NOW).busy
        child.kill()
        child.wait()
        assert ME.lease(row(owner), NOW).busy is None


def test_a_renewed_lease_keeps_its_beginning():
    taken = ME.values(None, NOW)
    assert (taken["leased_at"], taken["lease_expires"]) == (NOW, NOW + timedelta(seconds=600))
    again = ME.values(lease.Lease("me", NOW, NOW), NOW + timedelta(seconds=9))
    assert (again["leased_at"], again["lease_expires"]) == (NOW, NOW + timedelta(seconds=609))
    assert ME.values(lease.Lease("other", NOW - timedelta(seconds=9), NOW), NOW)["leased_at"] == NOW
