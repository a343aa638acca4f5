# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where tunnels can end, by the role's own task: a name or a loopback address ends in silence otherwise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles/compute_host"
[TASK] = [
    task for task in yaml.safe_load((ROLE / "tasks/chassis.yml").read_text()) if task["name"].startswith("Require")
]
ALONE = {"127.0.0.1": True, "::1": True, "192.0.2.10": True, "kvm1": True}
BESIDE_OTHERS = {
    "192.0.2.10": True, "192.0.2.10,198.51.100.10": True, "2001:db8::10": True, "::ffff:192.0.2.10": True,
    "127.0.0.1": False, "127.1.2.3": False,
    "::1": False, "kvm1": False, "kvm1.example.org": False, "": False, "ab": False,
}  # fmt: skip


@pytest.mark.parametrize(("addresses", "others"), [(ALONE, 0), (BESIDE_OTHERS, 1)])
def test_a_tunnel_ends_at_an_address_that_others_reach(tmp_path, addresses, others):
    hosts = {"h%d" % place: {"compute_host_tunnel_address": each} for place, each in enumerate(addresses)}
    group = {"hosts": dict.fromkeys(["kvm-%d" % number for number in range(1 + others)], {})}
    inventory = {"all": {"hosts": hosts, "children": {"compute": group}}}
    play = {"hosts": "h*", "gather_facts": False, "tasks": [TASK]}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    (tmp_path / "own.cfg").write_text("[defaults]\n")
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "play.yml"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": "own.cfg", "ANSIBLE_NOCOLOR": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = dict(re.findall(r"^(h\d+) .* failed=(\d)", done.stdout, re.MULTILINE))
    assert {each["compute_host_tunnel_address"]: failed[host] == "0" for host, each in hosts.items()} == addresses
