# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests have said, for clients that ask: read by a worker while they wait."""

from __future__ import annotations

import subprocess
import threading
import time
from datetime import timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api import consoles as api
from ansible_collections.kvmstack.launch.plugins.module_utils.record import consoles
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.plugins.module_utils.service import wake
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import consoles as worker
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import run

TEXT = "one\ntwo\nthree\n"
ACTION = "os-getConsoleOutput"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(api, "WAIT", 1)
    monkeypatch.setattr(api, "LOOK", 0.01)


def write(door, function, *arguments):
    return door.database.write(lambda connection: function(door.database, connection, *arguments))


def claimed(door, owner="w"):
    return write(door, consoles.claim, owner)


def tell(door, told, owner="w"):
    door.database.write(lambda connection: consoles.tell(door.database, connection, told, owner, now(connection)))


def rows(door):
    with door.database.reading() as connection:
        return connection.execute(door.database.tables.console_outputs.select()).all()


def age(door, seconds):
    """Let what is there be older."""
    table = door.database.tables.console_outputs
    for row in rows(door):
        values = {"asked_at": row.asked_at - timedelta(seconds=seconds)}
        if row.told_at:
            values["told_at"] = row.told_at - timedelta(seconds=seconds)
        with door.database.writing() as connection:
            connection.execute(table.update().where(table.c.instance_uuid == row.instance_uuid).values(values))


def answering(door, **said):
    """A worker that answers who asks next."""

    def work():
        for _look in range(500):
            asked = claimed(door)
            if asked:
                tell(door, {each: said for mine in asked.values() for each in mine})
                return
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def ask(door, server_id, status=200, said=None):
    return door.act(server_id, ACTION, status, said={} if said is None else said).json


def test_a_worker_is_woken_reads_it_and_the_client_has_it(door):
    made = door.launch()
    heard = wake.listen(door.settings.wake_path)
    worker_ = answering(door, output=TEXT)
    try:
        assert ask(door, made) == {"output": TEXT}
        assert wake.was_called(heard)
    finally:
        worker_.join()
        wake.close(heard, door.settings.wake_path)
    assert ask(door, made, said={"length": 2}) == {"output": "three\n"}, "what is fresh is not read again"
    assert claimed(door) == {}
    assert door.requests() == {}


@pytest.mark.parametrize(
    ("length", "output"),
    [(None, TEXT), (-1, TEXT), ("-1", TEXT), (0, ""), (1, ""), ("2", "three\n"), (3, "two\nthree\n"), (99, TEXT)],
)
def test_the_last_lines(length, output):
    assert api.last_lines(TEXT, length) == output


@pytest.mark.parametrize("said", [{"length": "x"}, {"length": -2}, {"length": []}, {"x": 1}, [], "x"])
def test_how_many_lines_is_a_number(door, said):
    ask(door, door.launch(), status=400, said=said)
    assert rows(door) == []


def test_where_nobody_reads_it_that_is_told_and_it_is_asked_for_once(door):
    made = door.launch()
    for _again in range(2):
        assert "No worker has read the console" in ask(door, made, status=503)["serviceUnavailable"]["message"]
    assert claimed(door) == {"c1": [made]}
    assert claimed(door) == {}
    age(door, consoles.PATIENCE + 1)  # the worker that took it is lost
    ask(door, made, status=503)
    assert claimed(door, "other") == {"c1": [made]}
    tell(door, {made: {"output": "late"}})
    assert rows(door)[0].told_at is None, "who took it before has nothing more to say"


def test_who_waits_for_consoles_leaves_threads_for_all_others(door, monkeypatch):
    made = door.launch()
    waiting = threading.BoundedSemaphore(1)
    monkeypatch.setattr(api, "_waiting", waiting)
    with waiting:
        assert "wait for consoles already" in ask(door, made, status=503)["serviceUnavailable"]["message"]
    assert claimed(door) == {"c1": [made]}, "it is asked for all the same"
    assert "No worker" in ask(door, made, status=503)["serviceUnavailable"]["message"]
    tell(door, {made: {"output": TEXT}})
    with waiting:
        assert ask(door, made) == {"output": TEXT}, "what is there is told at once"


def test_a_playbook_that_hangs_is_ended(door, monkeypatch, tmp_path):
    made = door.launch()
    write(door, consoles.ask, made, "c1", door.database.write(now))
    monkeypatch.setattr(worker, "DEADLINE", 0)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    monkeypatch.setattr(run.Runner, "start", lambda *_asked: run.Run([], process, str(tmp_path / "run")))
    reader = worker.Consoles(door.settings, door.database, "w", run.Runner(door.settings))
    reader.look()
    until = time.monotonic() + 20
    while reader.run is not None and time.monotonic() < until:
        reader.look(begins=False)
        time.sleep(0.05)
    assert (rows(door)[0].error, process.wait()) == ("host c1: %s" % worker.UNTOLD, -15)


def test_why_its_host_has_not_told_it(door):
    made = door.launch()
    worker_ = answering(door, error="host c1: unreachable")
    assert "host c1: unreachable" in ask(door, made, status=503)["serviceUnavailable"]["message"]
    worker_.join()
    told = door.seen_by() and ask(door, made, status=503)["serviceUnavailable"]["message"]
    assert told == "The console of instance %s: its host has not told it" % made


def test_it_is_read_anew_after_some_seconds_and_forgotten_after_some_minutes(door):
    made = door.launch()
    answering(door, output="old").join()
    worker_ = answering(door, output="old")
    assert ask(door, made) == {"output": "old"}
    worker_.join()
    age(door, consoles.FRESH + 1)
    worker_ = answering(door, output="new")
    assert ask(door, made) == {"output": "new"}
    worker_.join()
    age(door, consoles.KEEP + 1)
    with door.database.reading() as connection:
        assert consoles.is_due(door.database, connection, now(connection))
    door.database.write(lambda connection: consoles.forget(door.database, connection, now(connection)))
    assert rows(door) == []


def test_a_server_that_is_nowhere_has_no_console(door):
    assert "is not ready" in ask(door, door.create()["server"]["id"], status=409)["conflictingRequest"]["message"]
    ask(door, "11111111-0000-4000-8000-000000000001", status=404)


def test_what_hosts_say_is_each_ones_own():
    asked = {"c1": ["a", "b"], "c2": ["c"], "c3": ["d"]}
    said = {
        "c1": {"consoles": [{"instance_uuid": "a", "output": "A"}, {"instance_uuid": "b", "output": None}]},
        "c2": {"msg": "no route", "unreachable": True},
    }
    assert worker.answers(asked, said, "untold") == {
        "a": {"output": "A"},
        "b": {"output": ""},
        "c": {"error": "host c2: no route"},
        "d": {"error": "host c3: untold"},
    }
