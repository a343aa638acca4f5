# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers that clients have made anew over a new root disk."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import conclude
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import model as worker
from ansible_collections.kvmstack.launch.tests.unit.api.conftest import DEFINITIONS, KEY
from ansible_collections.kvmstack.launch.tests.unit.api.test_actions import row, shown

URL = "https://images.example/%s.qcow2"
IMAGES = {
    **DEFINITIONS["images"],
    "other": {"url": URL % "other", "checksum": "none"},
    "cells": {"url": URL % "cells", "checksum": "none", "properties": {"hw_numa_nodes": "2"}},
    "arm": {"url": URL % "arm", "checksum": "none", "properties": {"hw_architecture": "aarch64"}},
}
TEXT = "plain text"
USER_DATA = base64.b64encode(TEXT.encode()).decode()


@pytest.fixture
def door(doors):
    return doors(images=IMAGES)


def image_id(door, name="other"):
    return next(each["id"] for each in door.get("/images")["images"] if each["name"] == name)


def rebuild(door, server_id, status=202, version=1, image="other", **said):
    said = {"imageRef": image_id(door, image), **said}
    return door.act(server_id, "rebuild", status=status, version=version, said=said)


def test_a_server_is_rebuilt_once_by_a_request(door):
    made = door.launch(metadata={"a": "1"})
    before = row(door)
    reply = rebuild(door, made)
    told = reply.json["server"]
    assert (told["id"], told["status"], told["image"]["id"]) == (made, "REBUILD", image_id(door))
    assert reply.headers["location"].endswith("/v2.1/servers/" + made)
    request = door.requests()["web"]
    # The row says what is to be done; a worker is asked for no more than that.
    assert (request.action, request.entry) == ("rebuild", {"name": "web", "state": "started"})
    told = shown(door, made)
    assert (told["status"], told["OS-EXT-STS:task_state"], told["progress"]) == ("REBUILD", "rebuilding", 0)
    assert [each["id"] for each in door.get("/servers?status=REBUILD")["servers"]] == [made]
    assert "task_state rebuilding" in rebuild(door, made, status=409).text
    assert not worker.is_done(request, row(door))
    door.play()
    after = row(door)
    assert worker.is_done(request, after)
    assert (after.task_state, after.vm_state, after.image["name"]) == (None, "active", "other")
    kept = ("uuid", "host", "flavor", "ports", "volumes", "instance_metadata", "launched_at", "ssh_keys")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    # A worker that died before the request was out of the queue does not do it again.
    door.take("web")
    assert (row(door).task_state, row(door).rebuild_id) == (None, after.rebuild_id)
    door.play()
    door.finish("web")
    assert shown(door, made)["status"] == "ACTIVE"
    [action, _create] = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert (action["action"], action["request_id"]) == ("rebuild", reply.headers["x-openstack-request-id"])
    rebuild(door, made, image="demo")
    assert row(door).rebuild_id != after.rebuild_id


def test_one_that_is_off_stays_off(door):
    made = door.launch()
    door.act(made, "os-stop")
    door.work()
    assert rebuild(door, made).json["server"]["status"] == "REBUILD"
    assert door.requests()["web"].entry["state"] == "stopped"
    door.work()
    assert (shown(door, made)["status"], row(door).vm_state) == ("SHUTOFF", "stopped")
    assert row(door).image["name"] == "other"


