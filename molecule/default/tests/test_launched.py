# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After converge: the three instances of request.yml, seen from outside the collection."""

from __future__ import annotations

import json
import re

import pytest

NAMES = ["web-1", "web-2", "db"]


@pytest.mark.parametrize("name", NAMES)
def test_the_record_has_it_active_on_a_host(site, name):
    row = site.record(name)
    assert (row["vm_state"], row["task_state"], row["fault"]) == ("active", None, None)
    assert row["host"] in site.compute_hosts
    [claim] = site.records("allocations", "instance_uuid = '%s'" % row["uuid"])
    assert (claim["host"], claim["vcpus"], claim["memory_mb"]) == (row["host"], 1, 128)


def test_they_are_spread(site):
    assert len({site.record(name)["host"] for name in NAMES}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_its_domain_runs(site, name):
    row = site.record(name)
    assert site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip() == "running"
    assert site.on(row["host"], "virsh domname %s" % row["uuid"]).strip() == name


@pytest.mark.parametrize("name", NAMES)
def test_its_port_is_bound_to_its_host(site, name):
    row = site.record(name)
    [port] = row["ports"]
    [bound] = [item for item in site.ports() if item["name"] == port["id"]]
    assert bound["up"] is True
    assert bound["addresses"] == bound["port_security"] == "%s %s" % (port["mac_address"], port["fixed_ip"])
    chassis = "ovn-sbctl --bare --columns=chassis find Port_Binding logical_port=%s" % port["id"]
    hostname = "ovn-sbctl --bare --columns=hostname list Chassis $(%s)" % chassis
    assert site.on("central", hostname).strip() == row["host"]


@pytest.mark.parametrize("name", NAMES)
def test_the_guest_has_its_lease_name_and_volume(site, name):
    row = site.record(name)
    [port], [volume] = row["ports"], row["volumes"]
    text = site.console(name, "GUEST-READY")
    assert "ip=%s/24" % port["fixed_ip"] in text
    assert "GUEST-HOSTNAME %s\n" % name in text
    assert "GUEST-DISK vdb size=1073741824 serial=%s" % volume["id"][:20] in text
    assert re.search("GUEST-CONFIG-DRIVE dev=vd[a-z] uuid=%s" % row["uuid"], text)


def test_the_guest_has_its_keys_and_metadata(site):
    text = site.console("web-1", "GUEST-READY")
    assert "GUEST-KEY ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMolecule" in text
    assert "GUEST-META role=web" in text


@pytest.mark.parametrize(("name", "form"), [("web-1", "raw"), ("web-2", "raw"), ("db", "qcow2")])
def test_its_volume_is_a_sparse_file(site, name, form):
    row = site.record(name)
    [volume] = row["volumes"]
    path = "/var/lib/kvmstack/volumes/%s.%s" % (volume["id"], form)
    info = json.loads(site.on(row["host"], "qemu-img info --force-share --output=json -f %s %s" % (form, path)))
    assert info["virtual-size"] == 1 << 30
    assert info["actual-size"] < 1 << 24


def test_the_xml_is_what_libvirt_expects(site):
    for name in NAMES:
        row = site.record(name)
        site.on(row["host"], "virsh dumpxml --inactive %s > /tmp/d.xml && virt-xml-validate /tmp/d.xml domain" % name)


def test_guests_reach_each_other_over_the_overlay_where_a_rule_lets_them(site):
    assert "LOCAL 81 open" in site.console("web-1", "GUEST-USER-DATA")
    text = site.console("db", "REMOTE 81")
    assert "REMOTE 80 hello from web-1 10.20.0.50" in text
    assert "REMOTE 81 ." in text


def test_user_data_is_nowhere_but_in_the_config_drive(site):
    for name in NAMES:
        host = site.record(name)["host"]
        assert "nc -ll" not in site.on(host, "virsh dumpxml %s; journalctl --no-pager" % name)
    for table in ("instances", "instance_actions"):
        assert "nc -ll" not in str(site.records(table, "1 = 1"))
