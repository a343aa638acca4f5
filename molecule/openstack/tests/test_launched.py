# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After converge: the three instances of request.yml, as OpenStack's users, libvirt and the guests see them."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.molecule.openstack.tests.cloud import NAMES


@pytest.fixture(scope="module")
def seen(site):
    """What the command line shows: the instances' ports, the volumes by name, the floating IPs, who is who."""
    uuids = [site.record(name)["uuid"] for name in NAMES]
    listed = site.openstack("admin", *("port list --device-id %s" % uuid for uuid in uuids))
    ids = [port["ID"] for [port] in listed]
    *ports, project, user = site.openstack(
        "admin", *("port show %s" % identity for identity in ids), "project show demo", "user show member"
    )
    volumes, floating = site.openstack("member", "volume list --long", "floating ip list")
    return SimpleNamespace(
        ports=dict(zip(NAMES, ports)),
        volumes={volume["Name"]: volume for volume in volumes},
        floating=floating,
        project=project,
        user=user,
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_record_has_it_active_and_says_who_asked(site, seen, name):
    row = site.record(name)
    assert (row["vm_state"], row["task_state"], row["fault"]) == ("active", None, None)
    assert row["host"] in site.compute_hosts
    assert (row["project_id"], row["user_id"]) == (seen.project["id"], seen.user["id"])
    assert re.fullmatch("req-[0-9a-f-]{36}", row["request_id"])


@pytest.mark.parametrize("name", NAMES)
def test_its_domain_runs_and_says_whose_it_is(site, seen, name):
    row = site.record(name)
    assert site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip() == "running"
    text = site.on(row["host"], "virsh dumpxml %s" % row["uuid"])
    assert "<nova:name>%s</nova:name>" % name in text
    assert '<nova:flavor name="tiny">' in text
    assert '<nova:user uuid="%s">member</nova:user>' % seen.user["id"] in text
    assert '<nova:project uuid="%s">demo</nova:project>' % seen.project["id"] in text
    site.on(row["host"], "virsh dumpxml --inactive %s > /tmp/d.xml && virt-xml-validate /tmp/d.xml domain" % name)


@pytest.mark.parametrize("name", NAMES)
def test_its_port_shows_the_instance_and_its_host(site, seen, name):
    row, port = site.record(name), seen.ports[name]
    assert (port["device_id"], port["binding_host_id"]) == (row["uuid"], row["host"])
    assert port["device_owner"].startswith("compute:")
    assert (port["status"], port["binding_vif_type"]) == ("ACTIVE", "ovs")
    [recorded], [address] = row["ports"], port["fixed_ips"]
    assert (recorded["mac_address"], recorded["fixed_ip"]) == (port["mac_address"], address["ip_address"])


def test_the_users_own_port_is_the_one_that_is_used(seen):
    assert seen.ports["own"]["name"] == "lent"


@pytest.mark.parametrize(
    ("volume", "name", "device", "bootable"),
    [("web-data", "web", "/dev/vdb", "false"), ("boot-root", "boot", "/dev/vda", "true")],
)
def test_its_volume_shows_what_it_is_attached_to(site, seen, volume, name, device, bootable):
    shown = seen.volumes[volume]
    assert (shown["Status"], shown["Size"], shown["Bootable"]) == ("in-use", 1, bootable)
    [attached] = shown["Attached to"]
    assert (attached["server_id"], attached["device"]) == (site.record(name)["uuid"], device)


def test_a_guest_that_boots_from_a_volume_has_no_disk_of_its_hosts(site):
    row = site.record("boot")
    disks = site.on(row["host"], "virsh domblklist --details boot").splitlines()
    [root] = [line.split() for line in disks if " vda " in line]
    assert root[0] == "network"
    assert root[3].startswith("volumes/volume-")
    assert "disk" not in site.on(row["host"], "ls /var/lib/kvmstack/instances/%s" % row["uuid"]).split()


@pytest.mark.parametrize("name", NAMES)
def test_the_guest_tells_its_name_address_and_disks(site, seen, name):
    row, [port] = site.record(name), seen.ports[name]["fixed_ips"]
    text = site.console(name, "GUEST-READY")
    assert "GUEST-HOSTNAME %s\n" % name in text
    assert "ip=%s/24 router=10.30.0.1 dns=198.51.100.53 mtu=1442" % port["ip_address"] in text
    assert re.search("GUEST-CONFIG-DRIVE dev=[vs][dr][a-z0-9] uuid=%s" % row["uuid"], text)
    root = "1073741824 serial=%s" % seen.volumes["boot-root"]["ID"][:20] if name == "boot" else "33554432 serial="
    assert "GUEST-ROOT vda size=%s" % root in text


def test_the_guest_has_its_volume_and_metadata(site, seen):
    text = site.console("web", "GUEST-READY")
    assert "GUEST-META role=web" in text
    assert re.search("GUEST-DISK vd[b-z] size=1073741824 serial=%s" % seen.volumes["web-data"]["ID"][:20], text)


def test_the_floating_ip_answers_outside(site, seen):
    [floating] = seen.floating
    [port] = seen.ports["own"]["fixed_ips"]
    assert (floating["Port"], floating["Fixed IP Address"]) == (seen.ports["own"]["id"], port["ip_address"])
    address = floating["Floating IP Address"]
    site.console("own", "GUEST-READY")
    site.on("compute-1", "for try in $(seq 20); do ping -c 1 -W 1 %s && exit; done; exit 1" % address)
    said = site.on("compute-1", r"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 %s 80" % address)
    assert "hello from own %s" % port["ip_address"] in said


def test_the_volumes_are_in_ceph_and_on_no_host(site, seen):
    """The one that was made from an image in Ceph shares its data."""
    info = "rbd info volumes/volume-%s"
    assert "parent: images/" in site.on("control", info % seen.volumes["boot-root"]["ID"])
    assert "parent" not in site.on("control", info % seen.volumes["web-data"]["ID"])
    for host in site.compute_hosts:
        assert site.on(host, "ls /var/lib/kvmstack/volumes 2>/dev/null || true").split() == []
