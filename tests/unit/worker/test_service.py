# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workers as processes, with real playbooks, over inventories in which no host can take an instance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy

from ansible_collections.kvmstack.launch.plugins.module_utils.record import consoles
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.tests.unit.worker.conftest import ROOT, WORKER, ended, until

NOBODY = "no valid host"
SECRET = "#cloud-config {password: secret-{{ lookup('pipe', 'touch %s') }}}"


def children(process):
    """The playbooks of a worker."""
    path = Path("/proc/%d/task/%d/children" % (process.pid, process.pid))
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def begun(house, process):
    """Wait until a worker's playbook has taken the lease of an instance."""
    table = house.door.database.tables.instances

    def taken():
        with house.door.database.reading() as connection:
            owners = connection.execute(house.door.database.sql.select(table.c.lease_owner)).scalars().all()
        return any(owner not in (None, "api") for owner in owners)

    until(lambda: children(process) and taken(), process.log)
    [playbook] = children(process)
    return playbook


def is_gone(pid):
    try:
        return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_console_is_read_or_why_not_is_told(house):
    house.worker()
    uuid, database = "11111111-0000-4000-8000-000000000001", house.door.database
    house.door.write(lambda connection: consoles.ask(database, connection, uuid, "c1", now(connection)))
    assert house.wake() == 1
    told = []

    def answered():
        with database.reading() as connection:
            told[:] = [consoles.answer(database, connection, uuid)]
        return told[0]

    until(answered, lambda: [each.log() for each in house.workers])
    assert told == [{"output": None, "error": "host c1: its host has not told it: see the log of the worker"}]
    assert not list(Path(house.settings.state_path).rglob("consoles"))


def test_a_request_is_launched_under_its_own_identity_and_templates_stay_text(house, tmp_path):
    witness = tmp_path / "witness"
    odd = "{{ lookup('pipe', 'touch %s') }} {%% raw" % witness
    worker = house.worker()
    uuid = house.door.ask(user_data=SECRET % witness, metadata={"odd": odd})
    assert house.wake() == 1
    house.idle()
    row = house.door.row(uuid)
    assert (row.vm_state, row.task_state, NOBODY in row.fault) == ("error", None, True)
    assert row.instance_metadata == {"odd": odd}
    assert row.user_data_digest, "the launch had the user data"
    assert not witness.exists()
    assert ended(worker) == 0
    said = worker.log()
    assert "INFO kvmstack.worker [req-create-web] [instance: %s] create of web: error" % uuid in said
    assert "secret" not in said
    assert os.listdir(house.settings.state_path + "/runs") == os.listdir(house.settings.wake_path) == []


def test_what_comes_together_is_done_together_and_each_project_alone(house):
    for name in ("a", "b", "c"):
        house.door.ask(name)
    other = type(house.door)(house.door.record.params["database"], "q")
    uuid = other.ask("a")
    gone = house.door.ask("gone")
    house.door.record.destroyed(*house.door.record.ask({"name": "gone"}, state="absent").values())
    worker = house.worker()
    house.idle()
    assert other.row(uuid).vm_state == "error"
    assert house.door.row(gone).deleted, "nothing new of that name"
    assert [house.door.row(each).vm_state for each in (uuid,)] == ["error"]
    said = worker.log()
    assert (said.count(": begun"), "of gone: begun" in said) == (4, False)
    living = house.door.record.find(project_id="p")
    assert {name: told["status"] for name, told in living.items()} == dict.fromkeys("abc", "ERROR")


def test_a_worker_that_is_killed_is_followed_by_another_in_seconds(house):
    """Its playbook ends with it; nothing is doubled."""
    first = house.worker()
    uuid = house.door.ask()
    house.wake()
    playbook = begun(house, first)
    first.kill()
    first.wait()
    began = time.monotonic()
    second = house.worker()
    until(lambda: "create of web: begun, attempt 2" in second.log(), second.log)
    assert time.monotonic() - began < 25
    assert is_gone(playbook)
    house.idle()
    assert house.door.row(uuid).vm_state == "error"
    assert [action for action, *_more in house.door.actions(uuid)] == ["create"]
    assert ended(second) == 0
    third = house.worker()
    assert [name for name in os.listdir(house.settings.state_path + "/runs") if ":%d:" % first.pid in name] == []
    assert ended(third) == 0


def test_two_workers_share_what_there_is(house):
    workers = [house.worker(), house.worker()]
    uuids = []
    for index in range(6):
        uuids.append(house.door.ask("web-%d" % index))
        assert house.wake() == 2
        time.sleep(0.3)
    house.idle()
    assert {house.door.row(uuid).vm_state for uuid in uuids} == {"error"}
    said = "".join(worker.log() for worker in workers)
    assert said.count("begun, attempt 1") == 6
    assert [ended(worker) for worker in workers] == [0, 0]


def test_a_worker_that_is_to_stop_ends_what_it_has_begun(house):
    worker = house.worker()
    first = house.door.ask()
    house.wake()
    begun(house, worker)
    worker.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    second = house.door.ask("later")
    house.wake()
    assert worker.wait(timeout=60) == 0
    assert house.door.row(first).vm_state == "error"
    assert [each["instance_uuid"] for each in house.door.queue()] == [second]


