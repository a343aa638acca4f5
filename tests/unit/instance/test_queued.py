# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left to a worker: the record has it with its request, once, and nobody drives it."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError, MissingLibrary
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import plan, queued, queued_sql, request, singly
from ansible_collections.kvmstack.launch.plugins.module_utils.record import requests
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database, now
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import conclude

from .conftest import WEB, Run


class Pipeline(Run):
    """A run of request.yml; warned is what it has warned of."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.warned = []

    def ask(self, *entries, check_mode=False, wait=0, waking=None, **more):
        params = {**self.params, **more, "instances": [{**WEB, **entry} for entry in entries or [{}]]}
        params["queue"] = {"state_path": "/nowhere", "wait": wait, **(waking or {})}
        plan, record = queued.planner(queued_sql.asked(params)), queued_sql.connect(params, self.warned.append)
        return self._done(request.parse(params), record, plan, params["state"], check_mode)


@pytest.fixture
def pipeline(database_url):
    return lambda **options: Pipeline(database_url, **options)


@pytest.fixture
def queue(database_url):
    """What is waiting: (name, action, entry, user data), and whether somebody has it."""

    def read():
        database = Database(database_url)
        with database.reading() as connection:
            rows = connection.execute(database.tables.requests.select()).all()
        database.engine.dispose()
        return {row.name: row for row in rows}

    return read


@pytest.fixture
def worker(database_url, run):
    """worker() does all that waits as a worker's launch would; its results by name."""

    def work():
        database = Database(database_url)
        claimed = database.write(lambda c: requests.claim(database, c, "worker", 30, 100, now(c)))
        results = {}
        for each in claimed:
            driver = run(run_id="worker")
            documents = driver.ask(each.entry, state="present").values()
            absent = each.entry["state"] == "absent"
            results.update(driver.destroyed(*documents) if absent else driver.built(*documents))
            database.write(lambda c, one=each: requests.finish(database, c, one, "worker"))
        database.engine.dispose()
        return results

    return work


def test_a_new_instance_is_recorded_and_asked_for(pipeline, queue):
    told = pipeline().ask({"ssh_keys": []}, user_data=json.dumps({"web": "#cloud-config"}))["web"]
    assert (told["status"], told["changed"], told["failed"]) == ("BUILD", True, False)
    row = queue()["web"]
    assert (row.instance_uuid, row.action, row.lease_owner) == (told["uuid"], "create", None)
    assert row.entry == {**WEB, "state": "started", "ssh_keys": []}
    assert row.user_data == "#cloud-config"


def test_check_mode_asks_for_nothing(pipeline, queue):
    assert pipeline().ask(check_mode=True)["web"]["changed"]
    assert queue() == {}


def test_the_same_again_is_asked_for_once(pipeline, queue, worker):
    first = pipeline().ask()["web"]
    assert not pipeline().ask()["web"]["changed"]
    assert queue()["web"].generation == 0
    assert worker()["web"]["status"] == "ACTIVE"
    assert queue() == {}
    again = pipeline().ask()["web"]
    assert (again["changed"], again["status"], again["uuid"]) == (False, "ACTIVE", first["uuid"])
    assert queue() == {}


def test_another_wish_takes_the_place_of_the_first(pipeline, queue):
    pipeline().ask()
    assert pipeline().ask({"metadata": {"role": "db"}})["web"]["changed"]
    assert queue()["web"].entry["metadata"] == {"role": "db"}
    assert queue()["web"].generation == 1


@pytest.mark.parametrize(
    ("state", "word"),
    [("stopped", "stop"), ("absent", "delete"), ("restarted", "reboot"), ("reset", "reboot"), ("rebuilt", "rebuild")],
)
def test_what_runs_is_asked_otherwise(pipeline, queue, worker, state, word):
    pipeline().ask()
    worker()
    told = pipeline().ask({"state": state})["web"]
    assert (told["changed"], queue()["web"].action) == (True, word)
    assert not pipeline().ask({"state": state})["web"]["changed"]
    worker()
    assert queue() == {}


