# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A front door without its API: what that writes for a request, by the same steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import requests
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database, now
from ansible_collections.kvmstack.launch.plugins.module_utils.service import queue, settings, wake
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import Run

ROOT = Path(__file__).parents[3]
WORKER = "ansible_collections.kvmstack.launch.plugins.module_utils.worker.main"
SITE = {
    "launch_flavors": {"small": {"vcpus": 2, "ram": 512, "disk": 1}},
    "launch_images": {"demo": {"url": "https://images.example/demo.qcow2", "checksum": "none"}},
}


class Door:
    """The record and its queue. ask() gives the instance's UUID."""

    def __init__(self, url, project_id="p"):
        self.database = Database(url)
        self.record = Run(url, run_id="api", lease=0, project_id=project_id)
        self.project_id = project_id

    def ask(self, name="web", action="create", user_data=None, **entry):
        state = {"delete": "absent", "stop": "stopped"}.get(action, "started")
        if action == "create":
            entry = {"flavor": "small", "image": "demo", "networks": [], "ssh_keys": [], **entry}
        entry = {"name": name, "state": state, **entry}
        told = self.record.ask(entry, state="absent" if action == "delete" else "present")[name]
        uuid = told["uuid"] or self.record.find()[name]["uuid"]
        asked = requests.Request(uuid, self.project_id, name, action, entry, "req-%s-%s" % (action, name), user_data)
        self.write(lambda connection: requests.add(self.database, connection, asked, now(connection)))
        return uuid

    def cancel(self, uuid, name="web"):
        """Ask for its end while a run drives it, whose row it is."""
        entry = {"name": name, "state": "absent"}
        asked = requests.Request(uuid, self.project_id, name, "delete", entry, "req-delete-" + name)
        self.write(lambda connection: requests.add(self.database, connection, asked, now(connection)))

    def write(self, function):
        return self.database.write(function)

    def look(self, project_id=None):
        return queue.look(self.database, project_id)

    def queue(self):
        with self.database.reading() as connection:
            return requests.read(self.database, connection)

    def row(self, uuid):
        table = self.database.tables.instances
        with self.database.reading() as connection:
            return connection.execute(table.select().where(table.c.uuid == uuid)).one()

    def faults(self, uuid):
        table = self.database.tables.instance_faults
        with self.database.reading() as connection:
            rows = connection.execute(table.select().where(table.c.instance_uuid == uuid).order_by(table.c.id))
            return [(row.message, row.details) for row in rows]

    def actions(self, uuid):
        table = self.database.tables.instance_actions
        mine = table.select().where(table.c.instance_uuid == uuid).order_by(table.c.id)
        with self.database.reading() as connection:
            return [(row.action, row.request_id, row.result) for row in connection.execute(mine)]


@pytest.fixture
def door(database_url):
    door = Door(database_url)
    yield door
    door.database.engine.dispose()


class House:
    """Workers on a record of their own, by the file of settings in a folder."""

    def __init__(self, folder, url, inventory="[compute]\n", settings_=None, **site):
        self.folder = folder
        self.door = Door(url)
        (folder / "hosts").write_text(inventory)
        (folder / "site.yml").write_text(json.dumps({**SITE, "launch_database": url, **site}))
        told = {"inventory": "hosts", "extra_vars": "site.yml", "state_path": "door", **(settings_ or {})}
        (folder / "door.yml").write_text(json.dumps(told))
        self.settings = settings.read(str(folder / "door.yml"))
        os.makedirs(self.settings.state_path)
        Path(self.settings.definitions_path).write_text(json.dumps({"database": url}))
        self.workers = []

    def worker(self, **environment):
        """Start one more; it is up when it listens."""
        path = ROOT / "build/collections"
        paths = {"PYTHONPATH": str(path), "ANSIBLE_COLLECTIONS_PATH": str(path), "HOME": str(self.folder)}
        kept = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
        log = self.folder / ("worker-%d.log" % len(self.workers))
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", WORKER, str(self.folder / "door.yml")],
                env={**kept, **paths, **environment}, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                cwd=self.folder,
            )  # fmt: skip
        process.log = log.read_text
        self.workers.append(process)
        until(lambda: "looks for requests" in log.read_text() or process.poll() is not None, log.read_text)
        return process

    def wake(self):
        return wake.call(self.settings.wake_path)

    def idle(self):
        """Wait until nothing is left to do."""
        until(lambda: not self.door.queue(), lambda: [each.log() for each in self.workers])

    def end(self):
        for process in self.workers:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.door.database.engine.dispose()


def until(true, told, seconds=90):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path, "sqlite:///%s/record/launch.db" % tmp_path)
    yield house
    house.end()


def ended(process, seconds=60):
    """Stop a worker as systemd does; its exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=seconds)
