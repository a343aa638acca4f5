# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of the queue: to the module, and to Prometheus."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import requests, workers
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database, now
from ansible_collections.kvmstack.launch.plugins.module_utils.service import metrics, queue

THERE = "there:1:1:00000000-0000-0000-0000-000000000000/1"
SECRET = "#cloud-config {password: secret}"


@pytest.fixture
def database(database_url):
    """A queue with a request of each state, and a worker that lives and one that is lost."""
    database = Database(database_url)

    def fill(connection):
        moment = now(connection)
        before = moment - timedelta(seconds=100)
        for name, at in (("d", 100), ("c", 90), ("b", 20), ("a", 10)):
            entry = {"name": name, "metadata": {"key": "hidden"}}
            asked = requests.Request(name, "p", name, "create", entry, "req-" + name, SECRET)
            requests.add(database, connection, asked, moment - timedelta(seconds=at))
        requests.claim(database, connection, "lost", 30, 1, before)  # d
        requests.claim(database, connection, THERE, 3600, 1, before + timedelta(seconds=20))  # c
        [mine] = requests.claim(database, connection, "other", 3600, 1, before + timedelta(seconds=20))  # b
        requests.release(database, connection, mine, "other", moment + timedelta(seconds=60), "no such thing")
        told = {"host": "there", "since": before, "runs": 1, "transport": True}
        workers.beat(database, connection, THERE, told, moment)
        workers.beat(database, connection, "lost", told, before)
        other = requests.Request("e", "q", "e", "delete", {"name": "e"}, "req-e")
        requests.add(database, connection, other, moment)

    database.write(fill)
    yield database
    database.engine.dispose()


def test_the_queue_is_told_with_its_ages_and_nothing_secret(database):
    params = {"database": database.url.render_as_string(hide_password=False), "project_id": "p", "all_projects": False}
    found = queue.find(params)
    states = [(each["name"], each["state"], each["attempts"]) for each in found["requests"]]
    assert states == [("d", "lost", 1), ("c", "running", 1), ("b", "put_off", 1), ("a", "waiting", 0)]
    assert [each["age"] // 10 for each in found["requests"]] == [10, 9, 2, 1]
    assert [each["worker"] for each in found["requests"]] == ["lost", THERE, None, None]
    assert found["requests"][2]["last_error"] == "no such thing"
    counts = {"length": 4, "waiting": 1, "put_off": 1, "running": 1, "lost": 1, "workers_alive": 1}
    assert {key: found["queue"][key] for key in counts} == counts
    assert found["queue"]["oldest"] == found["requests"][0]["age"]
    assert [(each["name"], each["alive"], each["transport"]) for each in found["workers"]] == [
        ("lost", False, True),
        (THERE, True, True),
    ]
    said = json.dumps(found)
    assert ("secret" in said, "hidden" in said) == (False, False)
    assert queue.find({**params, "all_projects": True})["queue"]["length"] == 5


def test_an_empty_record_has_an_empty_queue(tmp_path):
    path = tmp_path / "none.db"
    found = queue.find({"database": "sqlite:///%s" % path, "project_id": "p", "all_projects": True})
    assert found["queue"] == {
        "length": 0, "waiting": 0, "put_off": 0, "running": 0, "lost": 0, "oldest": None, "workers_alive": 0,
    }  # fmt: skip
    assert (found["requests"], found["workers"], path.exists()) == ([], [], False)


def test_metrics_are_gauges_of_the_record(database):
    said = metrics.read(database)
    lines = [line for line in said.splitlines() if not line.startswith("#")]
    assert lines[:4] == [
        'kvmstack_requests{state="waiting"} 2',
        'kvmstack_requests{state="put_off"} 1',
        'kvmstack_requests{state="running"} 1',
        'kvmstack_requests{state="lost"} 1',
    ]
    assert 100 <= float(lines[4].partition("kvmstack_request_oldest_age_seconds ")[2]) < 160
    assert lines[5] == "kvmstack_workers_alive 1"
    assert lines[6:] == [
        *('kvmstack_instances{vm_state="%s"} 0' % state for state in ("building", "active", "stopped", "error")),
        'kvmstack_hosts{state="up"} 0',
        'kvmstack_hosts{state="down"} 0',
    ]
    assert said.count("# TYPE ") == said.count("# HELP ") == 5
    assert said.endswith("\n")
    assert "secret" not in said


def test_texts_of_metrics_are_escaped():
    said = metrics.text([("a", "first\nsecond\\", [({"b": 'c"d\n\\'}, 1.5)])])
    assert said == '# HELP a first\\nsecond\\\\\n# TYPE a gauge\na{b="c\\"d\\n\\\\"} 1.5\n'