def test_a_rebuild_that_the_row_tells_of_is_not_done_again_by_a_worker_that_comes_later(pipeline, queue, worker, run):
    pipeline().ask()
    worker()
    begun = pipeline().ask({"state": "rebuilt"})["web"]
    assert (begun["task_state"], queue()["web"].entry["state"]) == ("rebuilding", "started")
    run(run_id="other").built(run(run_id="other").ask()["web"])
    assert run().find()["web"]["task_state"] is None
    worker()
    assert run().find()["web"]["rebuild_id"] == begun["rebuild_id"]


def test_a_rebuild_is_more_than_what_waits_for_one_that_is_to_be_as_it_is(pipeline, queue, worker, run):
    pipeline().ask()
    worker()
    pipeline().ask({"state": "started", "metadata": {"role": "db"}})
    begun = pipeline().ask({"state": "rebuilt", "metadata": {"role": "db"}})["web"]
    assert (begun["changed"], begun["task_state"]) == (True, "rebuilding")
    assert (queue()["web"].action, queue()["web"].entry["state"]) == ("rebuild", "started")
    assert not pipeline().ask({"state": "rebuilt", "metadata": {"role": "db"}})["web"]["changed"]
    assert run().find()["web"]["rebuild_id"] == begun["rebuild_id"]


def test_an_action_is_that_of_who_asks_under_the_id_of_the_request(pipeline, queue, worker, run):
    pipeline().ask()
    worker()
    pipeline(request_id="req-1", user_id="other").ask({"state": "restarted"})
    assert queue()["web"].request_id == "req-1"
    told = [(each["action"], each["request_id"], each["user_id"]) for each in actions(run)]
    assert told[1:] == [("reboot", "req-1", "other")]
    worker()
    assert [each["result"] for each in actions(run)] == ["Success", "Success"]


def actions(run):
    return run().find(actions=True)["web"]["actions"]


def test_all_of_it_absent(pipeline, queue, worker):
    pipeline().ask({"count": 2})
    worker()
    pipeline().ask({"count": 2}, state="absent")
    assert {name: row.entry for name, row in queue().items()} == {
        name: {"name": name, "state": "absent"} for name in ("web-1", "web-2")
    }
    worker()
    assert not pipeline().ask({"count": 2}, state="absent")["web-1"]["changed"]


def test_what_a_run_drives_is_left_to_that_run(run, pipeline, queue):
    """Its row is that run's; the request waits until it has ended."""
    document = run(run_id="launcher").ask()["web"]
    told = pipeline().ask({"metadata": {"role": "db"}})["web"]
    assert (told["changed"], told["failed"], told["metadata"]) == (True, False, {})
    assert queue()["web"].entry["metadata"] == {"role": "db"}
    assert not pipeline().ask({"metadata": {"role": "db"}})["web"]["changed"]
    assert run(run_id="launcher").built(document)["web"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("state", "word"), [("stopped", "stop"), ("reset", "reboot"), ("rebuilt", "rebuild"), ("started", "update")]
)
def test_what_is_asked_for_while_a_run_drives_it_has_its_own_word(run, pipeline, queue, worker, state, word):
    pipeline().ask()
    worker()
    run(run_id="launcher").ask({"metadata": {"role": "db"}})
    pipeline().ask({"state": state, "metadata": {"role": "web"}})
    assert (queue()["web"].action, queue()["web"].entry["state"]) == (word, state)


def test_what_is_to_be_deleted_is_asked_for_nothing_else(run, pipeline, queue):
    """Also while a run drives it, whose row does not tell it."""
    run(run_id="launcher").ask()
    assert pipeline().ask(state="absent")["web"]["changed"]
    told = pipeline().ask({"metadata": {"role": "db"}})["web"]
    assert (told["failed"], told["msg"]) == (True, plan.BEING_DELETED)
    assert not pipeline().ask({"state": "absent"})["web"]["failed"]
    assert (queue()["web"].action, queue()["web"].generation) == ("delete", 0)


