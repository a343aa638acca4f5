# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Notifications as nova's consumers read them."""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.notification import model

NOW = datetime(2026, 1, 2, 3, 4, 5)
ROW = {
    "uuid": "u", "project_id": "p", "user_id": "me", "name": "web", "host": "c1", "availability_zone": "nova",
    "request_id": "req-fedcba98-7",
    "image": {"name": "demo", "id": "i", "url": "https://x/?secret"}, "instance_metadata": {"a": "b"},
    "vm_state": "active", "task_state": None, "power_state": "running", "created_at": NOW, "updated_at": NOW,
    "launched_at": NOW, "deleted_at": None, "deleted": 0, "fault": None, "ssh_keys": ["ssh-rsa secret"],
    "user_data_digest": "secret",
    "flavor": {"name": "small", "vcpus": 2, "ram": 512, "disk": 3, "extra_specs": {"hw:cpu_policy": "shared"}},
    "ports": [{
        "network": "private", "id": "0123456789abcdef", "mac_address": "fa:16:3e:00:00:01", "fixed_ip": "10.0.0.5",
        "network_info": {"ipv6_address": "fd00::5"},
    }, {"network": "later", "fixed_ip": "10.1.0.5"}],
    "volumes": [{"id": "v", "name": "data", "size": 1, "delete_on_termination": True}],
}  # fmt: skip
# All that nova's InstancePayload 1.9 has.
FIELDS = {
    "uuid", "tenant_id", "user_id", "display_name", "display_description", "host_name", "host", "node", "os_type",
    "architecture", "availability_zone", "image_uuid", "key_name", "kernel_id", "ramdisk_id", "created_at",
    "launched_at", "terminated_at", "deleted_at", "updated_at", "state", "power_state", "task_state", "progress",
    "metadata", "locked", "locked_reason", "auto_disk_config", "reservation_id", "flavor", "ip_addresses",
    "block_devices", "request_id", "action_initiator_user", "action_initiator_project", "shares",
}  # fmt: skip


def row(**more):
    return SimpleNamespace(**{**ROW, **more})


def told(events):
    return [(event.name, event.priority) for event in events]


@pytest.mark.parametrize(
    ("action", "start", "names"),
    [
        ("create", ["create.start"], ["create.end", "update"]),
        ("delete", ["delete.start"], ["delete.end", "update"]),
        ("stop", ["power_off.start"], ["power_off.end", "update"]),
        ("start", ["power_on.start"], ["power_on.end", "update"]),
        ("rebuild", ["rebuild.start"], ["rebuild.end", "update"]),
        ("metadata", [], ["update"]),
    ],
)
def test_what_is_told_is_called_as_nova_calls_it(action, start, names):
    assert told(model.begun(action, row(), "req-1")) == [(name, "info") for name in start]
    assert told(model.ended(action, row(), "req-1", "building")) == [(name, "info") for name in names]


@pytest.mark.parametrize(
    ("action", "row_", "given_up", "events"),
    [
        pytest.param("create", row(vm_state="error", fault="no host"), None, ["create.error", "update"], id="in ERROR"),
        pytest.param("create", row(vm_state="error"), "it failed", ["create.error", "update"], id="given up"),
        pytest.param("rebuild", row(vm_state="error"), "no disk", ["rebuild.error", "update"], id="a rebuild"),
        pytest.param("stop", row(), "it failed", ["update"], id="a guest that goes on"),
        pytest.param("delete", row(vm_state="error", fault="x", deleted=1), None, ["delete.end", "update"], id="gone"),
    ],
)
def test_what_has_failed_is_told_so(action, row_, given_up, events):
    found = model.ended(action, row_, "req-1", "building", given_up)
    assert [event.name for event in found] == events
    assert {event.priority for event in found if event.phase == "error"} <= {"error"}


def event(action, phase, row_=None, **more):
    return model.Event(row_ or row(), action, phase, "req-12345678-9", **more)


def test_a_created_instance_is_told_whole_in_novas_envelopes():
    event_type, payload = model.versioned(event("create", "end"), NOW)
    assert event_type == "instance.create.end"
    envelope = {key: payload[key] for key in payload if key != "nova_object.data"}
    assert envelope == {
        "nova_object.name": "InstanceCreatePayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.13",
    }
    data = payload["nova_object.data"]
    assert set(data) == FIELDS | {"fault", "keypairs", "tags", "trusted_image_certificates", "instance_name"}
    assert (data["state"], data["power_state"], data["host"], data["fault"]) == ("active", "running", "c1", None)
    assert (data["created_at"], data["image_uuid"]) == ("2026-01-02T03:04:05Z", "i")
    assert data["flavor"]["nova_object.data"]["memory_mb"] == 512
    addresses = [each["nova_object.data"] for each in data["ip_addresses"]]
    assert [(each["address"], each["version"], each["label"]) for each in addresses] == [
        ("10.0.0.5", 4, "private"),
        ("fd00::5", 6, "private"),
    ]
    assert data["block_devices"][0]["nova_object.data"]["volume_id"] == "v"


