# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of all kinds: from a snapshot, over NFS, shared by two guests; kept, and with Ceph alone."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import CEPH, REQUEST, request

MARKS = REQUEST["launch_instances"][0]["user_data"]


@pytest.fixture
def prepared(site):
    """A snapshot of what web has written, and a volume that several guests may have at once."""
    site.console("web", "is written")
    site.openstack("member", "volume snapshot create --force --volume web-data snapped")
    properties = "--property multiattach='<is> True' --property volume_backend_name=rbd1"
    site.on("control", "OS_CLOUD=admin openstack volume type create %s shared" % properties)
    site.openstack("member", "volume create --type shared --size 1 common")
    yield
    site.openstack("member", "volume delete common", "volume snapshot delete snapped")
    site.openstack("admin", "volume type delete shared")


@pytest.mark.usefixtures("prepared")
def test_volumes_of_all_kinds_are_attached_and_read(site):
    wanted = request("copied", "sharing", networks=[], volumes=[{"name": "common"}])
    copied, _sharing = wanted["launch_instances"]
    copied.update(image="demo", user_data=MARKS, networks=[{"network": "private", "port_security": False}])
    copied["volumes"] = [
        {"name": "common"},
        {"name": "copy", "size": 1, "snapshot": "snapped", "delete_on_termination": True},
        {"name": "file", "size": 1, "type": "nfs"},
    ]
    with site.as_before():
        try:
            site.launch(wanted)
            rows = {name: site.record(name) for name in ("copied", "sharing")}
            volumes = {name: site.volume(name) for name in ("common", "copied-copy", "copied-file")}
            text = site.console("copied", "VOLUME %s has: written by web" % volumes["copied-copy"]["id"][:20])
            site.console("copied", "VOLUME %s is written" % volumes["copied-file"]["id"][:20])
            assert "VOLUME %s" % volumes["common"]["id"][:20] in text
            held = {name: [one["server_id"] for one in volume["attachments"]] for name, volume in volumes.items()}
            assert sorted(held["common"]) == sorted(row["uuid"] for row in rows.values())
            assert held["copied-copy"] == held["copied-file"] == [rows["copied"]["uuid"]]
            assert site.port("copied")["port_security_enabled"] is False
            site.unchanged(wanted)
            site.destroy(wanted)
            # What was made without delete_on_termination stays, and so does what was the user's own.
            assert site.volume("copied-file")["status"] == site.volume("common")["status"] == "available"
        finally:
            site.destroy(wanted)
            site.openstack("member", "volume delete copied-file")


def test_ceph_alone_keeps_volumes_too(site):
    """The same launch without Cinder: the volume is made in the cluster, its guest holds it, and it goes."""
    wanted = {**request("direct", image="demo", user_data=MARKS), **CEPH}
    with site.as_before():
        try:
            site.launch(wanted)
            [volume] = site.record("direct")["volumes"]
            site.console("direct", "VOLUME %s is written" % volume["id"][:20])
            [image] = [name for name in site.on("control", "rbd ls volumes").split() if volume["id"] in name]
            assert "watcher=" in site.on("control", "rbd status volumes/%s" % image)
            site.unchanged(wanted)
        finally:
            site.destroy(wanted)
        assert image not in site.on("control", "rbd ls volumes").split()
