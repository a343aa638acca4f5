# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What belongs to one family of distributions stands in one file of a role, and other families are told its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"
PREPARING = [path.parents[1] for path in sorted(ROLES.glob("*/vars/Debian.yml"))]
roles = pytest.mark.parametrize("role", PREPARING, ids=lambda path: path.name)


def names(role):
    """Every name that Debian has for something."""
    for value in yaml.safe_load((role / "vars/Debian.yml").read_text()).values():
        yield from value if isinstance(value, list) else [value]


def looked_up(role, family):
    """The status of a run in which the role looks a host of this family up, and what it said, as one line."""
    facts = {"os_family": family, "pkg_mgr": "any", "cacheable": True}
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.set_fact": facts},
            {
                "ansible.builtin.include_role": {
                    "name": str(role),
                    "tasks_from": "distribution",
                    "rolespec_validate": False,
                }
            },
            {"ansible.builtin.debug": {"msg": "{{ %s_packages | to_json }}" % role.name}},
        ],
    }
    command = [sys.executable, "-m", "ansible", "playbook", "--inventory", "localhost,", "/dev/stdin"]
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"}
    done = subprocess.run(
        command, input=json.dumps([play]), env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, " ".join(done.stdout.split())


def test_both_roles_that_install_something_are_looked_at():
    assert {role.name for role in PREPARING} == {"compute_host", "ovn_central"}


@roles
def test_a_family_that_has_a_file_is_looked_up(role):
    status, said = looked_up(role, "Debian")
    assert status == 0, said
    packages = yaml.safe_load((role / "vars/Debian.yml").read_text())["%s_packages" % role.name]
    assert json.dumps(packages) in said


@roles
def test_another_family_is_told_the_file_that_is_missing(role):
    status, said = looked_up(role, "Slackware")
    assert status == 2
    assert "is of the family Slackware" in said
    assert "write %s/vars/Slackware.yml" % role in said


@roles
def test_no_other_file_has_a_name_of_debians(role):
    debians = re.compile(r"(?<![\w-])(%s)(?![\w-])" % "|".join(map(re.escape, names(role))))
    for path in [*role.glob("tasks/*.yml"), *role.glob("defaults/*.yml"), role / "vars/main.yml"]:
        assert not debians.findall(" ".join(texts(yaml.safe_load(path.read_text())))), path
    for path in role.glob("templates/*"):
        assert not debians.findall(path.read_text()), path


def texts(value):
    """Every text in a document, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value
