# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes and networks come and go while the guests run: one's data is read by another, and nobody starts anew."""

from __future__ import annotations

from copy import deepcopy

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import REQUEST


@pytest.fixture(scope="module")
def second(site):
    """A second network of the project."""
    site.openstack(
        "member", "network create second", "subnet create --network second --subnet-range 10.31.0.0/24 second"
    )
    yield "second"
    site.openstack("member", "network delete second")


def changed(**entries) -> dict:
    """The request of converge with other networks or volumes for some of its instances."""
    wanted = deepcopy({"launch_instances": REQUEST["launch_instances"]})
    for entry in wanted["launch_instances"]:
        entry.update(entries.get(entry["name"], {}))
    return wanted


def volumes_of(name: str) -> list[dict]:
    [entry] = [entry for entry in REQUEST["launch_instances"] if entry["name"] == name]
    return entry["volumes"]


def test_a_volume_goes_from_guest_to_guest_and_a_network_comes_and_goes(site, second):
    """Each step is a change of the request, and the guests run through all of them."""
    volume = site.volume("web-data")["id"]
    written = "VOLUME %s is written" % volume[:20]
    site.console("web", written)
    site.console("boot", "GUEST-READY")
    identity = "virsh domid %s; pgrep -f guest=%s"
    before = {name: site.on(site.record(name)["host"], identity % (name, name)) for name in ("web", "boot")}

    taken = changed(web={"volumes": []})
    site.launch(taken)
    site.console("web", "GUEST-DISK-GONE")
    shown = site.volume("web-data")
    assert (shown["status"], shown["attachments"]) == ("available", [])
    assert site.record("web")["volumes"] == []

    both = [{"network": "private", "security_groups": ["web", "default"]}, second]
    more = [*volumes_of("boot"), {"name": "web-data"}]
    given = changed(web={"volumes": [], "networks": both, "metadata": {"role": "gold"}}, boot={"volumes": more})
    site.launch(given)
    assert "VOLUME %s has: written by web" % volume[:20] in site.console("boot", written)
    shown = site.volume("web-data")
    assert shown["status"] == "in-use"
    assert [one["server_id"] for one in shown["attachments"]] == [site.record("boot")["uuid"]]
    [port] = [port for port in site.record("web")["ports"] if port["network"] == second]
    assert port["fixed_ip"].startswith("10.31.0.")
    text = site.console("web", "ip=%s/24" % port["fixed_ip"])
    assert "GUEST-LEASE dev=eth1 mac=%s" % port["mac_address"] in text
    assert "gold" in site.on(site.record("web")["host"], "virsh dumpxml web")
    shown, groups = site.openstack("member", "port show web-private", "security group list")
    assert sorted(shown["security_group_ids"]) == sorted(group["ID"] for group in groups)
    site.unchanged(given)

    site.launch(taken)
    site.console("web", "GUEST-NIC-GONE eth1")
    site.console("boot", "GUEST-DISK-GONE")
    assert site.openstack("member", "port list --network %s --device-owner compute:nova" % second) == [[]]
    assert site.volume("web-data")["status"] == "available"

    site.launch(changed())
    assert "VOLUME %s has: written by boot" % volume[:20] in site.console("web", "has: written by boot")
    assert {name: site.on(site.record(name)["host"], identity % (name, name)) for name in before} == before
    site.unchanged(changed())
