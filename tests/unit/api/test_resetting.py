# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What administrators say that a server is, and what comes of it."""

from __future__ import annotations

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.worker import model as worker
from ansible_collections.kvmstack.launch.tests.unit.api.test_actions import actions, row, shown

ERROR, ACTIVE = {"state": "error"}, {"state": "active"}


def reset(door, server_id, said, status=202):
    return door.act(server_id, "os-resetState", said=said, status=status)


def states(door, server_id):
    told = shown(door, server_id)
    return tuple(told[each] for each in ("status", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state"))


def test_a_server_is_in_error_and_active_again(door):
    made = door.launch()
    reply = reset(door, made, ERROR)
    assert reply.text == ""
    assert states(door, made) == ("ERROR", "error", None)
    assert "fault" not in shown(door, made)
    assert [each["id"] for each in door.get("/servers?status=error")["servers"]] == [made]
    assert door.requests() == {}
    reset(door, made, ACTIVE)
    assert states(door, made) == ("ACTIVE", "active", None)
    told = actions(door, made)[1:]
    assert [(each[0], each[2:]) for each in told] == 2 * [("resetState", (0, "Success"))]
    assert told[0][1] == reply.headers["x-openstack-request-id"]


def test_the_next_launch_makes_it_as_it_is_asked_for(door):
    made = door.launch()
    reset(door, made, ERROR)
    door.run().ask({"flavor": "small", "image": "demo"})
    assert row(door).lease_owner is not None
    assert states(door, made) == ("ERROR", "error", None)
    door.run().built(door.run().find()["web"])
    assert states(door, made) == ("ACTIVE", "active", None)
    assert row(door).lease_owner is None


@pytest.mark.parametrize(
    ("action", "said", "status"),
    [("os-stop", None, "SHUTOFF"), ("reboot", {"type": "HARD"}, "ACTIVE")],
)
def test_what_brings_a_server_out_of_error(door, action, said, status):
    made = door.launch()
    reset(door, made, ERROR)
    door.act(made, action, said=said)
    door.work()
    assert shown(door, made)["status"] == status


@pytest.mark.parametrize(("action", "said"), [("os-start", None), ("reboot", {"type": "SOFT"})])
def test_what_a_server_in_error_cannot(door, action, said):
    made = door.launch()
    reset(door, made, ERROR)
    assert "vm_state error" in door.act(made, action, said=said, status=409).text
    assert door.ask("POST", "/servers/%s/metadata" % made, {"metadata": {"a": "1"}}).status_code == 409


@pytest.mark.parametrize("said", [{"state": "invalid"}, {"state": 1}, {}, None, {"state": "error", "x": 1}])
def test_what_is_no_state(door, said):
    reset(door, door.launch(), said, status=400)


def test_a_server_that_there_is_not(door):
    reset(door, "999", ERROR, status=404)


def test_a_row_is_not_taken_from_under_the_run_that_drives_it(door):
    made = door.create()["server"]["id"]
    door.take("web")
    owner = row(door).lease_owner
    assert "is being changed" in reset(door, made, ERROR, status=409).text
    assert (row(door).vm_state, row(door).lease_owner) == ("building", owner)


def test_what_a_lost_run_has_begun_is_over(door):
    """Its lease has expired, and no request asks a worker to go on."""
    made = door.launch()
    door.act(made, "os-stop")
    door.finish("web")
    door.run().ask({"flavor": "small", "image": "demo", "state": "stopped"}, lease=-1)
    assert row(door).lease_owner is not None
    reset(door, made, ACTIVE)
    assert (states(door, made), row(door).lease_owner) == (("ACTIVE", "active", None), None)
    assert [(each[0], each[3]) for each in actions(door, made)[1:]] == [("stop", "Error"), ("resetState", "Success")]


def test_what_a_worker_is_to_do_is_done(door):
    made = door.launch()
    door.act(made, "os-stop")
    assert "task_state powering-off" in reset(door, made, ACTIVE, status=409).text
    door.work()
    reset(door, made, ERROR)
    assert states(door, made)[0] == "ERROR"


def test_a_server_that_is_being_deleted_goes(door):
    made = door.launch()
    door.ask("DELETE", "/servers/" + made)
    assert "task_state deleting" in reset(door, made, ACTIVE, status=409).text
    door.finish("web")
    assert "task_state deleting" in reset(door, made, ERROR, status=409).text


def test_a_server_that_never_ran_is_not_active(door):
    made = door.create()["server"]["id"]
    assert "vm_state building" in reset(door, made, ACTIVE, status=409).text
    reset(door, made, ERROR)
    told = shown(door, made)
    assert (told["status"], told["fault"]["message"]) == (
        "ERROR", "its state was reset to error before it had been launched")  # fmt: skip
    assert [(each[0], each[3]) for each in actions(door, made)] == [("create", "Error"), ("resetState", "Success")]
    assert worker.needs_no_run(door.requests()["web"], row(door))
    door.work()
    assert shown(door, made)["status"] == "ACTIVE"


def test_it_is_for_administrators(door):
    made = door.launch()
    door.seen_by()
    reset(door, made, ERROR, status=403)
