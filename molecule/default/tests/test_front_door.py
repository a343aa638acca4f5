# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role front_door on a host that is a controller: systemd has API, worker, PostgreSQL and RabbitMQ."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys

import pytest

from ansible_collections.kvmstack.launch.molecule.default.tests.door import Client
from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, Run, request

SERVICES = "kvmstack-api.service kvmstack-worker.service"
# The record, as the services name it.
SOCKETS = "/var/run/postgresql"
DATABASE = "postgresql+psycopg:///launch?host="
# The message queue, as the role makes it.
TRANSPORT = "rabbit://launch@127.0.0.1:5672/launch"
PASSWORD = "/etc/kvmstack/transport_password"
QUEUES = "rabbitmqctl --quiet list_queues --vhost launch name "


class Installed(Client):
    """The services of the host central, whose loopback and sockets this machine reaches over ssh."""

    def __init__(self):
        folder = ROOT / "build/hosts/front_door"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        super().__init__(folder, DATABASE.replace("//", "//root@", 1) + "{}")
        (folder / "site.json").write_text(json.dumps({**self.known, "launch_database": DATABASE + SOCKETS}))
        self.way = None

    def install(self, **variables) -> Run:
        """Run the role on the host, as somebody does who has logged in there."""
        said = {"front_door_extra_vars_file": str(self.folder / "site.json"), "front_door_virtualenv": "", **variables}
        arguments = ["-i", str(ROOT / self.inventory), "--extra-vars", json.dumps(said), "playbooks/front_door.yml"]
        command = shlex.join([sys.executable, "-m", "ansible", "playbook", *arguments])
        return Run(0, self.on(self.central, "cd %s && %s" % (shlex.quote(str(ROOT)), command), seconds=300))

    def request(self, name: str, **variables) -> str:
        """Ask there by request.yml, as a pipeline that has workers elsewhere; what is printed."""
        said = {**request(name), "launch_database": DATABASE + SOCKETS, **variables}
        path = self.folder / "request.json"
        path.write_text(json.dumps(said))
        arguments = ["-i", str(ROOT / self.inventory), "--extra-vars", "@%s" % path, "playbooks/request.yml", "-vvv"]
        command = shlex.join([sys.executable, "-m", "ansible", "playbook", *arguments])
        return self.on(self.central, "cd %s && %s" % (shlex.quote(str(ROOT)), command), seconds=120)

    def reach(self) -> None:
        """Have the API on this machine's port, when it answers there."""
        self.leave()
        socket = ".s.PGSQL.5432"
        (self.folder / socket).unlink(missing_ok=True)
        forwards = ["%d:127.0.0.1:8774" % self.port, "%s/%s:%s/%s" % (self.folder, socket, SOCKETS, socket)]
        options = [word for forward in forwards for word in ("-L", forward)]
        command = ["ssh", "-N", "-F", str(ROOT / "build/hosts/ssh_config"), *options, self.central]
        self.way = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.eventually(lambda: self.ask("GET", "", version=1)[0] == 200)

    def leave(self) -> None:
        if self.way:
            self.way.terminate()
            self.way.wait(timeout=30)

    def log(self) -> str:
        return self.on(self.central, "journalctl --no-pager --lines=300 --unit='kvmstack-*'")


@pytest.fixture
def installed():
    installed = Installed()
    try:
        yield installed
    finally:
        if installed.way:
            installed.take_back()
        installed.leave()
        installed.install(front_door_state="absent")
        installed.on(installed.central, "systemctl disable --quiet --now rabbitmq-server postgresql")


def test_systemd_runs_what_takes_requests_and_what_does_them(installed):
    """Also after the worker was killed and its host has booted; no secret is seen, and what came goes again."""
    asked = {"front_door_notification_format": "versioned"}
    asked.update(dict.fromkeys(("front_door_rabbitmq", "front_door_postgresql"), True))
    assert installed.install(**asked).changed
    assert installed.install(**asked).changed == 0
    installed.reach()
    made = installed.create("theirs")
    server = installed.rests(made)
    assert made in installed.domains(server["OS-EXT-SRV-ATTR:host"])
    woken = installed.on(installed.central, QUEUES + "consumers")
    assert any(line.split()[1] != "0" for line in woken.splitlines() if line.startswith("kvmstack.")), woken

    installed.on(installed.central, "systemctl kill --signal=KILL --kill-whom=main kvmstack-worker")
    installed.done("POST", "/servers/%s/action" % made, {"os-stop": None})
    installed.rests(made, "SHUTOFF")

    installed.boot(installed.central)
    installed.reach()
    installed.on(installed.central, "systemctl is-active --quiet %s" % SERVICES)
    installed.gone(made)

    installed.on(installed.central, "systemctl stop kvmstack-worker")
    transport = {"launch_transport": TRANSPORT, "launch_transport_password_file": PASSWORD}
    printed = installed.request("asked", **transport)
    installed.eventually(lambda: "scheduler.info\t1" in installed.on(installed.central, QUEUES + "messages"))
    installed.on(installed.central, "systemctl start kvmstack-worker")
    [row] = installed.records()
    installed.rests(row["uuid"])
    installed.gone(row["uuid"])
    password = installed.on(installed.central, "cat " + PASSWORD).strip()
    assert password not in installed.log() + printed
    assert password not in installed.on(installed.central, "cat /etc/kvmstack/front_door.yml /etc/systemd/system/kv*")

    assert installed.install(front_door_state="absent").changed
    assert installed.install(front_door_state="absent").changed == 0
    assert "kvmstack-" not in installed.on(installed.central, "systemctl list-units --no-legend %s" % SERVICES)
