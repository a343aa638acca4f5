# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stage and the lookup of its token in a real play, as talkative as Ansible can be: nothing of it shows."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.kvmstack.launch.tests.unit.cloud.fake import PASSWORD

COLLECTIONS = str(Path(__file__).parents[3] / "build/collections")
TOKEN = "lookup('kvmstack.launch.token', auth=auth, private_path=path"


@pytest.fixture
def play(params, tmp_path):
    """Runs tasks with the account's parameters as variables; returns the exit code and all that was said."""

    def run(*tasks):
        variables = {"auth": params["auth"], "path": params["private_path"], "into": str(tmp_path)}
        playbook = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]
        (tmp_path / "play.yml").write_text(json.dumps(playbook))
        log = tmp_path / "log"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-vvvv", "-i", "localhost,", str(tmp_path / "play.yml")]
        local = ["-c", "local", "-e", "ansible_python_interpreter=" + sys.executable]
        done = subprocess.run(command + local, capture_output=True, text=True, env=environment, check=False)
        return done.returncode, done.stdout + done.stderr + log.read_text()

    return run


def digest(name, *options):
    """A task that writes the digest of what the lookup gives."""
    text = "{{ %s) | hash('sha256') }}" % ", ".join((TOKEN, *options))
    return {"ansible.builtin.copy": {"content": text, "dest": "{{ into }}/" + name, "mode": "0600"}}


def test_the_token_and_the_password_show_nowhere(cloud, play, tmp_path):
    asked = {"identity": "keystone", "auth": "{{ auth }}", "private_path": "{{ path }}"}
    wrong = "{{ auth | combine({'password': 'a wrong password'}) }}"
    code, said = play(
        {"kvmstack.launch.token": asked, "register": "found"},
        {"ansible.builtin.debug": {"var": "found"}},
        digest("first"),
        digest("second"),
        digest("none", "identity='none'"),
        {"kvmstack.launch.token": {**asked, "auth": wrong}, "register": "refused", "ignore_errors": True},
        {"ansible.builtin.debug": {"msg": "{{ refused.msg }}"}},
    )
    assert code == 0, said
    [token] = cloud.stack.tokens
    written = {name: (tmp_path / name).read_text() for name in ("first", "second", "none")}
    ours = hashlib.sha256(token.encode()).hexdigest()
    assert written == {"first": ours, "second": ours, "none": hashlib.sha256(b"").hexdigest()}
    assert '"user_name": "ann"' in said
    assert "Keystone says: The request you have made requires authentication" in said
    # Ansible itself tells the variables of a play to nobody; its log was read too.
    for secret in (token, PASSWORD, "a wrong password"):
        assert secret not in said


def test_a_token_that_ends_within_two_minutes_is_renewed_and_errors_are_told(cloud, play, tmp_path):
    cloud.stack.life = 110
    code, said = play(
        digest("first"),
        digest("second"),
        digest("third", "interface='internal', auth_type='nonsense'"),
    )
    assert code != 0
    assert "nonsense" in said
    assert len({(tmp_path / name).read_text() for name in ("first", "second")}) == 2
    assert not [token for token in cloud.stack.tokens if token in said]
