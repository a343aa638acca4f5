# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of all kinds: checked only, repeated, changed, killed, with bad input, and backwards."""

from __future__ import annotations

from copy import deepcopy

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import DATABASE, WHOLE, request


def with_entry(wanted, **entry):
    changed = deepcopy(wanted)
    changed["launch_instances"][0].update(entry)
    return changed


@pytest.fixture(scope="module")
def one(site):
    """A running instance `one`; gone at the end."""
    wanted = request("one")
    site.launch(wanted)
    yield wanted
    site.destroy(wanted)


def test_check_mode_shows_everything_and_writes_nothing(site):
    before, file = site.state(), DATABASE.read_bytes()
    run = site.launch(request("checked"), "--check", "--diff")
    assert site.state() == before
    assert DATABASE.read_bytes() == file
    for shown in ("checked-private", "fa:16:3e:", "10.20.0.", "compute-", "<domain ", "checked-data"):
        assert shown in run.output


def test_a_second_run_changes_nothing(site, one):
    before = site.state()
    site.unchanged(one)
    assert site.state() == before


def test_a_larger_volume_grows_under_the_guest(site, one):
    site.console("one", "GUEST-READY")
    grown = with_entry(one, volumes=[{"name": "data", "size": 2, "delete_on_termination": True}])
    site.launch(grown)
    site.unchanged(grown)
    row = site.record("one")
    assert "2147483648" in site.on(row["host"], "virsh domblkinfo one vdb")
    one["launch_instances"] = grown["launch_instances"]


def test_metadata_and_security_groups_change_just_that(site, one):
    row = site.record("one")
    identity = "virsh domid one; pgrep -f guest=one"
    before = site.on(row["host"], identity)
    changed = with_entry(one, metadata={"tier": "gold"}, networks=[{"network": "private", "security_groups": ["web"]}])
    site.launch(changed)
    site.unchanged(changed)
    assert "gold" in site.on(row["host"], "virsh dumpxml one")
    [port] = row["ports"]
    groups = site.on("central", "ovn-nbctl --bare --columns=ports find Port_Group name=kvmstack_sg_web")
    [found] = [item["_uuid"][1] for item in site.ports() if item["name"] == port["id"]]
    assert found in groups
    assert site.on(row["host"], identity) == before
    one["launch_instances"] = changed["launch_instances"]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"flavor": "small"}, "flavor"),
        ({"image": "wrong"}, "image"),
        ({"networks": [{"network": "private", "fixed_ip": "10.20.0.99"}]}, "networks"),
    ],
)
def test_what_cannot_change_is_told_and_nothing_is_touched(site, one, entry, field):
    before = site.state()
    run = site.launch(with_entry(one, **entry), status=2)
    assert field in run.output
    assert "cannot be changed while the instance exists" in run.output
    assert site.state() == before


def test_a_network_and_a_volume_come_and_go_while_the_guest_runs(site, one):
    row = site.record("one")
    identity = "virsh domid one; pgrep -f guest=one"
    before = site.on(row["host"], identity)
    changed = with_entry(one, networks=["private", "private"], volumes=[])
    site.launch(changed)
    site.unchanged(changed)
    assert site.on(row["host"], "virsh domiflist one").count("tap") == 2
    assert "vdb" not in site.on(row["host"], "virsh domblklist one")
    [volume] = site.records("volumes", "name = 'one-data'")
    assert (volume["instance_uuid"], volume["host"]) == (None, row["host"])
    site.launch(one)
    site.unchanged(one)
    assert site.on(row["host"], "virsh domiflist one").count("tap") == 1
    assert volume["id"] in site.on(row["host"], "virsh domblklist one")
    assert len([port for port in site.ports() if port["name"] in {item["id"] for item in row["ports"]}]) == 1
    assert site.on(row["host"], identity) == before
    assert site.parts("one") == WHOLE


def test_a_guest_that_was_shut_off_is_started_again(site, one):
    row = site.record("one")
    site.on(row["host"], "virsh destroy one")
    site.launch(one)
    assert site.on(row["host"], "virsh domstate one").strip() == "running"


def test_a_domain_that_vanished_is_defined_again_on_its_disk(site, one):
    row = site.record("one")
    site.on(row["host"], "virsh destroy one; virsh undefine one")
    site.launch(one)
    assert site.parts("one") == WHOLE


@pytest.mark.parametrize(
    "words",
    [
        "Record the request",
        ": Compute hosts]",
        ": Hosts for the instances]",
        ": Ports]",
        ": Images]",
        ": Volumes]",
        ": Domains]",
        "Write the outcome",
        "See what is still to do",
    ],
)
def test_a_killed_run_is_finished_by_the_next(site, words):
    wanted = request("killed")
    try:
        site.launch_killed_at(wanted, words)
        site.launch(wanted)
        assert site.parts("killed") == WHOLE
        site.unchanged(wanted)
    finally:
        site.destroy(wanted)


