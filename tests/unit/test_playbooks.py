# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks whose options leave nothing to do: they say so and fail; hosts are never reached here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INVENTORY = {"compute": {"hosts": {"c1": {}, "c2": {}}}}
OURS = str(ROOT / "playbooks/%s.yml")
LEAVES_OUT = "--limit c1 leaves localhost out"
PARTS = ("controller", "attempt", "abandoned", "prepare")
PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob("playbooks/*.yml"))}


@pytest.fixture
def run(tmp_path):
    """Runs a playbook of ours, or one of the user's own with these plays; its exit status and what it said."""
    (tmp_path / "inventory.yml").write_text(json.dumps(INVENTORY))

    def run(playbook, *options):
        if isinstance(playbook, list):
            (tmp_path / "site.yml").write_text(json.dumps(playbook))
            playbook = "site.yml"
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "inventory.yml")]
        command += [playbook, "-e", "launch_database=sqlite:///%s" % (tmp_path / "launch.db"), *options]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"), "COLUMNS": "1000"}
        environment.pop("ANSIBLE_CONFIG", None)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


def site(**more):
    """A playbook of the user's own, that lists the instances and greets the hosts."""
    greeting = {"hosts": "all", "gather_facts": False, "tags": "web", "tasks": [{"debug": {"msg": "hello"}}]}
    return [{"import_playbook": OURS % "list", **more}, greeting]


@pytest.mark.parametrize(
    ("playbook", "options", "status", "words"),
    [
        pytest.param(OURS % "destroy", ["--limit", "c1"], 2, LEAVES_OUT, id="a limit without localhost"),
        pytest.param("kvmstack.launch.launch", ["--limit", "c1"], 2, LEAVES_OUT, id="also by the playbook's name"),
        pytest.param(OURS % "destroy", ["--tags", "x"], 2, "--tags x leaves out this playbook's tasks", id="tags"),
        pytest.param(OURS % "list", ["--limit", "c1,localhost"], 0, "NAME UUID", id="a limit with localhost"),
        pytest.param(OURS % "list", ["--skip-tags", "x"], 0, "NAME UUID", id="tags that are none of ours"),
        pytest.param(site(), ["--limit", "c1"], 0, "hello", id="a limit of the user's own playbook"),
        pytest.param(site(), ["--tags", "web"], 0, "hello", id="tags of the user's own playbook"),
        pytest.param(site(tags="vms"), ["--tags", "vms"], 0, "NAME UUID", id="tags of the import"),
    ],
)
def test_a_run_that_is_narrowed_does_its_work_or_fails_with_words(run, playbook, options, status, words):
    found, said = run(playbook, *options)
    assert (found, words in said) == (status, True), said


@pytest.mark.parametrize("name", [name for name in PLAYBOOKS if name not in PARTS])
def test_every_playbook_with_work_of_the_controller_begins_with_that(name):
    first, *others = PLAYBOOKS[name]
    assert first["ansible.builtin.import_playbook"] == "controller.yml"
    assert any(play.get("hosts") == "localhost" for play in others)


def test_the_other_playbooks_are_parts_or_hosts_only():
    assert not any(play.get("hosts") == "localhost" for name in PARTS for play in PLAYBOOKS[name])
