# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The example of a rulebook, in ansible-rulebook, over a RabbitMQ as a worker sends to it: `./dev rulebook`."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.service.transport import Transport, url_of
from ansible_collections.kvmstack.launch.plugins.module_utils.worker.notifications import EXCHANGE, VERSIONED

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "build/rulebook/bin"
SECONDS = 120


@pytest.fixture
def broker(rabbitmq, tmp_path):
    """What a site says of its message queue."""
    password = tmp_path / "password"
    password.write_text(rabbitmq.password + "\n")
    password.chmod(0o600)
    return SimpleNamespace(transport=rabbitmq.vhost(), transport_password_file=str(password))


@pytest.fixture
def rulebook(broker, tmp_path):
    """The example, and what it says, as it goes on."""
    said, told = tmp_path / "said", {"launch_" + key: value for key, value in vars(broker).items()}
    (tmp_path / "vars.yml").write_text(json.dumps(told))
    options = ["--inventory", "localhost,", "--vars", "vars.yml", "--rulebook", "kvmstack.launch.create_error"]
    environment = {
        "PATH": "%s:%s" % (PROGRAMS, os.environ["PATH"]),
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
    }
    with open(said, "wb") as log:
        command = [str(PROGRAMS / "ansible-rulebook"), *options]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    yield SimpleNamespace(runs=lambda: process.poll() is None, said=said.read_text)
    process.terminate()
    process.wait(timeout=30)


def test_the_example_tells_what_could_not_be_launched_and_nothing_else(rulebook, broker):
    notifier = Transport(url_of(broker), exchange=EXCHANGE, quorum=False).notifier(VERSIONED, "nova-compute:c1")

    def payload(name):
        data = {"display_name": name, "fault": "full"}
        return {"nova_object.name": "InstanceCreatePayload", "nova_object.data": data}

    end = time.monotonic() + SECONDS
    while "web could not be launched: full" not in rulebook.said():  # what is sent before it listens has no queue yet
        assert rulebook.runs(), rulebook.said()
        assert time.monotonic() < end, rulebook.said()
        notifier.info({}, "instance.create.end", payload("well"))
        notifier.error({}, "instance.create.error", payload("web"))
        time.sleep(1)
    assert "well could not" not in rulebook.said()