def test_a_worker_that_is_told_twice_gives_back_what_it_has_begun(house):
    worker = house.worker()
    uuid = house.door.ask()
    house.wake()
    playbook = begun(house, worker)
    for _time in range(2):
        worker.send_signal(signal.SIGINT)
        time.sleep(0.2)
    assert worker.wait(timeout=30) == 0
    assert is_gone(playbook)
    [left] = house.door.queue()
    assert (left["instance_uuid"], left["attempts"], left["lease_owner"]) == (uuid, 0, None)


def test_a_delete_ends_the_run_that_is_at_the_server(house):
    """Not one that is at another server, too; what it has begun goes with the next."""
    worker = house.worker()
    uuid, other = house.door.ask(), house.door.ask("other")
    house.wake()
    playbook = begun(house, worker)
    os.killpg(playbook, signal.SIGSTOP)
    house.door.cancel(uuid)
    house.wake()
    time.sleep(1)
    assert "stopped" not in worker.log()
    house.door.cancel(other, "other")
    house.wake()
    for name in ("web", "other"):
        until(lambda name=name: "create of %s: stopped, it is to be deleted" % name in worker.log(), worker.log)
    os.killpg(playbook, signal.SIGCONT)
    house.idle()
    assert is_gone(playbook)
    assert all(house.door.row(each).deleted for each in (uuid, other))
    assert ended(worker) == 0


def test_what_a_playbook_cannot_do_is_told_and_tried_again(house):
    (house.folder / "site.yml").write_text("{")
    worker = house.worker()
    house.door.ask()
    house.wake()
    until(lambda: "create of web: later, after attempt 1: " in worker.log(), worker.log)
    [left] = house.door.queue()
    assert "site.yml" in left["last_error"]
    assert ended(worker) == 0


def test_a_record_that_is_away_is_waited_for(house, tmp_path):
    worker = house.worker()
    path = Path(house.door.database.url.database)
    uuid = house.door.ask()
    house.door.database.engine.dispose()
    aside = path.rename(tmp_path / "aside")
    path.mkdir()
    house.wake()
    until(lambda: "WARNING kvmstack.worker [-] database" in worker.log(), worker.log)
    path.rmdir()
    aside.rename(path)
    house.idle()
    assert house.door.row(uuid).vm_state == "error"
    assert ended(worker) == 0


def test_a_worker_acts_for_users_of_keystone_by_the_launchers_account(house):
    """Its Keystone is not there, as its run says; nothing of the account is in the file of variables."""
    definitions = Path(house.settings.definitions_path)
    definitions.write_text(json.dumps({**json.loads(definitions.read_text()), "identity": "keystone"}))
    auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "nova", "password": "secret", "project_name": "service"}
    site = house.folder / "site.yml"
    known = {"launch_identity": "keystone", "launch_service_cloud": {"auth": auth}}
    site.write_text(json.dumps({**json.loads(site.read_text()), **known}))
    house.door.ask()
    worker = house.worker()
    until(lambda: "attempt 1" in worker.log() and "127.0.0.1:1" in worker.log(), worker.log)
    assert "create of web: later, after attempt 1: the given account: " in worker.log()
    assert "secret" not in worker.log()
    assert ended(worker) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "settings: name their file", id="nothing"),
        pytest.param(["none.yml"], "settings none.yml: No such file", id="no such file"),
        pytest.param(["door.yml"], "kvmstack.launch.definitions write them", id="no definitions"),
    ],
)
def test_a_worker_that_cannot_be(tmp_path, arguments, words):
    (tmp_path / "door.yml").write_text("{inventory: hosts, state_path: door}")
    environment = {"PYTHONPATH": str(ROOT / "build/collections"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", WORKER, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, words in done.stderr, done.stderr.count("\n")) == (1, True, 1), done.stderr


def test_what_a_lost_machine_had_begun_is_taken_over_when_its_worker_is_not_heard_of(house):
    """Its run's own lease would go on for ten minutes; another run's, on a machine whose worker lives, does."""
    run = "there:%d:1:00000000-0000-0000-0000-000000000000/1"
    lost, other = house.door.ask("lost"), house.door.ask("other")
    for name, pid in (("lost", 7), ("other", 8)):
        of_a_run = {"run_id": run.replace("/1", "/%d" % pid) % pid, "lease": 600}
        house.door.record.ask({"name": name, "networks": [], "ssh_keys": []}, **of_a_run)
    table = house.door.database.tables.requests
    mine = {"lease_owner": run.replace("/1", "/7") % 1, "lease_expires": sqlalchemy.func.current_timestamp()}
    house.door.write(lambda connection: connection.execute(table.update().values(mine)))
    worker = house.worker()
    until(lambda: "create of other: given back" in worker.log() and "of lost: error" in worker.log(), worker.log)
    assert [house.door.row(uuid).vm_state for uuid in (lost, other)] == ["error", "building"]
    assert ended(worker) == 0
