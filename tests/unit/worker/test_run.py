# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The beginning of runs, by one that stands by where one does, and the end of those that take too long."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import lease
from ansible_collections.kvmstack.launch.plugins.module_utils.service.settings import Settings
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import run

ROOT = Path(__file__).parents[3]
EARLIER = "%s:7:1:00000000-0000-0000-0000-000000000000/1"


@pytest.mark.parametrize(
    ("owner", "stays"),
    [
        pytest.param(lease.this_process(), True, id="a worker's that lives"),
        pytest.param(lease.this_process().replace(":%d:" % os.getpid(), ":4194305:"), False, id="a dead one's"),
        pytest.param(EARLIER % lease._host(), False, id="of this machine before it was booted"),
        pytest.param(EARLIER % "another", True, id="another machine's"),
    ],
)
def test_what_is_left_of_runs_is_removed_where_none_can_go_on(tmp_path, owner, stays):
    settings = Settings(inventory=("hosts",), state_path=str(tmp_path))
    folder = run.folder_of(settings, owner)
    os.makedirs(folder + "/1")
    run.clear(settings)
    assert os.path.exists(folder) is stays


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path, monkeypatch):
    settings, folder = Settings(inventory=("hosts",), state_path=str(tmp_path)), str(tmp_path / "consoles")
    monkeypatch.setattr(run.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(run, "_until_we_die", list)
    for _time in range(2):
        with pytest.raises(FileNotFoundError):
            run.Runner(settings).start(folder, "a: 1", [])
        assert not os.path.exists(folder)


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ said }} by {{ lookup('ansible.builtin.pipe', 'ps -o pid= -p $PPID') | trim }}"
"""


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """Begins runs of a playbook that tells by which process it is run; said() is that, and what it has said."""
    (tmp_path / "hosts").write_text("localhost ansible_connection=local\n")
    (tmp_path / "told.yml").write_text(PLAYBOOK)
    for name in ("PYTHONPATH", "ANSIBLE_COLLECTIONS_PATH"):
        monkeypatch.setenv(name, str(ROOT / "build/collections"))
    monkeypatch.setenv("HOME", str(tmp_path))
    runner = run.Runner(Settings(inventory=(str(tmp_path / "hosts"),), state_path=str(tmp_path)))
    numbers = iter(range(9))

    def said():
        begun = runner.start(str(tmp_path / str(next(numbers))), '{"said": "hello"}', [], str(tmp_path / "told.yml"))
        assert begun.process.wait(timeout=60) == 0, begun.output()
        return begun.process.pid, begun.output()

    runner.said = said
    yield runner
    runner.end()


def test_a_run_is_the_process_that_stands_by(runner):
    runner.prepare()
    standby = runner._standby.pid
    runner.prepare()
    assert runner._standby.pid == standby
    pid, output = runner.said()
    assert pid == standby
    assert "hello by" in output
    assert "WARNING" not in output
    assert runner._standby is None


def test_without_one_that_stands_by_a_run_is_begun_all_the_same(runner):
    runner.prepare()
    runner._standby.kill()
    runner._standby.wait()
    dead = runner._standby.pid
    pid, output = runner.said()
    assert pid != dead
    assert "hello by" in output


def test_one_that_stands_by_with_another_release_of_the_collection_is_not_taken(runner, monkeypatch):
    runner.prepare()
    former = runner._standby
    monkeypatch.setattr(run, "_collection", lambda: (1, 1))
    runner.prepare()
    assert runner._standby.pid != former.pid
    latter = runner._standby
    monkeypatch.setattr(run, "_collection", lambda: (2, 2))
    pid, _output = runner.said()
    assert pid not in (former.pid, latter.pid)
    assert (former.poll(), latter.poll()) == (0, 0)


def test_one_that_does_not_stay_is_not_begun_again_at_once(runner, monkeypatch, caplog):
    runner.prepare()
    runner._standby.kill()
    runner._standby.wait()
    for _look in range(3):
        runner.prepare()
        assert runner._standby is None
    assert caplog.text.count("has ended with status -9") == 1
    assert "hello by" in runner.said()[1]
    runner._not_before -= run.REST
    runner.prepare()
    assert runner._standby.poll() is None


def test_one_that_cannot_be_begun_is_no_failure(runner, monkeypatch, caplog):
    monkeypatch.setattr(run.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(run, "_until_we_die", list)
    runner.prepare()
    runner.prepare()
    assert (runner._standby, caplog.text.count("no run can stand by")) == (None, 1)


# A folder that is made takes its time to be known.
SLOW = """
import tempfile, time
make = tempfile.mkdtemp
def mkdtemp(*arguments, **options):
    path = make(*arguments, **options)
    time.sleep(0.5)
    return path
tempfile.mkdtemp = mkdtemp
"""


@pytest.mark.parametrize("end", [run.Runner.end, lambda runner: runner._standby.terminate()], ids=["end", "TERM"])
def test_one_that_stands_by_leaves_nothing(runner, tmp_path, monkeypatch, end):
    """Also where it is to end as soon as Ansible has made its folder."""
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    runner.prepare()
    process, folder = runner._standby, tmp_path / ".ansible/tmp"
    while not folder.exists() or not list(folder.iterdir()):
        time.sleep(0.05)
    end(runner)
    process.wait(timeout=30)
    assert list(folder.iterdir()) == []


def test_one_that_stands_by_ends_with_who_would_tell_it(runner):
    runner.prepare()
    runner._standby.stdin.close()
    assert runner._standby.wait(timeout=60) == 0


@pytest.fixture
def begun(tmp_path):
    """A run of a shell command."""
    processes = []

    def begun(command):
        process = subprocess.Popen(
            ["sh", "-c", command + "; echo up; sleep 60 & wait; wait"], start_new_session=True, stdout=-1
        )
        processes.append(process)
        process.stdout.readline()
        return run.Run([], process, str(tmp_path))

    yield begun
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_run_is_ended_at_its_deadline_and_not_before(begun):
    mine = begun(":")
    mine.stop_late(100)
    assert (mine.stopped, mine.late, mine.ended) == (False, False, False)
    mine.began -= 100
    mine.stop_late(100)
    mine.process.wait(timeout=30)
    assert (mine.stopped, mine.late) == (True, True)


def test_a_run_that_is_stopped_for_another_reason_is_not_late(begun):
    mine = begun("trap '' TERM")
    mine.stop()
    mine.began -= 100
    mine.stop_late(100)
    assert (mine.stopped, mine.late) == (True, False)


def test_a_run_that_does_not_end_is_killed(begun):
    mine = begun("trap '' TERM")
    mine.began -= 100
    mine.stop_late(100)
    time.sleep(0.2)
    mine.stop_late(100)
    assert not mine.ended
    mine._asked_at -= run.GRACE + 1
    mine.stop_late(100)
    assert mine.process.wait(timeout=30) == -9


def test_a_run_that_has_ended_is_neither_stopped_nor_late(begun):
    mine = begun(":")
    mine.process.kill()
    mine.process.wait()
    mine.stop()
    mine.began -= 100
    mine.stop_late(100)
    assert (mine.stopped, mine.late) == (False, False)
