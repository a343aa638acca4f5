# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module of the doors that take a cloud: what it writes to the host's log, and which doors are made with it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import PASS_VARS
from ansible.module_utils.testing import patch_module_args

from ansible_collections.kvmstack.launch.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.kvmstack.launch.plugins.module_utils.core.specs import CLOUD
from ansible_collections.kvmstack.launch.tests.unit.shown import result_of, shown

MODULES = "ansible_collections.kvmstack.launch.plugins.modules."
PLUGINS = Path(__file__).parents[3] / "plugins"
# As Ansible's actions send them.
ARGUMENTS = {"cloud": {"auth": {"username": "ann", "password": "hidden"}}, "_ansible_no_log": False}
# Since ansible-core 2.21 a result repeats what was asked for only where it is told to.
if "inject_invocation" in PASS_VARS:
    ARGUMENTS["_ansible_inject_invocation"] = True


@pytest.fixture
def log(monkeypatch):
    """What a module writes to the host's log."""
    lines = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, line, log_args=None: lines.append(line))
    return lines


@pytest.fixture(autouse=True)
def _arguments():
    with patch_module_args(ARGUMENTS):
        yield


def made(kind):
    return kind(argument_spec=CLOUD, no_log=True)


def test_the_log_of_the_host_has_nothing_of_it(log):
    made(AnsibleModule)
    assert "hidden" in log.pop()
    made(CloudModule)
    assert log == []


def test_a_result_has_everything_but_the_secret(log, capsys):
    with pytest.raises(SystemExit):
        made(CloudModule).exit_json(text="ann is hidden")
    result = result_of(shown(capsys.readouterr().out))
    assert result["text"] == "ann is ********"
    assert result["invocation"]["module_args"]["cloud"]["auth"]["username"] == "ann"
    assert "hidden" not in json.dumps(result)


@pytest.mark.parametrize("name", sorted(path.stem for path in PLUGINS.glob("modules/*.py")))
def test_every_door_that_takes_a_cloud_is_made_with_it(name):
    door = importlib.import_module(MODULES + name)
    takes_cloud = "cloud" in getattr(door, "SPEC", {})
    assert hasattr(door, "CloudModule") == takes_cloud
    assert takes_cloud == ("kvmstack.launch.cloud\n" in door.DOCUMENTATION)
