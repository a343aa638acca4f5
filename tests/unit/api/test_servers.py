# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server from its request to its end, as its client sees it and as a worker finds it."""

from __future__ import annotations

import subprocess
import threading

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api.resources.keypairs import fingerprint
from ansible_collections.kvmstack.launch.plugins.module_utils.record import requests
from ansible_collections.kvmstack.launch.plugins.module_utils.service import wake
from ansible_collections.kvmstack.launch.tests.unit.api.conftest import KEY


def instances(door):
    with door.database.reading() as connection:
        return {row.name: row for row in connection.execute(door.database.tables.instances.select())}


def test_a_request_is_a_row_that_nobody_drives_and_what_is_to_be_done(door):
    reply = door.ask("POST", "/servers", {"server": door.asked()})
    assert reply.status_code == 202
    told = reply.json["server"]
    assert set(told) == {"id", "links", "OS-DCF:diskConfig", "security_groups"}
    assert reply.headers["Location"] == "http://127.0.0.1:8774/v2.1/servers/" + told["id"]
    row, request = instances(door)["web"], door.requests()["web"]
    assert (row.uuid, row.vm_state, row.task_state, row.lease_owner) == (told["id"], "building", "scheduling", None)
    assert (request.instance_uuid, request.action, request.project_id) == (told["id"], "create", "p")
    assert request.request_id == row.request_id == reply.headers["x-openstack-request-id"]
    assert (request.lease_owner, request.entry["state"]) == (None, "started")


def test_who_partitions_a_disk_is_kept_and_told(door):
    word = "OS-DCF:diskConfig"
    made = door.create(**{word: "AUTO"})["server"]
    assert made[word] == door.get("/servers/" + made["id"])["server"][word] == "AUTO"
    assert door.create(name="db")["server"][word] == "MANUAL"
    told = door.ask("PUT", "/servers/" + made["id"], {"server": {word: "MANUAL"}}).json["server"]
    assert told[word] == door.get("/servers/" + made["id"])["server"][word] == "MANUAL"


def test_a_worker_launches_it_under_its_identity(door):
    made = door.create()["server"]["id"]
    shown = door.get("/servers/" + made)["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"], shown["addresses"]) == ("BUILD", "scheduling", {})
    assert door.work()["uuid"] == made
    shown = door.get("/servers/" + made)["server"]
    assert (shown["status"], shown["OS-EXT-STS:power_state"], shown["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", 1, "c1")
    assert (shown["OS-EXT-STS:task_state"], shown["progress"]) == (None, 100)
    assert shown["OS-SRV-USG:launched_at"]


def test_the_worker_is_woken(door):
    heard = wake.listen(door.settings.wake_path)
    try:
        door.create()
        assert wake.was_called(heard)
    finally:
        wake.close(heard, door.settings.wake_path)


def test_a_server_stops_and_starts(door):
    made = door.launch()
    for action, word, waiting, status in (
        ("os-stop", "stop", "powering-off", "SHUTOFF"),
        ("os-start", "start", "powering-on", "ACTIVE"),
    ):
        assert door.act(made, action).text == ""
        assert door.requests()["web"].action == word
        assert door.get("/servers/" + made)["server"]["OS-EXT-STS:task_state"] == waiting
        assert "task_state " + waiting in door.act(made, action, status=409).text
        assert door.work()["uuid"] == made
        assert door.get("/servers/" + made)["server"]["status"] == status
        assert "while it is in vm_state" in door.act(made, action, status=409).text
    actions = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert [each["action"] for each in actions] == ["start", "stop", "create"]


def test_one_that_is_active_stops_before_its_first_request_is_out_of_the_queue(door):
    made = door.create()["server"]["id"]
    door.play()
    assert door.get("/servers/" + made)["server"]["OS-EXT-STS:task_state"] is None
    door.act(made, "os-stop")
    assert door.requests()["web"].action == "stop"


@pytest.mark.parametrize("action", ["os-stop", "os-start"])
def test_a_server_that_is_being_built_neither_stops_nor_starts(door, action):
    made = door.create()["server"]["id"]
    assert "while it is in task_state scheduling" in door.act(made, action, status=409).text


@pytest.mark.parametrize(
    ("action", "status"),
    [("pause", 409), ("os-getSerialConsole", 501), ("resize", 409), ("os-getVNCConsole", 501), ("explode", 400)],
)
def test_what_cannot_be_done_is_refused_in_words(door, action, status):
    assert action in door.act(door.launch(), action, status=status).text
    assert door.requests() == {}


def test_an_action_is_one(door):
    made = door.launch()
    for body in ({}, {"os-stop": None, "os-start": None}, []):
        assert door.ask("POST", "/servers/%s/action" % made, body).status_code == 400


def test_a_server_goes(door):
    made = door.launch()
    for _again in range(2):
        reply = door.ask("DELETE", "/servers/" + made)
        assert (reply.status_code, reply.text) == (204, "")
    assert door.get("/servers/" + made)["server"]["OS-EXT-STS:task_state"] == "deleting"
    assert [each["action"] for each in door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]][
        0
    ] == "delete"
    assert door.requests()["web"].entry == {"name": "web", "state": "absent"}
    assert door.work()["status"] == "DELETED"
    door.get("/servers/" + made, status=404)
    assert door.ask("DELETE", "/servers/" + made).status_code == 404
    assert door.create()["server"]["id"] != made


