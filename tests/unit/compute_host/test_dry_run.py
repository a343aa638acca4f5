# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A dry run on a host that has the packages and none of our units yet: what it would write it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

TASKS = Path(__file__).parents[3] / "roles/compute_host/tasks"
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(TASKS.glob("*.yml"))}
WRITTEN = [
    (stem, task)
    for stem, tasks in FILES.items()
    for task in tasks
    if "daemon_reload" in task.get("ansible.builtin.systemd_service", {})
]


def test_there_are_such_units():
    assert [stem for stem, _task in WRITTEN] == ["gateways", "hypervisor", "tunnel_bridge"]


@pytest.mark.parametrize(("stem", "task"), WRITTEN, ids=[stem for stem, _task in WRITTEN])
def test_a_unit_that_would_be_written_is_not_started_by_a_dry_run(stem, task):
    [written] = [each["register"] for each in FILES[stem] if "ansible.builtin.template" in each]
    assert task.get("when") == "not ansible_check_mode or %s is not changed" % written
