# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a body of POST /servers asks for: the entry of launch_instances that means the same, or why there is none."""

from __future__ import annotations

import base64
import gzip

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api.entry import user_data_of
from ansible_collections.kvmstack.launch.plugins.module_utils.api.errors import ApiError
from ansible_collections.kvmstack.launch.plugins.module_utils.api.identifiers import identity

DEMO, LARGE = identity("image", "demo"), identity("image", "large")
PRIVATE, OTHER = identity("network", "private"), identity("network", "other")
SPREAD, WEB = identity("server group", "spread", "p"), identity("security group", "web", "p")
ROOT = {
    "uuid": DEMO,
    "boot_index": 0,
    "source_type": "image",
    "destination_type": "local",
    "delete_on_termination": True,
}
NEW = {"source_type": "blank", "destination_type": "volume", "volume_size": 2, "boot_index": -1}
HINTS = "OS-SCH-HNT:scheduler_hints"


@pytest.mark.parametrize(
    ("server", "version", "beside", "entry"),
    [
        pytest.param({}, 1, {}, {}, id="the least"),
        pytest.param({"block_device_mapping_v2": [ROOT]}, 96, {}, {}, id="its own image as a device is one root disk"),
        pytest.param({"tags": [], "security_groups": []}, 1, {}, {}, id="openstack.cloud's empty lists"),
        pytest.param({"OS-DCF:diskConfig": "AUTO", "config_drive": True}, 60, {}, {}, id="Horizon's"),
        pytest.param({"metadata": {"a": "1"}}, 1, {}, {"metadata": {"a": "1"}}, id="metadata"),
        pytest.param(
            {"networks": [{"uuid": PRIVATE, "fixed_ip": "10.20.0.50"}, {"uuid": OTHER}]}, 1, {},
            {"networks": [{"network": "private", "fixed_ip": "10.20.0.50"}, {"network": "other"}]},
            id="networks by their ids",
        ),
        pytest.param({"networks": [{"uuid": "other"}]}, 1, {}, {"networks": [{"network": "other"}]}, id="their names"),
        pytest.param({"networks": "none"}, 37, {}, {"networks": []}, id="no network"),
        pytest.param(
            {"security_groups": [{"name": WEB}, {"name": "default"}]}, 1, {},
            {"networks": [{"network": "private", "security_groups": ["web", "default"]}]},
            id="groups by id and by name are those of every port",
        ),
        pytest.param({}, 1, {HINTS: {"group": SPREAD}}, {"group": "spread"}, id="a server group"),
        pytest.param(
            {}, 1, {"os:scheduler_hints": {"group": "spread", "different_host": ["x"]}},
            {"group": "spread", "scheduler_hints": {"different_host": ["x"]}},
            id="the hints' other name",
        ),
        pytest.param({"availability_zone": "nova"}, 1, {}, {"availability_zone": "nova"}, id="a zone"),
        pytest.param(
            {"block_device_mapping_v2": [ROOT, {
                "source_type": "blank", "destination_type": "volume", "volume_size": 2, "boot_index": -1,
                "delete_on_termination": True,
            }]}, 1, {},
            {"volumes": [{"name": "disk-1", "size": 2, "delete_on_termination": True}]},
            id="a new volume",
        ),
        pytest.param(
            {"block_device_mapping_v2": [{**ROOT, "disk_bus": "virtio", "device_type": "disk", "guest_format": None}]},
            1, {}, {}, id="what every disk is",
        ),
    ],
)  # fmt: skip
def test_a_body_is_an_entry(door, server, version, beside, entry):
    door.create(version=version, beside=beside, **server)
    least = {
        "name": "web",
        "state": "started",
        "flavor": "small",
        "image": "demo",
        "networks": [{"network": "private"}],
        "ssh_keys": [],
        "metadata": {},
    }
    assert door.requests()["web"].entry == {**least, **entry}