@pytest.mark.parametrize("claimed", [False, True])
def test_a_server_that_is_being_built_goes(door, claimed):
    made = door.create()["server"]["id"]
    if claimed:
        door.take("web")
        assert instances(door)["web"].lease_owner == "first"
    generation = instances(door)["web"].generation
    assert door.ask("DELETE", "/servers/" + made).status_code == 204
    request = door.requests()["web"]
    assert (request.action, request.entry["state"]) == ("delete", "absent")
    assert door.get("/servers/" + made)["server"]["OS-EXT-STS:task_state"] == "deleting"
    if claimed:  # the run that builds it is left alone
        assert instances(door)["web"].generation == generation
        assert instances(door)["web"].lease_owner == "first"
    assert door.ask("DELETE", "/servers/" + made).status_code == 204


def test_another_way_to_delete_is_the_same(door):
    made = door.launch()
    door.act(made, "forceDelete")
    assert door.requests()["web"].action == "delete"


def test_a_name_is_a_servers_own(door):
    door.create()
    assert "names are unique" in door.create(status=409)["conflictingRequest"]["message"]
    door.launch(name="other")
    assert "names are unique" in door.create(name="other", status=409)["conflictingRequest"]["message"]


def test_of_one_request_sent_twice_at_once_one_is_accepted(door):
    asked, replies = {"server": door.asked()}, []
    threads = [
        threading.Thread(target=lambda: replies.append(door.ask("POST", "/servers", asked))) for _each in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status_code for reply in replies) == [202, 409, 409, 409]
    assert len(door.requests()) == 1


def test_several_of_one_request(door):
    door.create(min_count=2, max_count=3)
    found = door.get("/servers")["servers"]
    assert [each["name"] for each in found] == ["web-3", "web-2", "web-1"]
    assert set(door.requests()) == {"web-1", "web-2", "web-3"}
    told = [each["OS-EXT-SRV-ATTR:reservation_id"] for each in door.get("/servers/detail", version=3)["servers"]]
    assert len(set(told)) == 1


def test_a_reservation_is_told_where_it_is_asked_for(door):
    told = door.create(return_reservation_id=True, max_count=2)["reservation_id"]
    found = door.get("/servers/detail", version=3)["servers"]
    assert {each["OS-EXT-SRV-ATTR:reservation_id"] for each in found} == {told}


@pytest.mark.parametrize(
    ("least", "most", "status", "count"),
    [(1, 1, 202, 1), (1, 9, 202, 3), (3, 9, 202, 3), (4, 9, 403, 0), (2, 1, 400, 0)],
)
@pytest.mark.parametrize(
    "quotas",
    [{"quotas": {"instances": 3}}, {"quotas": {"instances": 1}, "project_quotas": {"p": {"instances": 3}}}],
    ids=["each project's", "its own"],
)
def test_a_quota_leaves_so_many(doors, quotas, least, most, status, count):
    door = doors(**quotas)
    told = door.create(min_count=least, max_count=most, status=status)
    assert len(door.get("/servers")["servers"]) == len(door.requests()) == count
    if status == 403:
        assert "instances: 3 of 3 used" in told["forbidden"]["message"]


def test_user_data_is_in_the_request_only(door):
    made = door.create(user_data="IyEvYmluL3NoCmVjaG8gaGkK")["server"]["id"]
    assert door.requests()["web"].user_data == "IyEvYmluL3NoCmVjaG8gaGkK"
    assert "user_data" not in door.requests()["web"].entry
    assert door.get("/servers/" + made, version=3)["server"]["OS-EXT-SRV-ATTR:user_data"] is None
    digest = instances(door)["web"].user_data_digest
    door.take("web", user_data='{"web": "IyEvYmluL3NoCmVjaG8gaGkK"}')
    assert digest
    assert digest == instances(door)["web"].user_data_digest


def test_a_fault_is_told(door):
    made = door.create()["server"]["id"]
    door.take("web")
    document = {
        **door.run().find()["web"],
        "failed": True,
        "failed_in": "schedule",
        "abort": True,
        "msg": "no valid host",
    }
    door.run().conclude(document)
    door.finish("web")
    shown = door.get("/servers/" + made)["server"]
    assert (shown["status"], shown["fault"]["code"], shown["fault"]["message"]) == ("ERROR", 500, "no valid host")
    assert "progress" not in shown
    assert door.act(made, "os-stop", status=409)
    assert door.ask("DELETE", "/servers/" + made).status_code == 204