@pytest.mark.parametrize(
    ("info", "volume", "told_"),
    [
        pytest.param({}, {}, ("0123456789abcdef", "kvt0123456789a", "private", "v"), id="the record's own"),
        pytest.param(
            {"port_id": "fedcba9876543210", "network_name": "office"},
            {"volume_id": "w"},
            ("fedcba9876543210", "kvtfedcba98765", "office", "w"),
            id="those of services",
        ),
    ],
)
def test_ports_and_volumes_have_the_ids_that_the_api_shows(info, volume, told_):
    ports, volumes = [{**ROW["ports"][0], "network_info": info}], [{**ROW["volumes"][0], **volume}]
    data = model.versioned(event("create", "end", row(ports=ports, volumes=volumes)), NOW)[1]["nova_object.data"]
    [address], [device] = (
        [each["nova_object.data"] for each in data[key]] for key in ("ip_addresses", "block_devices")
    )
    found = (address["port_uuid"], address["device_name"], address["label"], device["volume_id"])
    assert found == told_


def test_what_is_begun_has_no_place_yet_and_what_is_gone_none_any_more():
    begun = model.versioned(event("create", "start", row(vm_state="building", power_state=None)), NOW)[1]
    data = begun["nova_object.data"]
    assert (data["state"], data["power_state"], data["host"], data["ip_addresses"]) == ("building", "pending", None, [])
    gone = row(deleted=7, deleted_at=NOW, vm_state="deleted")
    data = model.versioned(event("delete", "end", gone), NOW)[1]["nova_object.data"]
    assert (data["state"], data["deleted_at"], data["terminated_at"]) == ("deleted", *["2026-01-02T03:04:05Z"] * 2)
    assert (data["power_state"], data["ip_addresses"], data["block_devices"]) == ("pending", [], [])
    data = model.versioned(event("delete", "start"), NOW)[1]
    assert data["nova_object.data"]["task_state"] == "deleting"
    assert (data["nova_object.name"], data["nova_object.version"]) == ("InstanceActionPayload", "1.9")


@pytest.mark.parametrize("action", ["create", "delete", "stop"])
def test_a_reservation_is_that_of_the_request_that_created_it(action):
    known = event(action, "end")
    data = model.versioned(known, NOW)[1]["nova_object.data"]
    assert (data["request_id"], data["reservation_id"]) == ("req-12345678-9", "r-fedcba98")
    assert model.legacy(known, NOW)[1]["reservation_id"] == "r-fedcba98"


def test_what_the_api_keeps_and_who_has_asked_are_told():
    kept = {"locked_by": "owner", "locked_reason": "audit", "key_name": "mine", "tags": ["a"], "description": "words"}
    known = event("create", "end", extras=kept, initiator="other")
    data = model.versioned(known, NOW)[1]["nova_object.data"]
    assert (data["locked"], data["locked_reason"], data["key_name"], data["tags"]) == (True, "audit", "mine", ["a"])
    assert (data["display_description"], data["action_initiator_user"], data["user_id"]) == ("words", "other", "me")
    data = model.versioned(event("create", "end"), NOW)[1]["nova_object.data"]
    assert (data["locked"], data["key_name"], data["action_initiator_user"]) == (False, None, "me")


def test_a_restart_begins_with_its_task():
    begun = model.versioned(event("reboot", "start", row(task_state="rebooting_hard")), NOW)[1]
    assert begun["nova_object.data"]["task_state"] == "rebooting_hard"


def test_a_rebuild_has_a_payload_of_its_own():
    name, payload = model.versioned(event("rebuild", "start"), NOW)
    data = payload["nova_object.data"]
    assert (name, data["task_state"], data["fault"]) == ("instance.rebuild.start", "rebuilding", None)
    assert (payload["nova_object.name"], payload["nova_object.version"]) == ("InstanceActionRebuildPayload", "1.10")
    assert set(data) == FIELDS | {"fault", "trusted_image_certificates"}


def test_a_fault_is_an_exception():
    told_ = model.versioned(event("create", "error", row(vm_state="error"), fault="no host"), NOW)
    assert told_[0] == "instance.create.error"
    fault = told_[1]["nova_object.data"]["fault"]
    assert (fault["nova_object.name"], fault["nova_object.version"]) == ("ExceptionPayload", "1.1")
    assert fault["nova_object.data"]["exception_message"] == "no host"


def test_an_update_tells_what_has_changed():
    event_type, payload = model.versioned(event("stop", "update", old_state="active"), NOW)
    assert (event_type, payload["nova_object.version"]) == ("instance.update", "2.1")
    data = payload["nova_object.data"]
    assert set(data) == FIELDS | {"state_update", "audit_period", "old_display_name", "tags"}
    assert data["state_update"]["nova_object.data"]["old_state"] == "active"
    assert data["audit_period"]["nova_object.data"]["audit_period_beginning"] == "2026-01-01T00:00:00Z"


def test_the_older_format_is_flat():
    event_type, payload = model.legacy(event("create", "end"), NOW)
    assert event_type == "compute.instance.create.end"
    wanted = {
        "tenant_id": "p", "user_id": "me", "instance_id": "u", "display_name": "web", "instance_type": "small",
        "memory_mb": 512, "vcpus": 2, "root_gb": 3, "host": "c1", "state": "active", "message": "Success",
    }  # fmt: skip
    assert {key: payload[key] for key in wanted} == wanted
    assert [each["address"] for each in payload["fixed_ips"]] == ["10.0.0.5", "fd00::5"]
    failed = model.legacy(event("create", "error", fault="no host"), NOW)[1]
    assert (failed["message"], failed["code"]) == ("no host", 500)


@pytest.mark.parametrize("make", [model.versioned, model.legacy])
@pytest.mark.parametrize("phase", ["start", "end", "error", "update"])
def test_nothing_secret_is_told(make, phase):
    said = json.dumps(make(event("create", phase, fault="x"), NOW))
    assert "secret" not in said
