# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients of the Compute API in front of the test hosts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, Site, request

UTILS = "ansible_collections.kvmstack.launch.plugins.module_utils."


class Client(Site):
    """Who asks a Compute API, on a port of this machine; the record behind it is its own."""

    def __init__(self, folder: Path, database: str = "sqlite:///{}/door.db"):
        super().__init__(database.format(folder))
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.known = {
            "launch_database": self.database,
            "launch_images": request()["launch_images"],
            "launch_security_groups": {"spare": [{"protocol": "tcp", "port": 80, "remote": "0.0.0.0/0"}]},
        }
        (folder / "site.json").write_text(json.dumps(self.known))

    def log(self):
        """What the services have said."""
        raise NotImplementedError

    def eventually(self, true, seconds=180):
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.5)

    def ask(self, method, path, body=None, version=96):
        """The status and the JSON of a reply."""
        headers = {"OpenStack-API-Version": "compute 2.%d" % version, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = "http://127.0.0.1:%d/v2.1%s" % (self.port, path)
        asked = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as reply:
                return reply.status, json.loads(reply.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")
        except urllib.error.URLError as error:
            return 0, str(error)

    def done(self, method, path, body=None, status=202):
        """The reply of this status; while a worker is at the server, it is asked again."""
        told = []

        def accepted():
            told[:] = self.ask(method, path, body)
            return told[0] != 409

        self.eventually(accepted)
        assert told[0] == status, told
        return told[1]

    def rests(self, identity, status="ACTIVE"):
        """A server, when nothing is done or to be done for it."""
        told = {}

        def ready():
            told.update(self.ask("GET", "/servers/" + identity)[1].get("server", {}))
            waits = told["OS-EXT-STS:task_state"] or told["status"] == "BUILD"
            return not waits and not self.records("requests", "1 = 1")

        self.eventually(ready)
        assert told["status"] == status, told
        return told

    def create(self, name, **server):
        [network] = [each for each in self.ask("GET", "/networks")[1]["networks"] if each["name"] == "private"]
        hints = {"os:scheduler_hints": server.pop("hints")} if "hints" in server else {}
        images = self.ask("GET", "/images", version=1)[1]["images"]
        server = {"imageRef": next(each["id"] for each in images if each["name"] == "demo"), **server}
        asked = {"name": name, "flavorRef": "tiny", "networks": [{"uuid": network["id"]}], **server}
        return self.done("POST", "/servers", {"server": asked, **hints})["server"]["id"]

    def gone(self, identity):
        """Delete a server, and wait until it is gone."""
        self.done("DELETE", "/servers/" + identity, status=204)
        self.eventually(lambda: self.ask("GET", "/servers/" + identity)[0] == 404)

    def take_back(self):
        """Destroy what is left of servers and their volumes."""
        names = [row["name"] for row in self.records()]
        if names:
            self.destroy(request(*names))
        kept = [row["name"] for row in self.records("volumes", "1 = 1")]
        if kept:
            self.run("volume_delete.yml", {"launch_volume_names": kept})


class Door(Client):
    """The API and a worker as processes of this machine."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.processes: list[subprocess.Popen] = []
        settings = {"inventory": str(ROOT / self.inventory), "extra_vars": "site.json", "state_path": "door"}
        settings["listen"] = "127.0.0.1:%d" % self.port
        (folder / "door.yml").write_text(json.dumps(settings))
        self.run("definitions.yml", {**self.known, "launch_definitions_path": str(folder / "door/definitions.json")})

    def begin(self):
        """Start both; the API answers."""
        self._start("api", UTILS + "api.main")
        self._start("worker", UTILS + "worker.main")
        self.eventually(lambda: self.ask("GET", "", version=1)[0] == 200)

    def _start(self, name, module, *arguments):
        paths = {"PYTHONPATH": str(ROOT / "build/collections"), "KVMSTACK_DOOR": str(self.folder / "door.yml")}
        with open(self.folder / (name + ".log"), "wb") as log:
            command = [sys.executable, "-m", module, *arguments]
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.processes.append(subprocess.Popen(command, env={**os.environ, **paths}, cwd=ROOT, **streams))

    def end_all(self):
        """Stop both, the worker when its playbook is done."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=120)
        self.engine.dispose()

    def log(self):
        return "".join((self.folder / (name + ".log")).read_text() for name in ("api", "worker"))
