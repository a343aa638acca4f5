# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Destroy leaves the services as they were before the launch; what was the user's own is given back."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import NAMES, REQUEST

ALL = {"launch_instances": REQUEST["launch_instances"]}


def test_destroy_leaves_the_services_as_they_were(site):
    rows = [site.record(name) for name in NAMES]
    lent, before = site.port("own"), site.things()
    site.destroy(ALL)
    try:
        after = site.things()
        assert {kind: len(ids) for kind, ids in before.items()} == {
            "ports": len(after["ports"]) + 3,  # two of the instances, and the floating IP's
            "floating IPs": len(after["floating IPs"]) + 1,
            "volumes": len(after["volumes"]) + 2,
            "attachments": len(after["attachments"]) + 2,
            "images": len(after["images"]),
        }
        assert all(set(after[kind]) <= set(before[kind]) for kind in before)
        [given_back] = site.listed("network", "/ports?name=lent")
        for key in ("device_id", "device_owner", "binding:host_id"):
            assert given_back[key] == ""
        for key in ("id", "mac_address", "fixed_ips", "security_groups", "tags"):
            assert given_back[key] == ([] if key == "tags" else lent[key])
        for host in site.compute_hosts:
            left = site.on(host, "virsh list --all --uuid; ls /var/lib/kvmstack/instances")
            assert not [row["uuid"] for row in rows if row["uuid"] in left]
        assert site.destroy(ALL).changed == 0
        assert site.things() == after
    finally:
        site.launch(ALL)
    assert {kind: len(ids) for kind, ids in site.things().items()} == {kind: len(ids) for kind, ids in before.items()}


def test_the_audit_finds_that_all_agrees(site):
    """The record, the compute hosts and neutron have the same."""
    assert "all agrees" in site.run("audit.yml", {}).output