def test_what_a_fault_says_of_hosts_is_in_its_details_which_administrators_alone_see(door):
    made = door.create()["server"]["id"]
    door.take("web")
    refusal = "no valid host: RamFilter: 2 of 2 lack 512 MiB"
    whole = refusal + " (c1 has 5 of 9 MiB left, c2 has 4)"
    failed = {"failed": True, "failed_in": "schedule", "abort": True, "msg": whole, "public_msg": refusal}
    door.run().conclude({**door.run().find()["web"], **failed})
    door.finish("web")
    shown = door.get("/servers/" + made)["server"]["fault"]
    assert (shown["message"], shown["details"]) == (refusal, whole)
    shown = door.seen_by().get("/servers/" + made)["server"]["fault"]
    assert (shown["message"], "details" in shown) == (refusal, False)


def test_what_happened_is_told_by_request(door):
    made = door.launch()
    [action] = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert (action["action"], action["project_id"], action["message"]) == ("create", "p", None)
    path = "/servers/%s/os-instance-actions/" % made
    shown = door.get(path + action["request_id"], version=51)["instanceAction"]
    assert [each["event"] for each in shown["events"]] == ["domain"]
    assert set(shown["events"][0]) == {"event", "start_time", "finish_time", "result", "traceback", "host"}
    door.get(path + "req-nothing", status=404)
    assert "details" in door.get(path + action["request_id"], version=84)["instanceAction"]["events"][0]
    [told] = door.seen_by().get(path + action["request_id"], version=84)["instanceAction"]["events"]
    assert set(told) == {"event", "start_time", "finish_time", "result", "hostId"}


def test_a_key_is_kept_and_given_to_a_server(door):
    said = {"keypair": {"name": "me", "public_key": KEY}}
    assert door.ask("POST", "/os-keypairs", said).status_code == 200
    assert door.ask("POST", "/os-keypairs", said, version=2).status_code == 409
    slashed = {"keypair": {"name": "a/b", "public_key": KEY}}
    assert door.ask("POST", "/os-keypairs", slashed).status_code == 400
    [told] = door.get("/os-keypairs")["keypairs"]
    assert told == {"keypair": {"name": "me", "public_key": KEY, "fingerprint": fingerprint(KEY)}}
    assert door.get("/os-keypairs", version=2)["keypairs"][0]["keypair"]["type"] == "ssh"
    made = door.create(key_name="me")["server"]["id"]
    assert door.requests()["web"].entry["ssh_keys"] == [KEY]
    assert door.get("/servers/" + made)["server"]["key_name"] == "me"
    assert door.ask("DELETE", "/os-keypairs/me", version=2).status_code == 204
    assert door.ask("DELETE", "/os-keypairs/me").status_code == 404
    door.get("/os-keypairs/me", status=404)
    assert door.create(name="other", key_name="me", status=400)["badRequest"]["message"] == "Invalid key_name provided."


@pytest.mark.parametrize(("version", "status"), [(1, 200), (91, 201), (92, 400)])
def test_a_key_is_made_until_92(door, tmp_path, version, status):
    reply = door.ask("POST", "/os-keypairs", {"keypair": {"name": "new"}}, version)
    assert reply.status_code == status
    if status == 400:
        return
    told = reply.json["keypair"]
    path = tmp_path / "key"
    path.write_text(told["private_key"])
    path.chmod(0o600)
    public = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True).stdout
    assert public.split()[:2] == told["public_key"].split()[:2]
    shown = subprocess.run(["ssh-keygen", "-l", "-E", "md5", "-f", path], capture_output=True, text=True, check=True)
    assert "MD5:" + told["fingerprint"] in shown.stdout
    assert "private_key" not in str(door.get("/os-keypairs/new"))
    assert told["private_key"].encode() not in (door.folder / "launch.db").read_bytes()


def test_a_key_of_another_kind_is_refused(door):
    said = {"keypair": {"name": "me", "type": "x509", "public_key": KEY}}
    assert door.ask("POST", "/os-keypairs", said, version=2).status_code == 400


@pytest.mark.parametrize(
    "key", ["", "ssh-ed25519", "ssh-ed25519 %%%", "ssh-ed25519 AAAA", "ssh-rsa " + "A" * 400, KEY + "\n" + KEY]
)
def test_a_key_is_a_public_key(door, key):
    assert door.ask("POST", "/os-keypairs", {"keypair": {"name": "me", "public_key": key}}).status_code == 400