@pytest.mark.parametrize(
    ("server", "version", "told"),
    [
        ({"flavorRef": "colossal"}, 1, "Flavor colossal could not be found"),
        ({"imageRef": PRIVATE}, 1, "Image"),
        ({"imageRef": "demo"}, 1, "imageRef"),
        ({"imageRef": ""}, 1, "Invalid imageRef"),
        ({"imageRef": LARGE}, 1, "20"),
        ({"networks": [{"uuid": DEMO}]}, 1, "Network"),
        ({"networks": [{"uuid": "private"}]}, 37, "networks"),
        ({"networks": "auto"}, 36, "networks"),
        ({"networks": "all"}, 37, "networks"),
        ({"networks": [{"uuid": PRIVATE, "fixed_ip": "10.20.0.300"}]}, 1, "fixed_ip"),
        ({"networks": [{"uuid": PRIVATE, "fixed_ip": "192.0.2.1"}]}, 1, "192.0.2.1"),
        ({"networks": [{"uuid": PRIVATE, "tag": "x"}]}, 32, "tag"),
        ({"networks": [{"uuid": PRIVATE, "fixed_ip": "10.20.0.50"}], "max_count": 2}, 1, "fixed IP"),
        ({"networks": [{"port": DEMO}], "max_count": 2}, 1, "by several servers"),
        ({"security_groups": [{"name": "nothing"}]}, 1, "Security group nothing"),
        ({"name": "a b"}, 1, "name"),
        ({"name": ""}, 1, "name"),
        ({"name": None}, 1, "name"),
        ({"name": 5}, 1, "name"),
        ({"personality": [{"path": "/etc/x", "contents": "eA=="}]}, 1, "personality"),
        ({"personality": []}, 57, "personality"),
        ({"description": "x"}, 18, "description"),
        ({"tags": ["x"]}, 51, "tags"),
        ({"tags": ["x,y"]}, 52, "tags"),
        ({"hostname": "other"}, 90, "hostname"),
        ({"hostname": "web"}, 89, "hostname"),
        ({"host": "c1"}, 74, "host"),
        ({"trusted_image_certificates": ["x"]}, 63, "trusted_image_certificates"),
        ({"availability_zone": "south"}, 1, "availability zone"),
        ({"availability_zone": "nova:c1"}, 1, "availability zone"),
        ({"metadata": {"a": 1}}, 1, "metadata"),
        ({"metadata": {"a": "x" * 256}}, 1, "metadata"),
        ({"metadata": []}, 1, "metadata"),
        ({"user_data": "%%%"}, 1, "user_data"),
        ({"user_data": "A" * 65536}, 1, "user_data"),
        ({"min_count": 0}, 1, "min_count"),
        ({"min_count": "x"}, 1, "min_count"),
        ({"max_count": 5000}, 1, "max_count"),
        ({"max_count": "99999999999"}, 1, "max_count"),
        ({"min_count": "0", "max_count": "0"}, 1, "min_count"),
        ({"min_count": "9" * 5000}, 1, "min_count"),
        ({"block_device_mapping": [{"device_name": "vda"}]}, 1, "block_device_mapping"),
        ({"block_device_mapping_v2": [{**ROOT, "source_type": "blank", "boot_index": 1}]}, 1, "local disk"),
        ({"block_device_mapping_v2": [{**ROOT, "tag": "x"}]}, 41, "tag"),
        ({"block_device_mapping_v2": [{**ROOT, "disk_bus": "scsi"}]}, 1, "disk_bus"),
        ({"block_device_mapping_v2": [{**ROOT, "device_type": "cdrom"}]}, 1, "device_type"),
        ({"block_device_mapping_v2": [{**NEW, "guest_format": "ext4"}]}, 1, "guest_format"),
        ({"block_device_mapping_v2": [{**NEW, "no_device": True}]}, 1, "no_device"),
        ({"block_device_mapping_v2": [{**NEW, "snapshot_id": DEMO}]}, 1, "snapshot_id"),
        ({"networks": [{"port": DEMO, "fixed_ip": "10.20.0.50"}]}, 1, "cannot be used with port"),
        ({"unheard_of": 1}, 1, "unheard_of"),
        ({"block_device_mapping_v2": [{"source_type": "volume", "uuid": "nothing"}]}, 1, "volume nothing"),
    ],
)
def test_what_cannot_be_is_told(door, server, version, told):
    message = door.create(version=version, status=400, **server)["badRequest"]["message"]
    assert told in message
    assert "secret" not in message
    assert door.requests() == {}
    assert door.get("/servers")["servers"] == []


def test_networks_have_to_be_mentioned_since_37(door):
    asked = {key: value for key, value in door.asked().items() if key != "networks"}
    for version, status in ((37, 400), (96, 400)):
        assert door.ask("POST", "/servers", {"server": asked}, version).status_code == status


@pytest.mark.parametrize(("networks", "status"), [({"private": {"cidr": "10.20.0.0/24"}}, 202), (None, 400)])
@pytest.mark.parametrize("asked", [{"networks": "auto"}, {"networks": []}])
def test_without_a_network_it_is_the_only_one_there_is(doors, networks, status, asked):
    door = doors(**({"networks": networks} if networks else {}))
    reply = door.create(version=37, status=status, **asked)
    if status == 202:
        made = reply["server"]["id"]
        [port] = door.get("/servers/%s/os-interface" % made)["interfaceAttachments"]
        assert port["net_id"] == PRIVATE
    else:
        assert "other, private" in reply["badRequest"]["message"]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"#!/bin/sh\n", base64.b64encode(b"#!/bin/sh\n").decode()),
        (gzip.compress(b"x", mtime=0), base64.b64encode(gzip.compress(b"x", mtime=0)).decode()),
        ("grüße".encode(), "grüße"),
        (b"", ""),
    ],
)
def test_user_data_is_as_an_entry_has_it(data, kept):
    assert user_data_of({"user_data": base64.b64encode(data).decode()}) == kept


def test_user_data_that_is_neither_text_nor_known_is_refused():
    with pytest.raises(ApiError):
        user_data_of({"user_data": base64.b64encode(b"\xff\xfe").decode()})


def test_a_password_is_taken_and_forgotten(door):
    told = door.create(adminPass="c2VjcmV0")["server"]
    assert "adminPass" not in told
    assert "c2VjcmV0" not in str((door.requests(), told, door.get("/servers/%s" % told["id"])))


def test_an_error_shows_no_secret(door):
    for name in ("user_data", "adminPass"):
        assert "c2VjcmV0" not in str(door.create(status=400, **{name: ["c2VjcmV0"]}))
