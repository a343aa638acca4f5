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

# A text that looks different in quotes, and to those who look for USER:PASSWORD@HOST.
QUOTED = """it's a:"quoted\\"@zebra"""
COLLECTIONS = str(Path(__file__).parents[3] / "build/collections")
TOKEN = "lookup('kvmstack.launch.token', cloud=%s, private_path=path"


@pytest.fixture
def play(params, tmp_path):
    """Runs tasks with the account's parameters as variables; returns the exit code and all that was said."""

    def run(*tasks):
        variables = {"cloud": params["cloud"], "path": params["private_path"], "into": str(tmp_path)}
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
            "ANSIBLE_INJECT_INVOCATION": "true",
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-vvvv", "-i", "localhost,", str(tmp_path / "play.yml")]
        local = ["-c", "local", "-e", "ansible_python_interpreter=" + sys.executable]
        done = subprocess.run(command + local, capture_output=True, text=True, env=environment, check=False)
        return done.returncode, done.stdout + done.stderr + log.read_text()

    return run


def digest(name, *options, account="cloud"):
    """A task that writes the digest of what the lookup gives."""
    text = "{{ %s) | hash('sha256') }}" % ", ".join((TOKEN % account, *options))
    return {"ansible.builtin.copy": {"content": text, "dest": "{{ into }}/" + name, "mode": "0600"}}


def test_the_token_and_the_password_show_nowhere(cloud, play, tmp_path):
    asked = {"identity": "keystone", "cloud": "{{ cloud }}", "private_path": "{{ path }}"}
    wrong = "{{ cloud | combine({'auth': {'password': 'a wrong password'}}, recursive=true) }}"
    code, said = play(
        {"kvmstack.launch.token": asked, "register": "found"},
        {"ansible.builtin.debug": {"var": "found"}},
        digest("first"),
        digest("second"),
        digest("none", "identity='none'"),
        {"kvmstack.launch.token": {**asked, "cloud": wrong}, "register": "refused", "ignore_errors": True},
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
        digest("third", account="cloud | combine({'auth_type': 'nonsense'})"),
    )
    assert code != 0
    assert "nonsense" in said
    assert len({(tmp_path / name).read_text() for name in ("first", "second")}) == 2
    assert not [token for token in cloud.stack.tokens if token in said]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({}, '"user_name": "ann"', id="it works"),
        pytest.param({"actions": ["dance"]}, "value of actions must be one or more of", id="another option is wrong"),
        pytest.param({"nonsense": 1}, "Unsupported parameters", id="an option is unknown"),
        pytest.param(
            {"cloud": {"auth": {"password": QUOTED, "pasword": "x"}}}, "cloud.auth: pasword is", id="a key is unknown"
        ),
        pytest.param({"cloud": {"auth": {"password": [QUOTED]}}}, "has to be a text, not a list", id="a wrong kind"),
        pytest.param({"cloud": json.dumps({"auth": {"password": QUOTED}})}, "auth_url", id="a mapping as a text"),
        pytest.param({"service_cloud": {"auth": {"password": QUOTED}}}, "auth_url", id="the launcher's own account"),
    ],
)
def test_a_process_of_its_own_hides_secrets_and_nothing_else(cloud, params, play, more, words):
    account = {**params["cloud"], "region_name": "RegionOne"}
    asked = {"identity": "keystone", "cloud": account, "private_path": params["private_path"], **more}
    # With an environment of its own it cannot run inside Ansible's worker.
    task = {"kvmstack.launch.token": asked, "environment": {"ELSEWHERE": "1"}, "register": "found"}
    code, said = play({**task, "ignore_errors": True}, {"ansible.builtin.debug": {"var": "found"}})
    assert code == 0
    assert '"module_args"' in said
    assert words in said
    if "cloud" not in more:
        assert '"region_name": "RegionOne"' in said
    for secret in (*cloud.stack.tokens, PASSWORD, QUOTED, json.dumps(QUOTED)[1:-1], "zebra"):
        assert secret not in said
