# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Compute API and a worker, as processes: what clients do to a server reaches its guest."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, Site, on_host, request

UTILS = "ansible_collections.kvmstack.launch.plugins.module_utils."
DISK = {"boot_index": 1, "source_type": "blank", "destination_type": "volume", "volume_size": 1}


class Door(Site):
    """A record of its own, the API and a worker over it."""

    def __init__(self, folder):
        super().__init__("sqlite:///%s" % (folder / "door.db"))
        self.folder, self.processes = folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        variables = {"launch_database": self.database, "launch_images": request()["launch_images"]}
        (folder / "site.json").write_text(json.dumps(variables))
        settings = {"inventory": str(ROOT / self.inventory), "extra_vars": "site.json", "state_path": "door"}
        settings["listen"] = "127.0.0.1:%d" % self.port
        (folder / "door.yml").write_text(json.dumps(settings))
        self.run("definitions.yml", {**variables, "launch_definitions_path": str(folder / "door/definitions.json")})

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


@pytest.fixture
def door(tmp_path):
    door = Door(tmp_path)
    try:
        door.begin()
        yield door
    finally:
        door.end_all()
        names = [row["name"] for row in door.records()]
        if names:
            door.destroy(request(*names))
        kept = [row["name"] for row in door.records("volumes", "1 = 1")]
        if kept:
            door.run("volume_delete.yml", {"launch_volume_names": kept})


def test_what_clients_ask_for_reaches_the_guest(door):
    old = door.create("old", block_device_mapping_v2=[DISK])
    host = door.rests(old)["OS-EXT-SRV-ATTR:host"]
    [attachment] = door.ask("GET", "/servers/%s/os-volume_attachments" % old)[1]["volumeAttachments"]
    door.gone(old)

    made = door.create("web", hints=on_host(host))
    door.rests(made)
    door.console("web", "GUEST-READY")
    path, action = "/servers/" + made, "/servers/%s/action" % made

    process = door.on(host, "pgrep --full 'qemu.*uuid %s'" % made)
    door.done("POST", action, {"reboot": {"type": "SOFT"}})
    assert door.ask("GET", path)[1]["server"]["status"] == "REBOOT"
    door.rests(made)
    assert door.on(host, "pgrep --full 'qemu.*uuid %s'" % made) != process
    door.console("web", "GUEST-READY")

    volume = {"volumeAttachment": {"volumeId": attachment["volumeId"]}}
    told = door.done("POST", path + "/os-volume_attachments", volume, status=200)["volumeAttachment"]
    port = door.done("POST", path + "/os-interface", {"interfaceAttachment": {}}, status=200)["interfaceAttachment"]
    door.rests(made)
    assert attachment["volumeId"] in door.on(host, "virsh domblklist " + made)
    assert told["device"] == "/dev/vdb"
    shown = door.ask("GET", path + "/os-interface/" + port["port_id"])[1]["interfaceAttachment"]
    assert (shown["mac_addr"], shown["port_state"]) == (port["mac_addr"], "ACTIVE")
    assert port["mac_addr"] in door.on(host, "virsh domiflist " + made)

    text = door.ask("POST", action, {"os-getConsoleOutput": {}})
    assert text[0] == 200, text
    assert "GUEST-READY" in text[1]["output"]

    assert door.ask("POST", action, {"lock": {"locked_reason": "a test"}})[0] == 202
    assert door.ask("GET", path)[1]["server"]["locked_reason"] == "a test"
    assert door.ask("POST", action, {"unlock": None})[0] == 202

    door.done("DELETE", path + "/os-volume_attachments/" + attachment["volumeId"])
    door.done("DELETE", path + "/os-interface/" + port["port_id"])
    door.rests(made)
    assert attachment["volumeId"] not in door.on(host, "virsh domblklist " + made)
    assert port["mac_addr"] not in door.on(host, "virsh domiflist " + made)
    assert door.ask("GET", path + "/os-interface/" + port["port_id"])[0] == 404
    told = {
        each["action"]: each["message"] for each in door.ask("GET", path + "/os-instance-actions")[1]["instanceActions"]
    }
    assert set(told) == {
        "create", "reboot", "attach_volume", "attach_interface", "lock", "unlock", "detach_volume", "detach_interface",
    }  # fmt: skip
    assert not any(told.values())
    door.gone(made)
    assert made not in door.domains(host)