def test_one_that_nobody_has_finished_is_asked_for(run, pipeline, queue, database_url):
    run(run_id="launcher").ask()
    database = Database(database_url)
    table = database.tables.instances
    database.write(lambda c: c.execute(table.update().values(lease_owner=None, leased_at=None, lease_expires=None)))
    assert pipeline().ask()["web"]["changed"]
    assert list(queue()) == ["web"]


def test_one_bad_entry_among_good_ones(pipeline, queue):
    told = pipeline().ask({"name": "no flavor", "flavor": "huge"}, {"name": "lost", "flavor": "huge"}, {})
    assert told["web"]["status"] == "BUILD"
    assert told["lost"]["status"] == "ERROR"
    assert list(queue()) == ["web"]


def test_quota_holds(pipeline, queue):
    told = pipeline().ask({"count": 2}, quotas={"instances": 1})
    assert sorted(each["failed"] for each in told.values()) == [False, True]
    assert len(queue()) == 1


@pytest.fixture
def told(monkeypatch):
    """What has been told at a broker that takes everything."""
    told = []

    class Caller:
        def __init__(self, settings):
            assert (settings.transport, settings.transport_password_file) == (TRANSPORT, "/password")

        def tell(self, asked):
            told.append(asked)

    monkeypatch.setattr(queued_sql, "Caller", Caller)
    return told


TRANSPORT = "rabbit://launch@127.0.0.1:1/launch"


def test_workers_of_all_machines_are_told_what_they_are_asked_for_and_nothing_else(pipeline, worker, told):
    waking = {"transport": TRANSPORT, "transport_password_file": "/password"}
    made = pipeline(request_id="req-1").ask({"count": 2}, waking=waking)
    assert told == [{each["uuid"]: ("create", "req-1") for each in made.values()}]
    pipeline().ask({"count": 2}, waking=waking)
    pipeline().ask({"name": "lost", "flavor": "huge"}, waking=waking)
    worker()
    pipeline(request_id="req-2").ask({"name": "web-1", "state": "stopped"}, waking=waking)
    assert told[1:] == [{made["web-1"]["uuid"]: ("stop", "req-2")}]


def test_where_the_broker_is_away_it_is_asked_for_all_the_same_with_a_warning(pipeline, queue):
    run = pipeline()
    assert run.ask(waking={"transport": TRANSPORT})["web"]["changed"]
    assert list(queue()) == ["web"]
    [warning] = run.warned
    assert warning.startswith("transport 127.0.0.1:1: ")
    assert warning.endswith(": workers find by themselves what was asked for")


@pytest.mark.parametrize(
    ("waking", "why"),
    [
        ({"transport": "rabbit://launch:secret@127.0.0.1:1/launch"}, "transport: a password does not belong here"),
        ({"transport": "redis://127.0.0.1"}, "transport: a URL such as rabbit://"),
        ({"transport": TRANSPORT, "transport_password_file": "/nowhere"}, "/nowhere: No such file"),
        ({"transport": "", "transport_password_file": "/password"}, "there is no transport for it"),
    ],
)
def test_a_transport_that_is_none_is_refused_before_anything_is_asked_for(pipeline, queue, waking, why):
    with pytest.raises(LaunchError, match=why) as caught:
        pipeline().ask(waking=waking)
    assert "secret" not in str(caught.value)
    assert queue() == {}


def test_a_transport_without_its_library_is_refused_by_its_name(pipeline, queue, monkeypatch):
    monkeypatch.setitem(sys.modules, "oslo_messaging", None)
    with pytest.raises(MissingLibrary, match="^oslo.messaging$"):
        pipeline().ask(waking={"transport": TRANSPORT})
    assert queue() == {}


def test_waiting_for_the_worker(pipeline, worker):
    def work():
        while not worker():
            time.sleep(0.1)

    working = threading.Thread(target=work)
    working.start()
    assert pipeline().ask(wait=60)["web"]["status"] == "ACTIVE"
    working.join()


def test_waiting_in_vain(pipeline, queue):
    told = pipeline().ask(wait=1)["web"]
    assert told["failed"]
    assert told["msg"].startswith("no worker has done it within 1 s")
    assert list(queue()) == ["web"]


