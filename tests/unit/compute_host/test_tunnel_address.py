# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where tunnels can end, by the role's own task: a name or a loopback address ends in silence otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.kvmstack.launch.tests.unit.compute_host.playing import failed

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
    told, _said = failed(tmp_path, inventory, {"hosts": "h*", "tasks": [TASK]})
    assert {each["compute_host_tunnel_address"]: not told[host] for host, each in hosts.items()} == addresses
