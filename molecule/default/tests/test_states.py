# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances that are off, that go off by themselves, that go while others come, and that come back with their host."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import request


def states(**names):
    """A request for instances in these states."""
    entries = [request(name, image="demo", state=state)["launch_instances"][0] for name, state in names.items()]
    return {**request(), "launch_instances": entries}


def domstate(site, name):
    row = site.record(name)
    return site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip()


@pytest.fixture
def gone(site):
    yield
    site.destroy(request("on", "off", "old"))


@pytest.mark.usefixtures("gone")
def test_each_instance_gets_its_state_and_others_go_in_the_same_run(site):
    site.launch(states(off="stopped", old="started"))
    assert domstate(site, "off") == "shut off"
    before = site.record("old")
    plan = site.launch(states(on="started", off="started", old="absent"), "--check").output
    assert "1 to create, 1 to change, 1 to destroy" in plan
    assert "change (start)" in plan
    wanted = states(on="started", off="started", old="absent")
    site.launch(wanted)
    site.unchanged(wanted)
    assert (domstate(site, "on"), domstate(site, "off")) == ("running", "running")
    assert not [row for row in site.records() if row["name"] == "old"]
    assert before["uuid"] not in site.domains(before["host"])
    site.console("off", "GUEST-READY")
    wanted = states(on="started", off="stopped", old="absent")
    site.launch(wanted)
    assert domstate(site, "off") == "shut off"
    assert "reboot: Power down" in site.console("off", "GUEST-READY")
    site.unchanged(wanted)
    row = site.record("off")
    assert (row["vm_state"], row["power_state"], row["task_state"]) == ("stopped", "shutdown", None)


@pytest.mark.usefixtures("gone")
def test_a_guest_that_went_off_by_itself_is_told_apart(site):
    wanted = states(on="started", off="stopped")
    site.launch(wanted)
    row = site.record("on")
    site.on(row["host"], "virsh destroy on")
    site.run("survey.yml", {})
    listed = site.run("list.yml", {"launch_list_columns": ["name", "state", "status"]}).output
    assert "started  SHUTOFF" in listed
    assert "stopped  SHUTOFF" in listed
    site.launch(wanted)
    site.unchanged(wanted)
    assert domstate(site, "on") == "running"
    assert "started  ACTIVE" in site.run("list.yml", {"launch_list_columns": ["name", "state", "status"]}).output


def process(site, name):
    """What the guest runs in: another one after each start."""
    row = site.record(name)
    return site.on(row["host"], "pgrep --full 'qemu.*uuid %s'" % row["uuid"]).split()


@pytest.mark.usefixtures("gone")
def test_a_guest_starts_anew_once_in_each_run_that_says_so(site):
    site.launch(states(on="started", off="stopped"))
    site.console("on", "GUEST-READY")
    before = process(site, "on")
    wanted = states(on="restarted", off="restarted")
    plan = site.launch(wanted, "--check", "--diff").output
    assert "change (restart)" in plan
    assert "change (start)" in plan
    assert process(site, "on") == before
    site.launch(wanted)
    assert domstate(site, "off") == "running"
    assert process(site, "on") != before
    site.console("on", "GUEST-READY")
    before = process(site, "on")
    site.launch(states(on="reset"))
    assert process(site, "on") != before
    site.unchanged(states(on="started", off="started"))
    row = site.record("on")
    assert (row["vm_state"], row["power_state"], row["task_state"]) == ("active", "running", None)


@pytest.mark.usefixtures("gone")
def test_after_a_reboot_of_its_host_a_guest_is_as_it_should_be(site):
    wanted = states(on="started")
    site.launch(wanted)
    site.console("on", "GUEST-READY")
    host = site.record("on")["host"]
    beside = states(on="started", off="stopped")
    beside["launch_instances"][1]["scheduler_hints"] = {"same_host": ["on"]}
    site.launch(beside)
    row = site.record("on")
    site.reboot(host, "on")
    text = site.console("on", "GUEST-READY")
    assert "BEFORE" not in text
    assert "GUEST-DISK vdb" in text
    assert "GUEST-LEASE" in text
    assert (domstate(site, "on"), domstate(site, "off")) == ("running", "shut off")
    [port] = [each for each in site.ports() if each["name"] == row["ports"][0]["id"]]
    assert port["up"] is True
    site.unchanged(beside)