def test_what_is_said_anew_is_kept(door):
    made = door.launch(metadata={"a": "1"})
    door.ask("POST", "/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}})
    said = {"metadata": {"b": "2"}, "key_name": "mine", "user_data": USER_DATA, "description": "anew"}
    told = rebuild(door, made, version=57, accessIPv4="10.0.0.9", **said).json["server"]
    assert (told["metadata"], told["key_name"], told["description"]) == ({"b": "2"}, "mine", "anew")
    assert (told["user_data"], told["accessIPv4"]) == (None, "10.0.0.9")
    request = door.requests()["web"]
    assert (request.user_data, row(door).ssh_keys, row(door).instance_metadata) == (TEXT, [KEY], {"b": "2"})
    digest = row(door).user_data_digest
    door.work()
    assert rebuild(door, made, version=57).json["server"]["key_name"] == "mine"
    assert (row(door).ssh_keys, row(door).user_data_digest, door.requests()["web"].user_data) == ([KEY], digest, None)
    door.work()
    rebuild(door, made, version=57, key_name=None, user_data=None)
    assert (row(door).ssh_keys, door.requests()["web"].user_data) == ([], "")
    assert row(door).user_data_digest != digest
    assert shown(door, made, version=57)["key_name"] is None


def test_a_server_stays_called_as_it_is(door):
    made = door.launch()
    for other in ({"name": "app"}, {"hostname": "app.example"}):
        assert "for as long as it is there" in rebuild(door, made, status=409, version=94, **other).text
    assert rebuild(door, made, name="web").json["server"]["name"] == "web"


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        (1, {"progress"}, {"key_name", "user_data", "OS-EXT-STS:vm_state", "description"}),
        (54, {"key_name", "description", "locked", "tags"}, {"user_data", "server_groups"}),
        (57, {"key_name", "user_data"}, {"trusted_image_certificates"}),
        (74, {"server_groups", "locked_reason", "trusted_image_certificates"}, {"OS-EXT-STS:vm_state"}),
        (75, {"OS-EXT-STS:vm_state", "security_groups", "config_drive"}, {"OS-EXT-SRV-ATTR:user_data"}),
        (96, {"pinned_availability_zone", "user_data"}, {"OS-EXT-SRV-ATTR:user_data"}),
    ],
)
def test_a_reply_has_what_its_version_has(door, version, has, has_not):
    told = rebuild(door, door.launch(), version=version).json["server"]
    assert has <= set(told)
    assert not has_not & set(told)


@pytest.mark.parametrize(
    ("version", "said", "words"),
    [
        (1, {"imageRef": "11111111-0000-4000-8000-000000000001"}, "could not be found"),
        (1, {"image": "large"}, "needs 20"),
        (1, {"image": "cells"}, "image cells: asks for 2 cells, and the instance has any CPUs"),
        (1, {"image": "arm"}, "hosts are chosen by its hw_architecture"),
        (1, {"personality": [{"path": "/a", "contents": ""}]}, "no files are put into guests"),
        (63, {"trusted_image_certificates": ["a"]}, "signatures of images are not checked"),
        (54, {"key_name": "nobodys"}, "Invalid key_name provided."),
        (53, {"key_name": "mine"}, "key_name"),
        (57, {"personality": []}, "personality"),
        (89, {"hostname": "web"}, "hostname"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_happens(door, version, said, words):
    made = door.launch()
    before = row(door)
    assert words in rebuild(door, made, status=400, version=version, **said).text
    assert (row(door), door.requests()) == (before, {})


def test_what_has_no_meaning_here_is_taken(door):
    made = door.launch()
    said = {"adminPass": "secret", "preserve_ephemeral": True, "OS-DCF:diskConfig": "AUTO", "hostname": "web"}
    reply = rebuild(door, made, version=94, **said)
    assert "adminPass" not in reply.json["server"]
    assert reply.json["server"]["OS-DCF:diskConfig"] == shown(door, made)["OS-DCF:diskConfig"] == "AUTO"
    assert "secret" not in str(door.requests()["web"])


def test_one_that_has_never_run_or_is_locked_is_not_rebuilt(door):
    made = door.create()["server"]["id"]
    assert rebuild(door, made, status=409)
    door.work()
    door.act(made, "lock")
    door.seen_by()
    assert "is locked" in rebuild(door, made, status=409).text


def test_one_that_is_paused_is_not_rebuilt(door):
    made = door.launch()
    table = door.database.tables.instances
    door.database.write(lambda connection: connection.execute(table.update().values(power_state="paused")))
    assert "vm_state paused" in rebuild(door, made, status=409).text


def test_one_that_is_given_up_can_be_rebuilt_again(door):
    made = door.launch()
    rebuild(door, made)

    def give_up(connection):
        [request] = connection.execute(door.database.tables.requests.select())
        conclude._give_up(door.database, connection, request, row(door), now(connection), "no disk")

    door.database.write(give_up)
    door.finish("web")
    told = shown(door, made)
    assert (told["status"], told["OS-EXT-STS:task_state"]) == ("ERROR", None)
    assert told["fault"]["message"] == "rebuild was given up after 0 attempts"
    assert rebuild(door, made, image="demo").json["server"]["status"] == "REBUILD"
    door.work()
    assert (shown(door, made)["status"], row(door).fault) == ("ACTIVE", None)
