# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Launches that compete, hosts that fail in the middle, controllers that die; and an audit that finds nothing."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import contextmanager

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import WHOLE, Site, request
from ansible_collections.kvmstack.launch.tests.unit.conftest import fresh

HOSTS = ("compute-1", "compute-2", "compute-3")


@pytest.fixture(scope="module")
def site(request, tmp_path_factory):
    """The test hosts, with the record in a PostgreSQL database.

    Whatever the tests do, nothing is left that has no record, once what was left has been repaired.
    """
    with contextmanager(fresh)(request, tmp_path_factory.mktemp("record"), "postgresql") as database:
        site = Site(database)
        yield site
        site.run("audit.yml", {"launch_repair": True, "launch_repair_volumes": True})
        assert "all agrees" in site.run("audit.yml", {}).output


def container(*command):
    return subprocess.run(["podman", *command], check=True, capture_output=True, text=True, timeout=120).stdout


def revived(site, host):
    """The host is back, with its services."""
    container("start", "kvmstack-" + host)
    ready = "until systemctl is-system-running | grep -q -e running -e degraded; do sleep 0.2; done"
    container("exec", "kvmstack-" + host, "sh", "-c", ready)
    site.on(host, "until ovs-vsctl -t 5 br-exists br-int && virsh list > /dev/null; do sleep 0.2; done")


@contextmanager
def silent(host):
    """The host does nothing and says nothing, with its connections open."""
    container("pause", "kvmstack-" + host)
    try:
        yield
    finally:
        container("unpause", "kvmstack-" + host)


@contextmanager
def killed(site, host):
    """The host is off."""
    container("kill", "kvmstack-" + host)
    try:
        yield
    finally:
        revived(site, host)


@pytest.fixture(autouse=True)
def _hosts_are_equal(site):
    """Also a test that failed leaves three equal hosts without instances to the next: what has failed is forgotten."""
    yield
    for host in HOSTS:
        if "false" in container("inspect", "--format", "{{.State.Running}}", "kvmstack-" + host):
            revived(site, host)
    names = [row["name"] for row in site.records()]
    if names:
        site.destroy({**request(*names), "launch_take_over": True})
    with site.engine.begin() as connection:
        equal = "failed_builds = 0, vcpus_reserved = 0, cpu_allocation_ratio = 4.0"
        connection.exec_driver_sql("update compute_nodes set %s" % equal)


def test_two_launches_at_once_fill_the_cluster_exactly(site):
    """Room for two on each of three hosts; two controllers ask for four each.

    By processors, whose number does not move: the memory that libvirt tells grows for a while after a boot.
    """
    room = {node["host"]: {"vcpus_reserved": node["vcpus"] - 2, "cpu_allocation_ratio": 1.0} for node in site.survey()}
    wanted = [request(*("%s%d" % (side, index) for index in range(4))) for side in ("left", "right")]
    for side in wanted:
        side.update(launch_host_settings=room)
    launches = [site.start(side) for side in wanted]
    runs = [site.end(launch) for launch in launches]
    assert sorted(run.status for run in runs) in ([0, 2], [2, 2])
    rows = site.records()
    assert sorted(row["vm_state"] for row in rows) == ["active"] * 6 + ["error"] * 2
    assert all("CoreFilter" in row["fault"] for row in rows if row["vm_state"] == "error")
    assert {host: [row["host"] for row in rows].count(host) for host in HOSTS} == dict.fromkeys(HOSTS, 2)
    for node in site.records("compute_nodes", "1 = 1"):
        assert node["vcpus_used"] == 2
    for side in wanted:
        site.destroy(side)
    assert {node["vcpus_used"] for node in site.records("compute_nodes", "1 = 1")} == {0}


def test_a_host_that_stops_in_the_middle_loses_its_instances_to_others(site):
    wanted = request("a", "b", "c")
    launch = site.start(wanted)
    site.until(launch, ": Instance update]")
    with killed(site, "compute-2"):
        run = site.end(launch)
    assert run.status == 0, run.output
    assert {row["host"] for row in site.records()} == {"compute-1", "compute-3"}
    assert all(site.parts(name) == WHOLE for name in "abc")
    site.destroy(wanted)


@pytest.mark.parametrize(("seconds", "survey"), [(0.2, False), (1.0, True)], ids=["by a destroy", "by a survey"])
def test_a_host_that_goes_silent_in_the_build_is_cleared_when_it_is_heard_again(site, seconds, survey):
    """No run hangs, and no guest runs twice: what the host had begun it does not end, or it is taken down first."""
    site.survey()
    wanted = {**request("a", "b", "c"), "launch_build_timeout": 20}
    launch = site.start(wanted)
    site.until(launch, ": Build]")
    time.sleep(seconds)
    with silent("compute-2"):
        run = site.end(launch)
        moved = [row["instance_uuid"] for row in site.records("remains", "host = 'compute-2'")]
    assert run.status == 0, run.output
    if "did not answer in 50 s" in run.output:
        assert moved
        assert "compute-2" not in {row["host"] for row in site.records()}
        time.sleep(5)
    if survey:
        site.survey()
        assert site.records("remains", "1 = 1") == []
        assert all(site.parts(name) == WHOLE for name in "abc")
        assert not set(moved) & set(site.domains("compute-2"))
    site.destroy(wanted)
    assert site.records("remains", "1 = 1") == []
    assert site.domains("compute-2") == []


