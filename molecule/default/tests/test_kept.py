# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stays when its instance is gone, a volume and a cached image, goes when it is told to."""

from __future__ import annotations

import shutil

from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT, request

VOLUMES = [{"name": "data", "size": 1}]


def test_a_volume_and_an_image_that_nothing_has_go_when_they_are_told_to(site):
    shutil.copy(ROOT / "build/images/nop.qcow2", ROOT / "build/images/own.qcow2")
    wanted = request("gone", image="own", volumes=VOLUMES)
    wanted["launch_images"]["own"] = {"url": "file:///srv/images/own.qcow2", "checksum": "none"}
    bases = {host: site.on(host, "ls /var/lib/kvmstack/base").split() for host in site.compute_hosts}
    site.launch(wanted)
    row = site.record("gone")
    host, [volume] = row["host"], row["volumes"]
    try:
        [base] = set(site.on(host, "ls /var/lib/kvmstack/base").split()) - set(bases[host])
        named, now = {"launch_volume_names": ["gone-data"]}, {"launch_image_cache_age": 0}
        refused = site.run("volume_delete.yml", named, status=2).output
        assert "gone-data: instance gone has it" in refused
        site.run("image_cache.yml", now)
        assert base in site.on(host, "ls /var/lib/kvmstack/base")
    finally:
        site.destroy(wanted)
    assert "gone-data" in site.run("volume_delete.yml", {}).output
    assert site.run("volume_delete.yml", named, "--check").recap[host]["changed"] == 1
    assert site.on(host, "ls /var/lib/kvmstack/volumes/%s.raw" % volume["id"])
    site.run("volume_delete.yml", named)
    assert not site.on(host, "find /var/lib/kvmstack/volumes -name '%s*'" % volume["id"])
    assert not [each for each in site.records("volumes", "1 = 1") if each["id"] == volume["id"]]
    assert site.run("volume_delete.yml", named).changed == 0
    site.run("image_cache.yml", now)
    assert base not in site.on(host, "ls /var/lib/kvmstack/base")
    assert site.run("image_cache.yml", now).recap[host]["changed"] == 0
