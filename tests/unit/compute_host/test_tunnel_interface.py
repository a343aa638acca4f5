# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What carries tunnels in the userspace datapath: not the way to the host, and up with an address of either family."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml

from ansible_collections.kvmstack.launch.tests.unit.compute_host.playing import failed

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
    play = {"hosts": "all", "tasks": [{"ansible.builtin.set_fact": known}, TASK]}
    told, said = failed(tmp_path, {"all": {"hosts": hosts}}, play)
    assert {host: not bad for host, bad in told.items()} == {
        "on-%s" % name: good for name, (_facts, good) in ROUTES.items()
    }
    assert "compute_host_tunnel_interface is eth3, which has a default route" in " ".join(said.split())


@pytest.mark.parametrize(("address", "length"), [("192.0.2.10", 24), ("2001:db8::10", 64)])
def test_the_tunnel_address_has_a_prefix_of_its_family(address, length):
    default = yaml.safe_load((ROLE / "defaults/main.yml").read_text())["compute_host_tunnel_prefix_length"]
    assert jinja2.Template(default).render(compute_host_tunnel_address=address) == str(length)


def test_the_interface_is_brought_up():
    unit = (ROLE / "templates/tunnel-bridge.service").read_text().splitlines()
    assert "ExecStart=ip link set {{ compute_host_tunnel_interface }} up" in unit
