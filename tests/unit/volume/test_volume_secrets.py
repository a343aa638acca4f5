# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup that gives the domains their volumes' passwords, in a real play."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.kvmstack.launch.plugins.module_utils.volume.cinder import chap

COLLECTIONS = str(Path(__file__).parents[3] / "build/collections")
LOOK_UP = "lookup('kvmstack.launch.volume_secrets', %s, private_path=path)"
# A password is data, whatever it looks like.
PASSWORD = "hid{{ 1 }}den"


def test_lookup(tmp_path):
    private = str(tmp_path / "private")
    chap.save(private, "one", PASSWORD)
    chap.save(private, "two", None)
    (tmp_path / "private" / "token").write_text("hidden")
    claims = {
        "['one', 'two', none], 'three'": "{'one': expected} | to_json",
        "[]": "''",
        "'../token', 'volumes/../../token'": "''",
    }
    that = ["%s == %s" % (LOOK_UP % terms, result) for terms, result in claims.items()]
    task = {"ansible.builtin.assert": {"that": that}, "vars": {"path": private}}
    variables = ["-e", "ansible_python_interpreter=" + sys.executable, "-e", "@%s" % (tmp_path / "vars.yml")]
    (tmp_path / "vars.yml").write_text("expected: !unsafe %s\n" % json.dumps(PASSWORD))
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", *variables]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = COLLECTIONS
    done = subprocess.run(
        [*command, str(tmp_path / "play.yml")], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