@pytest.fixture
def giving_up(database_url):
    """A worker whose runs fail, until it has given up what is asked for."""

    def attempt(database):
        def write(connection):
            moment = now(connection) + timedelta(hours=1)
            asked = requests.claim(database, connection, "worker", 30, 100, moment)
            why = {each.instance_uuid: "web is ACTIVE: host c1: it is off" for each in asked}
            return conclude.conclude(database, connection, asked, "worker", now(connection), why)

        return [fate for fate, _row in database.write(write).values()]

    def work():
        database = Database(database_url)
        while conclude.GIVEN_UP not in attempt(database):
            time.sleep(0.05)
        database.engine.dispose()

    return work


@pytest.mark.parametrize(
    ("entry", "word"), [({"state": "restarted"}, "reboot"), ({"metadata": {"role": "db"}}, "update")]
)
def test_waiting_for_what_a_worker_gives_up(pipeline, worker, giving_up, entry, word):
    pipeline().ask()
    worker()
    working = threading.Thread(target=giving_up)
    working.start()
    told = pipeline().ask(entry, wait=60)["web"]
    working.join()
    assert (told["failed"], told["changed"]) == (True, False)
    assert told["msg"] == word + " was given up after 5 attempts: web is ACTIVE: host c1: it is off"
    assert pipeline().ask(wait=60)["web"]["failed"] is False, "what was given up before is no matter any more"


def test_waiting_for_what_an_alternate_builds_at_last(pipeline, worker, run, put):
    """The fault of the first host stays with it, and says nothing of how it went."""

    def work():
        while not run().find():
            time.sleep(0.05)
        driver = run(run_id="worker")
        driver.ask()
        put(web="c1")
        broken = {"failed": True, "failed_in": "host", "msg": "it is off"}
        driver.conclude({**driver.find()["web"], **broken})
        assert worker()["web"]["status"] == "ACTIVE"

    working = threading.Thread(target=work)
    working.start()
    told = pipeline().ask(wait=60)["web"]
    working.join()
    assert (told["failed"], told["status"]) == (False, "ACTIVE")
    assert [each["message"] for each in run().find(actions=True)["web"]["faults"]] == ["it is off"]


ONE, SUB, OWN = {"state": "started"}, {"network": "n", "vlan": 3}, {"mac_address": "fa:16:3e:00:00:09"}


@pytest.mark.parametrize(
    ("entry", "singles"),
    [
        pytest.param({"name": "a"}, {"a": {"name": "a", "state": "started"}}, id="one"),
        pytest.param({"name": "a", "count": 1}, {"a-1": {"name": "a-1", "state": "started"}}, id="a count of one"),
        pytest.param(
            {"name": "a", "count": 2, "networks": ["n", {"network": "m", "fixed_ip": "10.0.0.9"}]},
            {
                "a-1": {
                    "name": "a-1", "state": "started", "networks": ["n", {"network": "m", "fixed_ip": "10.0.0.9"}],
                },
                "a-2": {
                    "name": "a-2", "state": "started", "networks": ["n", {"network": "m", "fixed_ip": "10.0.0.10"}],
                },
            },
            id="addresses that count",
        ),
        pytest.param(
            {"name": "a", "count": 2, "networks": [{"network": "m", "subports": [{**SUB, **OWN}]}]},
            {
                "a-1": {**ONE, "name": "a-1", "networks": [{"network": "m", "subports": [{**SUB, **OWN}]}]},
                "a-2": {
                    **ONE, "name": "a-2", "networks": [
                        {"network": "m", "subports": [{**SUB, **OWN, "mac_address": "fa:16:3e:00:00:0a"}]},
                    ],
                },
            },
            id="sub-ports' addresses that count",
        ),
        pytest.param({"name": "a", "user_data": "secret"}, {"a": {"name": "a", "state": "started"}}, id="user data"),
        pytest.param({"name": "a", "state": "never"}, {}, id="no sense"),
        pytest.param("text", {}, id="no mapping"),
    ],
)  # fmt: skip
def test_entries_for_one_instance_each(entry, singles):
    assert singly.entries([entry], "present") == singles
