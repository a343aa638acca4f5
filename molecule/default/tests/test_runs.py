# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of all kinds: checked only, repeated, changed, killed, with bad input, and backwards."""

from __future__ import annotations

import re
import shutil
from copy import deepcopy

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import DATABASE, WHOLE, Site, request


def with_entry(wanted, **entry):
    changed = deepcopy(wanted)
    changed["launch_instances"][0].update(entry)
    return changed


# Where runs are killed: at the beginning of a task or play, or so many seconds into it.
DEATHS = [
    (": Instance]", 0),
    (": Host]", 0),
    (": Schedule]", 0),
    (": Network]", 0),
    (": Port]", 0),
    (": Instance update]", 0),
    (": Build]", 0),
    (": Build]", 0.4),
    (": Build]", 1.0),
    ("[Write the outcome]", 0.1),
]


@pytest.fixture(scope="module")
def one(site):
    """A running instance `one`; gone at the end."""
    wanted = request("one", image="demo")
    site.launch(wanted)
    yield wanted
    site.destroy(wanted)


def test_check_mode_shows_everything_and_writes_nothing(site):
    before, file = site.state(), DATABASE.read_bytes()
    run = site.launch(request("checked"), "--check", "--diff")
    verbose = site.launch(request("checked"), "--check", "--diff", "-v")
    assert site.state() == before
    assert DATABASE.read_bytes() == file
    for shown in ("checked-private", "fa:16:3e:", "10.20.0.", "compute-", "checked-data", "1 to create"):
        assert shown in run.output
    assert "ACTIVE" not in run.output.partition("Report]")[2]
    assert "<domain " not in run.output
    assert "<domain " in verbose.output


def test_the_plan_of_ten_is_a_page(site):
    plan = site.launch(request("ten", count=10), "--check", "--diff").output
    shown = [line for line in plan.splitlines() if line.lstrip().startswith(("+", "-", "@", "ten-"))]
    assert len(shown) < 100, plan
    assert "10 to create" in plan


def test_the_plan_says_what_changes_and_what_is_refused(site, one):
    changed = with_entry(one, metadata={"tier": "gold"})
    changed["launch_instances"] += request("other", flavor="colossal")["launch_instances"]
    table = site.launch(changed, "--check").output.partition("Report]")[2]
    assert re.search(r"one +change \(metadata\)", table) or re.search(r"one +change \(guest\)", table)
    assert re.search(r"other +refuse .*flavor colossal is not defined", table)
    assert "1 to change, 1 refused" in table


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


def test_what_cannot_change_is_told_and_nothing_is_touched(site, one):
    networks = [{"network": "private", "fixed_ip": "10.20.0.99"}]
    before = site.state()
    run = site.launch(with_entry(one, flavor="small", image="wrong", networks=networks), status=2)
    output = " ".join(run.output.split())  # Ansible wraps it
    told = output.partition(" cannot be changed while the instance exists")[0].rpartition("one is ")[2]
    assert not [field for field in ("flavor", "image", "networks") if field not in told], output
    assert site.state() == before


def test_a_network_and_a_volume_come_and_go_while_the_guest_runs(site, one):
    row = site.record("one")
    identity = "virsh domid one; pgrep -f guest=one"
    before = site.on(row["host"], identity)
    changed = with_entry(one, networks=["private", "private"], volumes=[])
    site.launch(changed)
    site.unchanged(changed)
    assert site.on(row["host"], "virsh domiflist one").count("kvt") == 2
    assert "vdb" not in site.on(row["host"], "virsh domblklist one")
    [volume] = site.records("volumes", "name = 'one-data'")
    assert (volume["instance_uuid"], volume["host"]) == (None, row["host"])
    site.launch(one)
    site.unchanged(one)
    assert site.on(row["host"], "virsh domiflist one").count("kvt") == 1
    assert volume["id"] in site.on(row["host"], "virsh domblklist one")
    assert len([port for port in site.ports() if port["name"] in {item["id"] for item in row["ports"]}]) == 1
    assert site.on(row["host"], identity) == before
    assert site.parts("one") == WHOLE


def test_one_that_is_new_beside_one_that_loses_a_network_and_a_volume(site):
    """Every document travels whole, also when another instance makes the scheduler choose."""
    entry = {"networks": ["private", "private"], "volumes": [{"name": "data", "size": 1}, {"name": "logs", "size": 1}]}
    old = request("old", image="demo", **entry)
    site.launch(old)
    row = site.record("old")
    fewer = with_entry(old, networks=["private"], volumes=entry["volumes"][:1])
    mixed = {**fewer, "launch_instances": fewer["launch_instances"] + request("new")["launch_instances"]}
    try:
        site.launch(mixed)
        assert site.parts("new") == WHOLE
        assert site.on(row["host"], "virsh domiflist old").count("kvt") == 1
        assert "vdc" not in site.on(row["host"], "virsh domblklist old")
        gone = {port["id"] for port in row["ports"]} - {port["id"] for port in site.record("old")["ports"]}
        assert len(gone) == 1
        assert not gone & {port["name"] for port in site.ports()}
        [logs] = site.records("volumes", "name = 'old-logs'")
        assert logs["instance_uuid"] is None
        site.unchanged(mixed)
    finally:
        site.destroy(mixed)