def test_a_host_that_is_off_for_good_is_given_up_and_is_an_orphan_when_it_comes_back(site):
    wanted = request("a")
    site.launch(wanted)
    row = site.record("a")
    with killed(site, row["host"]):
        assert "host %s" % row["host"] in site.destroy(wanted, status=2).output
        assert site.record("a")["task_state"] == "deleting"
        site.destroy({**wanted, "launch_force": True})
        assert site.records() == site.records("allocations", "1 = 1") == site.records("volumes", "1 = 1") == []
        assert not [port for port in site.ports() if row["uuid"] in str(port["external_ids"])]
        site.launch(wanted)
        again = site.record("a")
        assert again["uuid"] != row["uuid"]
        assert again["host"] != row["host"]
        audit = site.run("audit.yml", {}).output
        assert re.search("unseen +host +%s" % row["host"], audit)
    audit = site.run("audit.yml", {}).output
    assert re.search("orphan +domain +" + row["uuid"], audit)
    site.survey()
    assert row["uuid"] not in site.domains(row["host"])
    assert site.records("remains", "1 = 1") == []
    assert site.parts("a") == WHOLE
    site.destroy(wanted)


def test_a_destroy_that_takes_over_in_the_middle_of_a_build_leaves_no_guest(site):
    wanted = request("a")
    with site.held_at(wanted, ": Build]") as launch:
        uuid = site.record("a")["uuid"]
        site.destroy({**wanted, "launch_run_id": "the other controller", "launch_take_over": True})
        assert site.records() == []
    run = site.end(launch)
    assert run.status == 2
    assert "another run has destroyed it; what this run had made was taken back" in " ".join(run.output.split())
    assert uuid not in sum(map(site.domains, HOSTS), [])
    assert not [port for port in site.ports() if uuid in str(port["external_ids"])]


def test_a_host_without_libvirt_loses_its_instances_to_others(site):
    wanted = request("a", "b", "c")
    site.on("compute-1", "systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd")
    try:
        site.launch(wanted)
    finally:
        site.on("compute-1", "systemctl start libvirtd.socket libvirtd")
    assert {row["host"] for row in site.records()} == {"compute-2", "compute-3"}
    site.destroy(wanted)


def test_a_host_with_a_full_disk_loses_its_instances_to_others(site):
    wanted = request("a", "b", "c")
    site.on("compute-1", "mount -t tmpfs -o size=64k none /var/lib/kvmstack/instances")
    try:
        site.launch(wanted)
    finally:
        site.on("compute-1", "umount /var/lib/kvmstack/instances")
    assert {row["host"] for row in site.records()} == {"compute-2", "compute-3"}
    [failed] = site.records("compute_nodes", "host = 'compute-1'")
    assert failed["failed_builds"] >= 1
    assert all(site.parts(name) == WHOLE for name in "abc")
    site.destroy(wanted)


def test_what_killed_controllers_began_another_one_finishes(site):
    began = {"port": ": Port]", "build": ": Build]", "outcome": "[Write the outcome]"}
    for name, words in began.items():
        site.launch_killed_at(request(name, name + "-too"), words)
    wanted = request(*began, *(name + "-too" for name in began))
    site.launch({**wanted, "launch_run_id": "the other controller", "launch_take_over": True})
    assert all(site.parts(entry["name"]) == WHOLE for entry in wanted["launch_instances"])
    site.unchanged(wanted)


def test_an_instance_that_one_run_drives_another_leaves_alone(site):
    wanted = request("a")
    with site.held_at(wanted, ": Port]") as launch:
        refused = site.launch({**wanted, "launch_run_id": "the other controller"}, status=2)
        assert "another run" in refused.output
    assert site.end(launch).status == 0
    assert site.parts("a") == WHOLE
    site.destroy(wanted)


def test_affinity_and_anti_affinity_hold(site):
    apart, together = request("a", "b", "c", group="apart"), request("d", "e", group="together")
    groups = {"apart": {"policy": "anti-affinity"}, "together": {"policy": "affinity"}}
    both = {**apart, "launch_instances": apart["launch_instances"] + together["launch_instances"]}
    both["launch_server_groups"] = groups
    site.launch(both)
    assert len({site.record(name)["host"] for name in "abc"}) == 3
    assert len({site.record(name)["host"] for name in "de"}) == 1
    fourth = {**request("f", group="apart"), "launch_server_groups": groups}
    assert "ServerGroupAntiAffinityFilter" in site.launch(fourth, status=2).output
    site.destroy({**both, "launch_instances": both["launch_instances"] + fourth["launch_instances"]})


def test_the_audit_finds_what_is_on_neither_side_and_repairs_it(site):
    """An instance that the record knows to be deleted, and whose parts somebody brought back."""
    site.launch(request("a"))
    row = site.record("a")
    with site.engine.begin() as connection:
        mine = "uuid = '%s'" % row["uuid"]
        connection.exec_driver_sql("update instances set deleted = id, vm_state = 'deleted' where %s" % mine)
        connection.exec_driver_sql("delete from volumes where instance_%s" % mine)
    found = site.run("audit.yml", {}).output
    assert row["uuid"] in found
    assert row["ports"][0]["id"] in found
    assert re.search("orphan +gateway +kvg", found)
    site.run("audit.yml", {"launch_repair": True, "launch_repair_volumes": True}, "--check")
    assert row["uuid"] in site.domains(row["host"])
    site.run("audit.yml", {}, "--extra-vars", "launch_repair=true")
    assert site.records("allocations", "1 = 1") == []
    assert {node["vcpus_used"] for node in site.records("compute_nodes", "1 = 1")} == {0}
    assert row["volumes"][0]["id"] in site.on(row["host"], "ls /var/lib/kvmstack/volumes")
    assert row["uuid"] not in "".join(map(site.on, HOSTS, ["virsh list --all --uuid"] * 3))
    assert "kvg" not in site.on(row["host"], "ls /sys/class/net /var/lib/kvmstack/gateways")