def test_metadata_changes_in_the_record_and_waits_for_the_guest(door):
    made = door.launch(metadata={"a": "1"})
    path = "/servers/%s/metadata" % made
    steps = [
        ("GET", "", None, {"metadata": {"a": "1"}}),
        ("POST", "", {"metadata": {"b": "2"}}, {"metadata": {"a": "1", "b": "2"}}),
        ("PUT", "/c", {"meta": {"c": "3"}}, {"meta": {"c": "3"}}),
        ("GET", "/c", None, {"meta": {"c": "3"}}),
        ("GET", "", None, {"metadata": {"a": "1", "b": "2", "c": "3"}}),
        ("PUT", "", {"metadata": {"d": "4"}}, {"metadata": {"d": "4"}}),
    ]
    for method, key, body, reply in steps:
        assert door.ask(method, path + key, body).json == reply
    assert door.ask("DELETE", path + "/d").status_code == 204
    assert door.ask("DELETE", path + "/d").status_code == 404
    assert door.ask("PUT", path + "/x", {"meta": {"y": "1"}}).status_code == 400
    assert door.ask("PUT", path, {"metadata": {"y": 1}}).status_code == 400
    request = door.requests()["web"]
    assert (request.action, request.entry) == ("metadata", {"name": "web", "state": "started", "metadata": {}})
    assert door.get("/servers/" + made)["server"]["OS-EXT-STS:task_state"] is None
    assert door.work()["metadata"] == {}


def test_what_is_only_said_of_a_server_is_kept(door):
    made = door.launch(version=90, description="first", tags=["b", "a"])
    shown = door.get("/servers/" + made, version=26)["server"]
    assert (shown["description"], shown["tags"]) == ("first", ["a", "b"])
    said = {"server": {"description": None, "accessIPv4": "192.0.2.7", "name": "web"}}
    told = door.ask("PUT", "/servers/" + made, said, version=19).json["server"]
    assert (told["description"], told["accessIPv4"]) == (None, "192.0.2.7")
    assert door.ask("PUT", "/servers/" + made, {"server": {"name": "other"}}).status_code == 409
    assert door.ask("PUT", "/servers/%s/tags" % made, {"tags": ["x"]}, version=26).json == {"tags": ["x"]}
    for method, tag, status in (
        ("GET", "y", 404), ("PUT", "y", 201), ("PUT", "y", 204), ("GET", "y", 204), ("PUT", "z" * 61, 400),
        ("DELETE", "y", 204), ("DELETE", "y", 404),
    ):  # fmt: skip
        assert door.ask(method, "/servers/%s/tags/%s" % (made, tag), version=26).status_code == status
    assert door.get("/servers/%s/tags" % made, version=26) == {"tags": ["x"]}
    assert door.ask("DELETE", "/servers/%s/tags" % made, version=26).status_code == 204
    door.get("/servers/%s/tags" % made, version=25, status=404)
    assert door.requests() == {}


def test_another_projects_servers_are_none(door):
    made = door.launch()
    door.definitions["project_id"] = "q"
    door.write()
    assert door.get("/servers")["servers"] == []
    assert [each["id"] for each in door.get("/servers?all_tenants=1")["servers"]] == [made]
    # An administrator sees it by its id; whoever acts on it does so in its own project.
    assert door.ask("DELETE", "/servers/" + made).status_code == 204
    assert door.requests()["web"].project_id == "p"


def test_nothing_is_done_where_the_request_cannot_be_kept(door, monkeypatch):
    door.create(name="first")
    monkeypatch.setattr(requests, "add", lambda *arguments: 1 / 0)
    door.create(status=500)
    assert set(instances(door)) == {"first"}


def test_an_image_of_glance_is_taken_as_it_is_named(doors):
    """What it is, a worker asks: there is no token to ask with here."""
    door, image = doors(image_service="glance"), "7f1c1d3e-3c0a-4a51-8c46-9d2a5c7b1f10"
    server = {"name": "web", "flavorRef": "small", "imageRef": image, "networks": "none"}
    reply = door.ask("POST", "/servers", {"server": server}, version=37)
    assert reply.status_code == 202, reply.text
    assert door.get("/servers/" + reply.json["server"]["id"])["server"]["image"]["id"] == image


def test_addresses_are_written_as_nova_does(door):
    made = door.launch(accessIPv6="0000:0000:0000:0000:0000:babe:220.12.22.2", accessIPv4="192.0.2.7")
    shown = door.get("/servers/" + made)["server"]
    assert (shown["accessIPv4"], shown["accessIPv6"]) == ("192.0.2.7", "::babe:dc0c:1602")
    door.ask("PUT", "/servers/" + made, {"server": {"accessIPv6": "2001:DB8:0::1", "accessIPv4": ""}})
    shown = door.get("/servers/" + made)["server"]
    assert (shown["accessIPv4"], shown["accessIPv6"]) == ("", "2001:db8::1")