def test_bad_instances_do_not_stop_the_good_one(site, one):
    taken = site.record("one")["ports"][0]["fixed_ip"]
    wanted = request("good", "bad-sum", "bad-flavor", "bad-address", "too-large")
    _good, checksum, flavor, address, large = wanted["launch_instances"]
    checksum["image"] = "wrong"
    flavor["flavor"] = "colossal"
    address["networks"] = [{"network": "private", "fixed_ip": taken}]
    large["flavor"] = {"vcpus": 1, "ram": 10**7}
    run = site.launch(wanted, status=2)
    assert site.record("good")["vm_state"] == "active"
    faults = {name: site.record(name)["fault"] for name in ("bad-sum", "bad-flavor", "bad-address", "too-large")}
    assert "sha256" in faults["bad-sum"]
    assert "flavor colossal is not defined" in faults["bad-flavor"]
    assert taken in faults["bad-address"]
    assert "RamFilter: 3 of 3 give one instance fewer than 10000000 MiB" in faults["too-large"]
    assert all("%s is ERROR" % name in run.output for name in faults)
    site.destroy(wanted)
    assert not [row for row in site.records() if row["name"] in ("good", *faults)]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"name": "a/b"}, "a/b"),
        ({"name": "a<b"}, "a<b"),
        ({"name": 'a"b'}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"volumes": [{"name": "d", "size": 0}]}, "size"),
        ({"networks": [{"network": "private", "fixed_ip": "10.20.0.999"}]}, "fixed_ip"),
    ],
)
def test_invalid_input_is_refused_before_anything_is_created(site, entry, reason):
    before = site.state()
    run = site.launch(with_entry(request("fine", "other"), **entry), status=2)
    assert reason in run.output
    assert site.state() == before


def test_two_equal_names_and_a_bad_network_are_refused(site):
    before = site.state()
    assert "two instances are named twin" in site.launch(request("twin", "twin"), status=2).output
    bad = {**request("fine"), "launch_networks": {"private": {"cidr": "10.20.0.0/99"}}}
    assert "10.20.0.0/99" in site.launch(bad, status=2).output
    assert site.state() == before


def test_a_foreign_domain_keeps_its_name_and_is_never_touched(site):
    foreign = '<domain type="qemu"><name>taken</name><memory>16384</memory><os><type>hvm</type></os></domain>'
    for host in site.compute_hosts:
        site.on(host, "echo '%s' > /tmp/taken.xml && virsh define /tmp/taken.xml" % foreign)
    before = {host: site.on(host, "virsh dumpxml taken") for host in site.compute_hosts}
    wanted = request("taken")
    site.launch(wanted)
    row = site.record("taken")
    longer = "taken-" + row["uuid"][:8]
    assert site.on(row["host"], "virsh domname %s" % row["uuid"]).strip() == longer
    assert site.on(row["host"], "virsh desc --title %s" % longer).strip() == "taken"
    site.unchanged(wanted)
    site.destroy(wanted)
    assert {host: site.on(host, "virsh dumpxml taken") for host in site.compute_hosts} == before
    for host in site.compute_hosts:
        site.on(host, "virsh undefine taken")


def test_a_host_that_is_away_sends_its_instances_to_alternates(site):
    wanted = request("moved")
    site.launch(wanted, "--check")
    for host in ("compute-1", "compute-2"):
        site.on(host, "systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd")
    try:
        site.launch(wanted)
        assert site.record("moved")["host"] == "compute-3"
    finally:
        for host in ("compute-1", "compute-2"):
            site.on(host, "systemctl start libvirtd.socket libvirtd")
    # A volume made where libvirt then was away cannot be taken back safely; the audit finds it.
    assert {**site.parts("moved"), "volumes": 1} == WHOLE
    site.destroy(wanted)


def test_destroy_takes_what_is_ours_and_again_takes_nothing(site):
    wanted = request("gone", "kept")
    wanted["launch_instances"][1]["volumes"][0]["delete_on_termination"] = False
    site.launch(wanted)
    kept = site.record("kept")["volumes"][0]["id"]
    uuids = [site.record(name)["uuid"] for name in ("gone", "kept")]
    host = site.record("kept")["host"]
    site.destroy(wanted)
    everywhere = "".join(
        site.on(host, "virsh list --all --uuid; ls /var/lib/kvmstack/instances") for host in site.compute_hosts
    )
    assert not any(uuid in everywhere for uuid in uuids)
    assert not [port for port in site.ports() if any(uuid in str(port["external_ids"]) for uuid in uuids)]
    assert kept in site.on(host, "ls /var/lib/kvmstack/volumes")
    before = site.state()
    assert site.destroy(wanted).changed == 0
    assert site.state() == before


def test_a_kept_volume_comes_back_with_its_instance(site):
    again = request("kept")
    site.launch(again)
    [volume] = site.records("volumes", "name = 'kept-data'")
    assert volume["host"] == site.record("kept")["host"]
    assert site.parts("kept") == WHOLE
    site.destroy(again)


def test_dedicated_processors_are_claimed_and_pinned(site):
    flavor = {"vcpus": 1, "ram": 128, "extra_specs": {"hw:cpu_policy": "dedicated", "hw:numa_nodes": "1"}}
    wanted = request("pinned", flavor=flavor)
    site.launch(wanted)
    row = site.record("pinned")
    [claim] = site.records("allocations", "instance_uuid = '%s'" % row["uuid"])
    [cpu] = claim["resources"]["numa"][0]["cpus"]
    assert "<vcpupin vcpu='0' cpuset='%d'/>" % cpu in site.on(row["host"], "virsh dumpxml pinned")
    site.unchanged(wanted)
    site.destroy(wanted)
