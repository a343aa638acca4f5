# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances that are made anew over a new root disk, and stay what they are."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.shared.launching import request

# At each start the guest tells what it finds before its first partition, and on its volume, and writes there.
WRITES = """#!/bin/sh
block() { dd bs=512 count=1 "$@" 2>/dev/null; }
for disk in vda vdb; do
    echo "FOUND $disk $(block if=/dev/$disk skip=64 | tr -d '\\000')."
    printf written | block of=/dev/$disk seek=64 conv=sync
done
sync
"""
KEPT = ("uuid", "name", "host", "flavor", "ports", "volumes", "user_data_digest", "launched_at")


def asked(state, image="demo", **entry):
    """A request for the instance; copy is the image demo by another name."""
    wanted = request("anew", image=image, state=state, **entry)
    return {**wanted, "launch_images": {**wanted["launch_images"], "copy": wanted["launch_images"]["demo"]}}


def found(site):
    """What the guest has found on its root disk, and on its volume."""
    lines = site.console("anew", "GUEST-USER-DATA").splitlines()
    return [line.split()[2] for line in lines if line.startswith("FOUND vd")]


def root_disk(site):
    row = site.record("anew")
    return site.on(row["host"], "stat --format %%i /var/lib/kvmstack/instances/%s/root.qcow2" % row["uuid"]).strip()


def domstate(site):
    row = site.record("anew")
    return site.on(row["host"], "virsh domstate %s" % row["uuid"]).strip()


@pytest.fixture
def launched(site):
    """The instance, after it has written to its disks; gone at the end."""
    site.launch(asked("started", user_data=WRITES))
    assert found(site) == [".", "."]
    yield site.record("anew")
    site.destroy(asked("started"))


def rests(site):
    row = site.record("anew")
    assert (row["vm_state"], row["power_state"], row["task_state"]) == ("active", "running", None)
    return row


def test_what_a_guest_wrote_to_its_root_disk_is_gone_and_all_else_stays(site, launched):
    site.launch(asked("reset"))
    assert found(site) == ["written.", "written."]
    disk = root_disk(site)
    plan = site.launch(asked("rebuilt", "copy"), "--check", "--diff").output
    assert "change (rebuild)" in plan
    assert (root_disk(site), site.record("anew")["image"]["name"]) == (disk, "demo")
    site.launch(asked("rebuilt", "copy", metadata={"role": "anew"}))
    row = rests(site)
    assert [row[name] for name in KEPT] == [launched[name] for name in KEPT]
    assert row["image"]["name"] == "copy"
    # Of the user data, which the entry does not mention, the record has no more than a digest: the drive has it still.
    assert found(site) == [".", "written."]
    text = site.console("anew", "GUEST-LEASE")
    assert "ip=%s/24" % row["ports"][0]["fixed_ip"] in text
    assert "GUEST-META role=anew" in text
    assert root_disk(site) != disk
    assert site.parts("anew") == {"domains": 1, "ports": 1, "claims": 1, "volumes": 1}
    site.unchanged(asked("started", "copy"))
    assert [each["action"] for each in site.records("instance_actions", "instance_uuid = '%s'" % row["uuid"])] == [
        "create", "reboot", "rebuild",
    ]  # fmt: skip


def test_one_that_is_off_stays_off(site, launched):
    site.launch(asked("stopped"))
    disk = root_disk(site)
    site.launch(asked("rebuilt"))
    assert domstate(site) == "shut off"
    assert root_disk(site) != disk
    site.unchanged(asked("stopped"))
    site.launch(asked("started"))
    assert found(site) == [".", "written."]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.0])
def test_a_rebuild_that_is_killed_is_ended_by_the_next_run_and_not_done_again(site, launched, seconds):
    disk = root_disk(site)
    site.launch_killed_at(asked("rebuilt", "copy"), "launch : Build]", seconds=seconds)
    site.launch(asked("started", "copy"))
    row = rests(site)
    assert [row[name] for name in KEPT] == [launched[name] for name in KEPT]
    assert found(site) == [".", "written."]
    assert root_disk(site) != disk
    disk = root_disk(site)
    site.unchanged(asked("started", "copy"))
    assert root_disk(site) == disk


def test_an_image_that_cannot_be_had_leaves_the_guest_as_it_is_until_another_is_named(site, launched):
    disk = root_disk(site)
    assert "sha256" in site.launch(asked("rebuilt", "wrong"), status=2).output
    assert (domstate(site), root_disk(site)) == ("running", disk)
    assert site.record("anew")["task_state"] == "rebuilding"
    site.launch(asked("rebuilt", "demo"))
    assert rests(site)["image"]["name"] == "demo"
    assert found(site) == [".", "written."]
