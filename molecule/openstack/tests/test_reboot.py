# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compute host boots anew, with guests on volumes of all kinds; the controller does nothing."""

from __future__ import annotations

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import REQUEST, request

MARKS = REQUEST["launch_instances"][0]["user_data"]


def test_guests_come_back_with_their_volumes_in_ceph_and_on_shares(site):
    wanted = request("returns", networks=["private"], image="demo", user_data=MARKS)
    wanted["launch_instances"][0]["volumes"] = [
        {"name": "block", "size": 1, "delete_on_termination": True},
        {"name": "share", "size": 1, "type": "nfs", "delete_on_termination": True},
    ]
    with site.as_before():
        try:
            site.launch(wanted)
            row = site.record("returns")
            serials = [site.volume("returns-" + name)["id"][:20] for name in ("block", "share")]
            for serial in serials:
                site.console("returns", "VOLUME %s is written" % serial)
            site.reboot(row["host"], "returns")
            for serial in serials:
                site.console("returns", "VOLUME %s has: written by returns" % serial)
            site.console("returns", "GUEST-LEASE")
            assert site.port("returns")["status"] == "ACTIVE"
            site.unchanged(wanted)
        finally:
            site.destroy(wanted)
        assert site.on(row["host"], "cat /var/lib/kvmstack/mnt/fstab") == ""
