# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Launches that compete, hosts that fail in the middle, controllers that die; and an audit that finds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import WHOLE, Site, request
from ansible_collections.kvmstack.launch.tests.unit.conftest import fresh

HOSTS = ("compute-1", "compute-2", "compute-3")


@pytest.fixture(scope="module")
def site(request, tmp_path_factory):
    """The test hosts, with the record in a PostgreSQL database."""
    with contextmanager(fresh)(request, tmp_path_factory.mktemp("record"), "postgresql") as database:
        yield Site(database)


def container(*command):
    subprocess.run(["podman", *command], check=True, capture_output=True, timeout=120)


def revived(site, host):
    """The host is back, with its services."""
    container("start", "kvmstack-" + host)
    ready = "until systemctl is-system-running | grep -q -e running -e degraded; do sleep 0.2; done"
    container("exec", "kvmstack-" + host, "sh", "-c", ready)
    site.on(host, "until ovs-vsctl -t 5 br-exists br-int && virsh list > /dev/null; do sleep 0.2; done")


@pytest.fixture(autouse=True)
def _audit_is_clean(site):
    """Whatever a test does, nothing is left that has no record, once what was left has been repaired.

    What hosts have failed is forgotten, so that every test begins with three equal ones.
    """
    yield
    with site.engine.begin() as connection:
        connection.exec_driver_sql("update compute_nodes set failed_builds = 0, memory_mb_reserved = 512")
    site.run("audit.yml", {"launch_repair": True, "launch_repair_volumes": True})
    assert "all agrees" in site.run("audit.yml", {}).output


def test_two_launches_at_once_fill_the_cluster_exactly(site):
    """Room for two on each of three hosts; two controllers ask for four each."""
    [node] = site.survey()[:1]
    room = {host: {"memory_mb_reserved": node["memory_mb"] - 256} for host in HOSTS}
    wanted = [request(*("%s%d" % (side, index) for index in range(4))) for side in ("left", "right")]
    for side in wanted:
        side.update(launch_host_settings=room)
    launches = [site.start(side) for side in wanted]
    runs = [site.end(launch) for launch in launches]
    assert sorted(run.status for run in runs) in ([0, 2], [2, 2])
    rows = site.records()
    assert sorted(row["vm_state"] for row in rows) == ["active"] * 6 + ["error"] * 2
    assert all("RamFilter" in row["fault"] for row in rows if row["vm_state"] == "error")
    assert {host: [row["host"] for row in rows].count(host) for host in HOSTS} == dict.fromkeys(HOSTS, 2)
    for node in site.records("compute_nodes", "1 = 1"):
        assert node["memory_mb_used"] == 256
    for side in wanted:
        site.destroy(side)
    assert {node["memory_mb_used"] for node in site.records("compute_nodes", "1 = 1")} == {0}


def test_a_host_that_stops_in_the_middle_loses_its_instances_to_others(site):
    wanted = request("a", "b", "c")
    launch = site.start(wanted)
    site.until(launch, ": Instance update]")
    container("kill", "kvmstack-compute-2")
    run = site.end(launch)
    assert run.status == 0, run.output
    assert {row["host"] for row in site.records()} == {"compute-1", "compute-3"}
    revived(site, "compute-2")
    assert all(site.parts(name) == WHOLE for name in "abc")
    site.destroy(wanted)


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


@pytest.mark.parametrize("words", [": Port]", ": Build]", "[Write the outcome]"])
def test_what_a_killed_controller_began_another_one_finishes(site, words):
    wanted = request("a", "b")
    site.launch_killed_at(wanted, words)
    site.launch({**wanted, "launch_run_id": "the other controller", "launch_take_over": True})
    assert all(site.parts(name) == WHOLE for name in "ab")
    site.unchanged(wanted)
    site.destroy(wanted)


def test_an_instance_that_one_run_drives_another_leaves_alone(site):
    wanted = request("a")
    launch = site.start(wanted)
    site.until(launch, ": Port]")
    os.killpg(launch.pid, signal.SIGSTOP)
    try:
        refused = site.launch({**wanted, "launch_run_id": "the other controller"}, status=2)
        assert "another run" in refused.output
    finally:
        os.killpg(launch.pid, signal.SIGCONT)
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
        connection.exec_driver_sql("delete from allocations where instance_%s" % mine)
        connection.exec_driver_sql("delete from volumes where instance_%s" % mine)
        connection.exec_driver_sql("update compute_nodes set memory_mb_used = 0, vcpus_used = 0, disk_gb_used = 0")
    found = site.run("audit.yml", {}).output
    assert row["uuid"] in found
    assert row["ports"][0]["id"] in found
    site.run("audit.yml", {}, "--extra-vars", "launch_repair=true")
    assert row["volumes"][0]["id"] in site.on(row["host"], "ls /var/lib/kvmstack/volumes")
    assert row["uuid"] not in "".join(map(site.on, HOSTS, ["virsh list --all --uuid"] * 3))