def test_one_that_is_new_beside_one_whose_root_disk_is_gone(site):
    """A guest that ran never gets an empty disk in silence."""
    old = request("old")
    site.launch(old)
    row = site.record("old")
    mixed = {**old, "launch_instances": old["launch_instances"] + request("new")["launch_instances"]}
    site.on(row["host"], "virsh destroy old; rm /var/lib/kvmstack/instances/%s/root.qcow2" % row["uuid"])
    try:
        run = site.launch(mixed, status=2)
        assert "is gone, and with it what the guest had written" in run.output
        assert site.parts("new") == WHOLE
        assert "root.qcow2" not in site.on(row["host"], "ls /var/lib/kvmstack/instances/" + row["uuid"])
    finally:
        site.destroy(mixed)


def test_a_launch_after_an_unfinished_destroy_deletes_nothing(site):
    """The guest runs, its host could not be reached, and then it can: only a destroy may say that it is deleted."""
    wanted = request("undone")
    site.launch(wanted)
    row = site.record("undone")
    site.destroy(wanted, "--extra-vars", "ansible_port=1", status=2)
    assert site.record("undone")["task_state"] == "deleting"
    run = site.launch(wanted, status=2)
    assert "it is being deleted" in run.output
    assert site.record("undone")["task_state"] == "deleting"
    assert site.parts("undone") == WHOLE
    [volume] = site.records("volumes", "name = 'undone-data'")
    assert (volume["instance_uuid"], volume["host"]) == (row["uuid"], row["host"])
    site.destroy(wanted)
    assert row["uuid"] not in site.domains(row["host"])
    site.launch(wanted)
    assert site.record("undone")["uuid"] != row["uuid"]
    site.destroy(wanted)


@pytest.mark.parametrize("database", ["missing", "another"])
def test_an_audit_against_the_wrong_database_removes_nothing(site, one, tmp_path, database):
    """What another record made, or this one never had, is told, and left to whoever knows."""
    other = Site("sqlite:///%s" % (tmp_path / "other.db"))
    if database == "another":
        other.launch(request("stranger"))
    row = site.record("one")
    try:
        repair = {"launch_repair": True, "launch_repair_volumes": True}
        run = other.run("audit.yml", repair)
        assert run.changed == 0, run.output
        assert row["uuid"] in run.output
        assert "foreign" in run.output
        assert site.parts("one") == WHOLE
        assert site.on(row["host"], "virsh domstate one").strip() == "running"
    finally:
        if database == "another":
            other.destroy(request("stranger"))


def test_an_audit_against_an_older_copy_of_the_database_removes_nothing(site, one, tmp_path):
    copy = tmp_path / "older.db"
    shutil.copy(DATABASE, copy)
    newer = request("newer")
    site.launch(newer)
    try:
        older = Site("sqlite:///%s" % copy)
        run = older.run("audit.yml", {"launch_repair": True, "launch_repair_volumes": True})
        assert run.changed == 0, run.output
        assert re.search("unknown +domain +" + site.record("newer")["uuid"], run.output)
        assert site.parts("newer") == WHOLE
    finally:
        site.destroy(newer)


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


def test_killed_runs_are_finished_by_the_next(site):
    """Each that dies leaves an instance at another stage; one run then finishes them all."""
    names = ["killed-%d" % number for number in range(len(DEATHS))]
    try:
        for name, (words, seconds) in zip(names, DEATHS):
            site.launch_killed_at(request(name), words, seconds=seconds)
        site.launch(request(*names))
        assert {name: site.parts(name) for name in names} == dict.fromkeys(names, WHOLE)
        site.unchanged(request(*names))
    finally:
        site.destroy(request(*names))


def test_bad_instances_do_not_stop_the_good_one(site, one):
    taken = site.record("one")["ports"][0]["fixed_ip"]
    wanted = request("good", "bad-sum", "bad-flavor", "bad-address", "too-large", "typo")
    _good, checksum, flavor, address, large, typo = wanted["launch_instances"]
    typo["nmae"] = "x"
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
    assert "typo is ERROR: entry: unknown key nmae" in run.output
    assert not site.records("instances", "name = 'typo'")
    site.destroy(wanted)
    assert not [row for row in site.records() if row["name"] in ("good", *faults)]


def test_invalid_input_is_refused_before_anything_is_created(site):
    bad = {
        "unknown key nmae": {"nmae": "x"},
        "'a/b'": {"name": "a/b"},
        "'a<b'": {"name": "a<b"},
        "'a\"b'": {"name": 'a"b'},
        "'a\\nb'": {"name": "a\nb"},
        "size": {"volumes": [{"name": "d", "size": 0}]},
        "fixed_ip": {"networks": [{"network": "private", "fixed_ip": "10.20.0.999"}]},
        "two instances have this name": {"name": "twin"},
    }
    wanted = request(*("fine-%d" % number for number in range(len(bad))), "twin")
    for entry, wrong in zip(wanted["launch_instances"], bad.values()):
        entry.update(wrong)
    before = site.state()
    output = site.launch(wanted, status=2).output
    assert not [reason for reason in bad if reason not in output], output
    network = {**request("fine"), "launch_networks": {"private": {"cidr": "10.20.0.0/99"}}}
    assert "10.20.0.0/99" in site.launch(network, status=2).output
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
    # A volume that outlived its instance is no orphan.
    site.run("audit.yml", {"launch_repair": True, "launch_repair_volumes": True})
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
