# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compute node on its way from the host to the record."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.plugins.module_utils.host.model import ComputeNode

NODE = ComputeNode("compute-1", "QEMU", 9000000, "kvm", "x86_64", 8, 16384, 100, 50, cpu_features=("aes", "avx"))


def test_it_is_known_by_its_name_in_the_inventory():
    assert (NODE.key, NODE.name, NODE.to_result()["name"]) == ("compute-1",) * 3
