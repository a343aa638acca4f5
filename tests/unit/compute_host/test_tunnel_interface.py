# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What carries tunnels in the userspace datapath: not the way to the host, and up with an address of either family."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles/compute_host"
[TASK] = [
    task for task in yaml.safe_load((ROLE / "tasks/tunnel_bridge.yml").read_text()) if task["name"].startswith("Keep")
]
ROUTES = {
    "eth1": ({"default_ipv4": {"interface": "eth0"}, "default_ipv6": {"interface": "eth0"}}, True),
    "eth2": ({"default_ipv4": {}, "default_ipv6": {}}, True),
    "eth3": ({"default_ipv4": {"interface": "eth3"}, "default_ipv6": {}}, False),
    "eth4": ({"default_ipv4": {"interface": "eth0"}, "default_ipv6": {"interface": "eth4"}}, False),
}


def test_the_way_to_the_host_carries_no_tunnels(tmp_path):
    hosts = {
        "on-%s" % name: {"compute_host_tunnel_interface": name, "facts": facts}
        for name, (facts, _good) in ROUTES.items()
    }
    known = {"default_ipv4": "{{ facts.default_ipv4 }}", "default_ipv6": "{{ facts.default_ipv6 }}", "cacheable": True}
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": known}, TASK]}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
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
    failed = dict(re.findall(r"^on-(\w+) .* failed=(\d)", done.stdout, re.MULTILINE))
    assert {name: count == "0" for name, count in failed.items()} == {
        name: good for name, (_facts, good) in ROUTES.items()
    }
    assert "compute_host_tunnel_interface is eth3, which has a default route" in " ".join(done.stdout.split())


@pytest.mark.parametrize(("address", "length"), [("192.0.2.10", 24), ("2001:db8::10", 64)])
def test_the_tunnel_address_has_a_prefix_of_its_family(address, length):
    default = yaml.safe_load((ROLE / "defaults/main.yml").read_text())["compute_host_tunnel_prefix_length"]
    assert jinja2.Template(default).render(compute_host_tunnel_address=address) == str(length)


def test_the_interface_is_brought_up():
    unit = (ROLE / "templates/tunnel-bridge.service").read_text().splitlines()
    assert "ExecStart=ip link set {{ compute_host_tunnel_interface }} up" in unit
