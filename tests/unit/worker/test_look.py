# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look of a worker, in this process: its runs are processes that do nothing."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import requests
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import run, service


@pytest.fixture
def worker(house, monkeypatch):
    def start(_runner, folder, _variables, asked):
        return run.Run(asked, subprocess.Popen(["sleep", "60"], start_new_session=True), folder)

    monkeypatch.setattr(service.log, "begin", logging.getLogger)
    monkeypatch.setattr(run.Runner, "start", start)
    monkeypatch.setattr(run.Runner, "prepare", lambda _runner: None)
    worker = service.Worker(house.settings)
    yield worker
    fall(worker)
    worker.database.engine.dispose()


def fall(worker):
    """Have all of its runs end, and badly."""
    for each in worker.runs:
        each.process.kill()
        each.process.wait()


def test_what_the_record_refuses_of_one_run_keeps_no_other_waiting(house, worker, caplog):
    house.door.ask("web")
    type(house.door)(str(house.door.database.url), "q").ask("db")
    worker._look()
    assert len(worker.runs) == 2
    no = "create trigger no before update of last_error on requests when new.name = 'web' begin %s; end"
    house.door.write(lambda c: c.exec_driver_sql(no % "select raise(abort, 'web is refused')"))
    fall(worker)
    worker.renewed = 0.0
    worker._look()
    assert {each["name"]: bool(each["last_error"]) for each in house.door.queue()} == {"web": False, "db": True}
    assert ("web is refused" in caplog.text, len(worker.runs), worker.renewed > 0) == (True, 1, True)
    house.door.write(lambda c: c.exec_driver_sql("drop trigger no"))
    worker._look()
    assert (all(each["last_error"] for each in house.door.queue()), worker.runs) == (True, [])


def test_a_request_that_has_no_run_is_not_kept(house, worker):
    """As where the record was away when its run could not be started."""
    house.door.ask("web")
    worker._look()
    house.door.ask("lost")
    house.door.write(lambda c: requests.claim(house.door.database, c, worker.owner, 0, 9, now(c)))
    worker.renewed = 0.0
    worker._renew()
    expires = {each["name"]: each["lease_expires"] for each in house.door.queue()}
    assert expires["lost"] < expires["web"]


def test_a_worker_on_another_record_than_the_definitions_name_stops(house, worker, caplog):
    house.door.ask()
    Path(house.settings.definitions_path).write_text(json.dumps({"database": "sqlite:///%s/new.db" % house.folder}))
    worker._look()
    first = worker.stop_by
    worker._look()
    assert (worker.runs, worker.stop_by, caplog.text.count("name another database")) == ([], first, 1)
    assert not worker._goes_on()
