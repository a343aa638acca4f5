# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What clients do to servers that there are: restart them, lock them."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.api import asking
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import model as worker
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import place

SOFT, HARD = {"type": "SOFT"}, {"type": "HARD"}


def shown(door, server_id, version=1):
    return door.get("/servers/" + server_id, version=version)["server"]


def row(door, name="web"):
    table = door.database.tables.instances
    with door.database.reading() as connection:
        return connection.execute(table.select().where(table.c.name == name)).one()


@pytest.mark.parametrize(
    ("said", "state", "status", "task"),
    [(SOFT, "restarted", "REBOOT", "rebooting"), ({"type": "hard"}, "reset", "HARD_REBOOT", "rebooting_hard")],
)
def test_a_server_is_restarted_once_by_a_request(door, said, state, status, task):
    made = door.launch()
    reply = door.act(made, "reboot", said=said)
    assert reply.text == ""
    request = door.requests()["web"]
    assert (request.action, request.entry) == ("reboot", {"name": "web", "state": state})
    told = shown(door, made)
    assert (told["status"], told["OS-EXT-STS:task_state"], told["OS-EXT-STS:vm_state"]) == (status, task, "active")
    assert [each["id"] for each in door.get("/servers?status=" + status)["servers"]] == [made]
    assert not worker.needs_no_run(request, row(door))
    door.play()
    # A worker that dies before the request is out of the queue leaves one that needs no run.
    assert worker.needs_no_run(request, row(door))
    door.finish("web")
    assert (shown(door, made)["status"], shown(door, made)["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    [action, _create] = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert (action["action"], action["request_id"]) == ("reboot", reply.headers["x-openstack-request-id"])


def test_while_it_is_asked_to_shut_down_it_can_be_turned_off_at_once(door):
    made = door.launch()
    door.act(made, "reboot", said=SOFT)
    assert "task_state rebooting" in door.act(made, "reboot", said=SOFT, status=409).text
    door.act(made, "reboot", said=HARD)
    assert door.requests()["web"].entry["state"] == "reset"
    assert shown(door, made)["status"] == "HARD_REBOOT"
    door.take("web")  # a worker has begun
    assert door.act(made, "reboot", said=HARD, status=409)
    assert door.act(made, "os-stop", status=409)


def actions(door, server_id):
    """What was asked for, the oldest first: the word, by which request, with how many events, and what came of it."""
    path = "/servers/%s/os-instance-actions" % server_id
    told = [each["request_id"] for each in door.get(path)["instanceActions"][::-1]]
    found = [door.get(path + "/" + each)["instanceAction"] for each in told]
    table = door.database.tables.instance_actions
    with door.database.reading() as connection:
        over = {row.request_id: row.result for row in connection.execute(table.select())}
    return [(each["action"], each["request_id"], len(each["events"]), over[each["request_id"]]) for each in found]


def test_every_request_for_the_same_is_found_by_its_id_until_all_are_done(door):
    made = door.launch()
    asked = [door.act(made, "reboot", said=each).headers["x-openstack-request-id"] for each in (SOFT, HARD)]
    assert actions(door, made)[1:] == [("reboot", each, 0, None) for each in asked]
    door.work()
    assert [(each[1], each[3]) for each in actions(door, made)[1:]] == [(each, "Success") for each in asked]


def test_a_delete_is_found_by_its_id_while_another_run_goes_on(door):
    made = door.create()["server"]["id"]
    door.take("web")
    reply = door.ask("DELETE", "/servers/" + made)
    mine = reply.headers["x-openstack-request-id"]
    assert [each[:2] for each in actions(door, made)][1:] == [("delete", mine)]
    assert door.ask("DELETE", "/servers/" + made).status_code == 204
    place(door.url, "c1", web="c1")
    door.run().built(door.run().find()["web"])
    [create, delete] = actions(door, made)
    assert (create[0], create[2:], delete) == ("create", (1, "Success"), ("delete", mine, 0, None))
    door.work()
    table = door.database.tables.instance_actions
    with door.database.reading() as connection:
        told = [(row.action, row.request_id, row.result) for row in connection.execute(table.select())]
    assert told[1:] == [("delete", mine, "Success")]


def test_one_that_is_off_is_only_reset(door):
    made = door.launch()
    door.act(made, "os-stop")
    door.work()
    assert "vm_state stopped" in door.act(made, "reboot", said=SOFT, status=409).text
    door.act(made, "reboot", said=HARD)
    assert shown(door, made)["OS-EXT-STS:task_state"] == "powering-on"
    door.work()
    assert shown(door, made)["status"] == "ACTIVE"


def silence(door):
    table = door.database.tables.compute_nodes
    door.database.write(lambda connection: connection.execute(table.update().values(silent_since=now(connection))))


def test_one_that_is_off_on_a_silent_host_can_be_started_and_no_other(door):
    made, runs = door.launch(), door.launch("runs")
    door.act(made, "os-stop")
    door.work()
    silence(door)
    assert (shown(door, made)["status"], shown(door, runs)["status"]) == ("UNKNOWN", "UNKNOWN")
    assert "vm_state stopped" in door.act(made, "os-stop", status=409).text
    assert "vm_state active" in door.act(runs, "os-start", status=409).text
    door.act(made, "os-start")
    assert door.requests()["web"].action == "start"


def test_of_two_requests_at_the_same_moment_none_undoes_the_other(door, monkeypatch):
    """The second has read the server before the first was accepted."""
    made = door.launch()
    judged = asking.check_rests

    def slowly(server, word):
        monkeypatch.setattr(asking, "check_rests", judged)
        door.act(made, "os-stop")
        judged(server, word)

    monkeypatch.setattr(asking, "check_rests", slowly)
    reply = door.ask("POST", "/servers/%s/metadata" % made, {"metadata": {"a": "1"}})
    assert reply.status_code == 409
    assert "at the same moment" in reply.text
    assert door.requests()["web"].action == "stop"
    assert row(door).task_state == "powering-off"


def test_there_are_no_remote_consoles(door):
    path, said = "/servers/%s/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    assert door.ask("POST", path % door.launch(), said, version=6).status_code == 501
    assert door.ask("POST", path % "nothing", said, version=6).status_code == 404


def test_one_that_is_being_built_is_not_restarted(door):
    made = door.create()["server"]["id"]
    for said in (SOFT, HARD):
        assert "task_state scheduling" in door.act(made, "reboot", said=said, status=409).text


@pytest.mark.parametrize("said", [None, {}, {"type": "warm"}, {"type": None}, {"type": "SOFT", "x": 1}, "SOFT", []])
def test_how_a_server_is_restarted_is_said(door, said):
    assert "reboot" in door.act(door.launch(), "reboot", said=said, status=400).text
    assert door.requests() == {}


def test_no_action_is_done_to_what_is_not_there(door):
    door.launch()
    for action, said in (("reboot", SOFT), ("lock", None), ("unlock", None), ("os-stop", None), ("resize", None)):
        assert door.act("11111111-0000-4000-8000-000000000001", action, said=said, status=404)
    assert door.seen_by("other").act(row(door).uuid, "lock", status=404)


def test_a_locked_server_stays_as_it_is(door):
    made = door.launch()
    door.seen_by().act(made, "lock")
    for method, path, body in (
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("POST", "/action", {"reboot": HARD}),
        ("POST", "/action", {"forceDelete": None}),
        ("POST", "/metadata", {"metadata": {"a": "b"}}),
    ):
        reply = door.ask(method, "/servers/%s%s" % (made, path), body)
        assert (reply.status_code, reply.json["conflictingRequest"]["message"]) == (409, "Instance %s is locked" % made)
    assert door.requests() == {}
    assert door.ask("PUT", "/servers/" + made, {"server": {"accessIPv4": "192.0.2.1"}}).status_code == 200
    door.act(made, "unlock")
    door.act(made, "os-stop")
    told = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert [each["action"] for each in told] == ["stop", "unlock", "lock", "create"]


def test_a_lock_is_no_failure_of_what_has_failed(door):
    made = door.create()["server"]["id"]
    table = door.database.tables.instances
    door.database.write(lambda c: c.execute(table.update().values(vm_state="error", task_state=None, fault="no host")))
    door.act(made, "lock")
    [locked, *_others] = door.get("/servers/%s/os-instance-actions" % made)["instanceActions"]
    assert (locked["action"], locked["message"]) == ("lock", None)


def test_administrators_are_not_bound_by_locks_and_keep_their_own(door):
    made = door.launch()
    door.seen_by("theirs", admin=True).act(made, "lock")
    door.seen_by()
    assert "unlock_override" in door.act(made, "unlock", status=403).text
    assert door.ask("DELETE", "/servers/" + made).status_code == 409
    assert door.seen_by("theirs", admin=True).ask("DELETE", "/servers/" + made).status_code == 204


def test_why_it_is_locked_is_told_since_73(door):
    made = door.launch()
    other = door.launch("other")
    assert (shown(door, made, 9)["locked"], shown(door, made, 73)["locked_reason"]) == (False, None)
    for said in ({}, {"locked_reason": ""}, {"locked_reason": "x" * 256}, {"locked_reason": "a", "x": 1}, []):
        door.act(made, "lock", 400, 73, said)
    door.act(made, "lock", 202, 73, {"locked_reason": "audit"})
    door.act(made, "lock", 202, 73, {"locked_reason": "its project has locked it before"})
    assert (shown(door, made, 9)["locked"], shown(door, made, 73)["locked_reason"]) == (True, "audit")
    assert "locked_reason" not in shown(door, made, 72)
    assert "locked" not in shown(door, made, 8)
    found = {
        flag: [each["id"] for each in door.get("/servers?locked=%s" % flag, version=73)["servers"]] for flag in "10"
    }
    assert found == {"1": [made], "0": [other]}
    assert len(door.get("/servers?locked=1", version=72)["servers"]) == 2
    door.get("/servers?locked=perhaps", 400, 73)
    door.act(made, "unlock", 202, 73)
    assert (shown(door, made, 9)["locked"], shown(door, made, 73)["locked_reason"]) == (False, None)


def test_what_was_done_is_told_in_parts_and_of_what_is_gone(door):
    made = door.launch()
    door.act(made, "lock")
    door.act(made, "unlock")
    where = "/servers/%s/os-instance-actions" % made
    names = [each["action"] for each in door.get(where, version=58)["instanceActions"]]
    assert names == ["unlock", "lock", "create"]
    first = door.get(where + "?limit=1", version=58)
    assert [each["action"] for each in first["instanceActions"]] == names[:1]
    [link] = first["links"]
    rest = door.get("/servers" + link["href"].partition("/servers")[2].replace("limit=1", "limit=9"), version=58)
    assert [each["action"] for each in rest["instanceActions"]] == names[1:]
    assert "links" not in rest
    assert door.get(where + "?changes-since=2100-01-01T00:00:00Z", version=58)["instanceActions"] == []
    assert door.ask("GET", where + "?marker=none", version=58).status_code == 400
    assert len(door.get(where + "?limit=1")["instanceActions"]) == len(names)
    door.ask("DELETE", "/servers/" + made)
    door.work()
    assert door.get(where, version=21)["instanceActions"][0]["action"] == "delete"
    assert door.ask("GET", where, version=20).status_code == 404
