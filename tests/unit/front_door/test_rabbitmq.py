# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role front_door makes in RabbitMQ: by its own tasks in a real one."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import amqp
import yaml

from ansible_collections.kvmstack.launch.tests.unit.rabbitmq import POLICY, PROGRAMS

TASKS = Path(__file__).parents[3] / "roles/front_door/tasks/rabbitmq_user.yml"
STARTING = yaml.safe_load(TASKS.with_name("present.yml").read_text())[-1]
OTHERS = ("ansible", "required", "written", "described")  # what else restarts the services


def test_a_user_is_made_once_and_has_the_password_of_the_file(rabbitmq, tmp_path):
    """Neither rabbitmqctl's arguments nor Ansible's output show it; the services begin anew with another one."""
    environment = ["%s=%s" % variable for variable in rabbitmq.environment.items()]
    command = shlex.join(rabbitmq.as_user("env", *environment, PROGRAMS + "rabbitmqctl"))
    (tmp_path / "rabbitmqctl").write_text('#!/bin/sh\necho "$@" >> %s/calls\nexec %s "$@"\n' % (tmp_path, command))
    (tmp_path / "rabbitmqctl").chmod(0o755)
    password, is_new = tmp_path / "pass word", tmp_path / "is new"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "front_door_broker_name": "door",
            "front_door_password_file": str(password),
            "front_door_broker_is_new": str(is_new),
            **{"front_door_" + each: {"changed": False} for each in OTHERS},
        },
        "tasks": [
            {"ansible.builtin.import_tasks": str(TASKS)},
            {"ansible.builtin.debug": {"msg": "restarts: {{ front_door_news }}"}, "vars": STARTING["vars"]},
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))

    def run(secret):
        password.write_text(secret + "\n")
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-v", "-i", "localhost,", "play.yml"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PATH": "%s:%s" % (tmp_path, os.environ["PATH"]), "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert secret not in done.stdout
        with amqp.Connection("127.0.0.1:%d" % rabbitmq.port, "door", secret, virtual_host="door") as connection:
            connection.channel().queue_declare("any", exclusive=True)
        return done.stdout.rpartition("changed=")[2].split()[0], "restarts: True" in done.stdout

    def users():
        return {each["user"] for each in json.loads(rabbitmq.ctl("list_users", "--formatter", "json"))}

    rabbitmq.ctl("add_user", "guest", "guest")
    assert run("first-secret") == ("4", True)
    assert run("first-secret") == ("0", False)
    assert "guest" in users(), "who had RabbitMQ before may need it"
    is_new.touch()  # as a run leaves it that was killed when it had installed RabbitMQ
    assert run("other-secret") == ("2", True)
    assert "guest" not in users()
    assert not is_new.exists()
    assert "secret" not in (tmp_path / "calls").read_text()
    [policy] = json.loads(rabbitmq.ctl("list_policies", "--vhost", "door", "--formatter", "json"))
    assert (policy["pattern"], policy["apply-to"]) == (POLICY["pattern"], POLICY["apply-to"])
    assert json.loads(policy["definition"]) == POLICY["definition"]
