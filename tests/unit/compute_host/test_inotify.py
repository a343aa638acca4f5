# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host has room for the dnsmasq of many networks, and one that may not be told so is none the worse."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml

TASKS = Path(__file__).parents[3] / "roles/compute_host/tasks/gateways.yml"
NAMED = {task["name"]: task for task in yaml.safe_load(TASKS.read_text())}
ASK, MORE = NAMED["Ask how many inotify instances a user may have"], NAMED["Let there be more of them"]
AT_BOOT, NOW = MORE["block"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        pytest.param({"stdout": "128"}, True, id="as the kernel has it"),
        pytest.param({"stdout": "8192"}, False, id="as many"),
        pytest.param({"stdout": "65536"}, False, id="more: it is not lowered"),
        pytest.param({"stdout": ""}, True, id="a kernel that does not say"),
        pytest.param({}, True, id="a host without sysctl"),
    ],
)
def test_it_is_raised_where_it_is_less(said, written):
    condition = jinja2.Environment().compile_expression(MORE["when"])
    assert condition(compute_host_inotify=said) == written


def test_a_host_that_may_not_does_not_fail():
    told = AT_BOOT["ansible.builtin.copy"]["content"].splitlines()
    assert told[-1] == "-fs.inotify.max_user_instances = 8192"
    assert ASK["failed_when"] is False
    assert NOW["failed_when"] is False
