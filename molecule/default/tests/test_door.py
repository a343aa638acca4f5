# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Compute API and a worker, as processes: what clients do to a server reaches its guest."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.molecule.default.tests.door import Door
from ansible_collections.kvmstack.launch.molecule.shared.launching import on_host

DISK = {"boot_index": 1, "source_type": "blank", "destination_type": "volume", "volume_size": 1}


@pytest.fixture
def door(tmp_path):
    door = Door(tmp_path)
    try:
        door.begin()
        yield door
    finally:
        door.end_all()
        door.take_back()


def members(door, group):
    """The ports in a security group, as OVN has them."""
    name = "kvmstack_sg_" + group
    return door.on("central", "ovn-nbctl --bare --columns=ports find Port_Group name=" + name).split()


def test_what_clients_ask_for_reaches_the_guest(door):
    old = door.create("old", block_device_mapping_v2=[DISK])
    host = door.rests(old)["OS-EXT-SRV-ATTR:host"]
    [attachment] = door.ask("GET", "/servers/%s/os-volume_attachments" % old)[1]["volumeAttachments"]
    door.gone(old)

    made = door.create("web", hints=on_host(host))
    door.rests(made)
    door.console("web", "GUEST-READY")
    path, action = "/servers/" + made, "/servers/%s/action" % made

    process = door.on(host, "pgrep --full 'qemu.*uuid %s'" % made)
    door.done("POST", action, {"reboot": {"type": "SOFT"}})
    assert door.ask("GET", path)[1]["server"]["status"] == "REBOOT"
    door.rests(made)
    assert door.on(host, "pgrep --full 'qemu.*uuid %s'" % made) != process
    door.console("web", "GUEST-READY")

    volume = {"volumeAttachment": {"volumeId": attachment["volumeId"]}}
    told = door.done("POST", path + "/os-volume_attachments", volume, status=200)["volumeAttachment"]
    port = door.done("POST", path + "/os-interface", {"interfaceAttachment": {}}, status=200)["interfaceAttachment"]
    door.rests(made)
    assert attachment["volumeId"] in door.on(host, "virsh domblklist " + made)
    assert told["device"] == "/dev/vdb"
    shown = door.ask("GET", path + "/os-interface/" + port["port_id"])[1]["interfaceAttachment"]
    assert (shown["mac_addr"], shown["port_state"]) == (port["mac_addr"], "ACTIVE")
    assert port["mac_addr"] in door.on(host, "virsh domiflist " + made)

    door.done("POST", action, {"addSecurityGroup": {"name": "spare"}})
    door.rests(made)
    groups = door.ask("GET", path + "/os-security-groups")[1]["security_groups"]
    assert [each["name"] for each in groups] == ["default", "spare"]
    assert len(members(door, "spare")) == 2
    door.done("POST", action, {"removeSecurityGroup": {"name": "spare"}})
    door.rests(made)
    assert members(door, "spare") == []

    door.done("POST", action, {"os-resetState": {"state": "error"}})
    door.rests(made, "ERROR")
    door.done("POST", action, {"reboot": {"type": "HARD"}})
    door.rests(made)
    door.console("web", "GUEST-READY")

    text = door.ask("POST", action, {"os-getConsoleOutput": {}})
    assert text[0] == 200, text
    assert "GUEST-READY" in text[1]["output"]

    assert door.ask("POST", action, {"lock": {"locked_reason": "a test"}})[0] == 202
    assert door.ask("GET", path)[1]["server"]["locked_reason"] == "a test"
    assert door.ask("POST", action, {"unlock": None})[0] == 202

    door.done("DELETE", path + "/os-volume_attachments/" + attachment["volumeId"])
    door.done("DELETE", path + "/os-interface/" + port["port_id"])
    door.rests(made)
    assert attachment["volumeId"] not in door.on(host, "virsh domblklist " + made)
    assert port["mac_addr"] not in door.on(host, "virsh domiflist " + made)
    assert door.ask("GET", path + "/os-interface/" + port["port_id"])[0] == 404
    told = {
        each["action"]: each["message"] for each in door.ask("GET", path + "/os-instance-actions")[1]["instanceActions"]
    }
    assert set(told) == {
        "create", "reboot", "attach_volume", "attach_interface", "lock", "unlock", "detach_volume", "detach_interface",
        "add_security_group", "remove_security_group", "resetState",
    }  # fmt: skip
    assert not any(told.values())
    door.gone(made)
    assert made not in door.domains(host)
