# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of requests after a run, on every kind of database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import events, lease, requests
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.plugins.module_utils.worker import conclude, model
from ansible_collections.kvmstack.launch.tests.unit.instance.conftest import Run, place

ME = "me"
WHY = "web is BUILD: a host has burnt down"


def claim(door, later=0):
    """This worker's next claim, so many seconds from now."""

    def write(connection):
        moment = now(connection) + timedelta(seconds=later)
        return requests.claim(door.database, connection, ME, 30, 10, moment)

    return door.write(write)


def settle(door, asked, why=WHY):
    told = None if why is None else {each.instance_uuid: why for each in asked if why}
    settled = door.write(
        lambda connection: conclude.conclude(door.database, connection, asked, ME, now(connection), told)
    )
    return [settled[each.instance_uuid][0] for each in asked]


def build(door, name="web"):
    """An instance that a run has built on c1."""
    uuid = door.ask(name)
    run = Run(door.record.params["database"], project_id="p", run_id=lease.this_run())
    run.ask({"name": name, "networks": [], "ssh_keys": []})
    place(door.record.params["database"], "c1", **{name: "c1"})
    run.built(run.find()[name])
    return uuid, run


def test_what_is_built_is_done(door):
    uuid, _run = build(door)
    asked = claim(door)
    assert (settle(door, asked), door.queue()) == (["done"], [])
    assert door.row(uuid).vm_state == "active"
    assert door.actions(uuid) == [("create", "req-%s" % door.actions(uuid)[0][1][4:], "Success")]


def test_what_needs_no_run_any_more_ends_the_actions_whose_place_it_took(door):
    uuid, _run = build(door)
    [asked] = claim(door)

    def write(connection):
        moment = now(connection)
        events.start_action(door.database, connection, uuid, "attach_volume", "req-1", None, moment)
        conclude.finish(door.database, connection, asked, door.row(uuid), ME, moment)

    door.write(write)
    assert door.queue() == []
    assert door.actions(uuid)[1:] == [("attach_volume", "req-1", "Success")]


@pytest.mark.parametrize(("why", "result"), [(None, "Success"), (WHY, "Error")])
def test_what_shows_in_no_state_has_its_end_told_by_its_request(door, why, result):
    uuid, _run = build(door)
    settle(door, claim(door), why="")
    asked = [
        requests.Request(uuid, "p", "web", action, {"name": "web", "state": "started"}, "req-" + action)
        for action in ("attach_volume", "attach_interface")
    ]

    def write(connection):
        moment = now(connection)
        for each in asked:
            requests.add(door.database, connection, each, moment)
            which = (uuid, each.action, each.request_id, None, moment)
            events.start_action(door.database, connection, *which)

    door.write(write)
    for _attempt in range(model.ATTEMPTS if why else 1):
        settle(door, claim(door, later=100), why=why or "")
    assert door.queue() == []
    assert door.actions(uuid)[1:] == [(each.action, each.request_id, result) for each in asked]
    assert door.row(uuid).vm_state == "active"


def test_what_is_not_is_tried_again_and_then_given_up(door):
    uuid = door.ask()
    other = door.ask("db")
    for attempt in range(1, model.ATTEMPTS):
        assert settle(door, claim(door, later=100)) == ["later", "later"]
        assert [(each["attempts"], each["last_error"]) for each in door.queue()] == [(attempt, WHY)] * 2
        assert claim(door) == [], "not at once"
        assert door.row(uuid).vm_state == "building"
    assert settle(door, claim(door, later=100)) == ["given up"] * 2
    assert door.queue() == []
    given_up = "create was given up after 5 attempts"
    message = "%s: %s" % (given_up, WHY)
    for each in (uuid, other):
        row = door.row(each)
        assert (row.vm_state, row.task_state, row.fault, row.lease_owner) == ("error", None, message, None)
        assert door.faults(each) == [(given_up, message)], "what a run has said is not for users"
        assert [result for _action, _request, result in door.actions(each)] == ["Error"]


def test_users_are_told_what_the_record_knows_of_the_last_attempt(door):
    uuid = door.ask()
    fault = {"code": 500, "message": "host c1: it is off", "public": "its host has failed", "details": None}
    for _attempt in range(model.ATTEMPTS):
        asked = claim(door, later=100)
        door.write(lambda c: events.record_fault(door.database, c, uuid, {**fault, "host": "c1"}, now(c)))
        settle(door, asked, "web is BUILD: host c1: it is off")
    told, whole = door.faults(uuid)[-1]
    assert told == "create was given up after 5 attempts: its host has failed"
    assert whole == "create was given up after 5 attempts: web is BUILD: host c1: it is off"


def test_an_instance_that_another_run_drives_is_no_attempt(door):
    uuid = door.ask()
    other = Run(door.record.params["database"], project_id="p", run_id=lease.this_run())
    other.ask({"networks": [], "ssh_keys": []})
    for _time in range(2 * model.ATTEMPTS):
        [asked] = claim(door, later=100)
        assert (settle(door, [asked]), asked.attempts) == (["given back"], 1)
    assert door.row(uuid).vm_state == "building"


def test_a_run_that_ended_well_and_did_nothing_is_told(door):
    door.ask()
    assert settle(door, claim(door), "") == ["later"]
    assert door.queue()[0]["last_error"] == conclude.UNTOLD


def test_a_run_that_was_stopped_is_no_attempt_and_anybodys_at_once(door):
    door.ask()
    assert settle(door, claim(door), None) == ["given back"]
    [again] = claim(door)
    assert (again.attempts, again.last_error) == (1, None)


@pytest.mark.parametrize("action", ["attach_volume", "detach_volume", "attach_interface", "metadata", "update"])
def test_what_shows_in_no_state_and_no_run_did_is_given_back(door, action):
    uuid, _run = build(door)
    settle(door, claim(door), None)
    assert door.queue() == [], "what shows has been done"
    asked = requests.Request(uuid, "p", "web", action, {"name": "web", "state": "started"}, "req-1")

    def write(connection):
        moment = now(connection)
        requests.add(door.database, connection, asked, moment)
        events.start_action(door.database, connection, uuid, action, "req-1", None, moment)

    door.write(write)
    assert settle(door, claim(door), None) == ["given back"]
    [again] = claim(door)
    assert (again.action, again.attempts) == (action, 1)
    assert door.actions(uuid)[-1] == (action, "req-1", None)
    assert settle(door, [again], "") == ["done"]


@pytest.mark.parametrize(
    ("action", "after"),
    [
        pytest.param("stop", ("active", None), id="it runs on"),
        pytest.param("delete", ("error", "deleting"), id="it is to go, and nothing else"),
    ],
)
def test_a_wish_for_what_runs_that_is_given_up(door, action, after):
    uuid, _run = build(door)
    settle(door, claim(door))
    assert door.ask(action=action) == uuid
    for _attempt in range(model.ATTEMPTS):
        [asked] = claim(door, later=100)
        fate = settle(door, [asked])
    assert (fate, door.queue()) == (["given up"], [])
    row = door.row(uuid)
    assert (row.vm_state, row.task_state) == after
    given_up = "%s was given up after 5 attempts" % action
    assert door.faults(uuid) == [(given_up, "%s: %s" % (given_up, WHY))]
    assert door.actions(uuid)[-1] == (action, door.actions(uuid)[-1][1], "Error")


def test_of_a_rebuild_that_is_given_up_nobody_knows_what_is_left(door):
    uuid, run = build(door)
    settle(door, claim(door))
    run.ask({"name": "web", "state": "rebuilt", "networks": None, "ssh_keys": None})
    table = door.database.tables.instances
    door.write(lambda c: c.execute(table.update().where(table.c.uuid == uuid).values(lease.NOBODY)))
    door.ask(action="rebuild")
    for _attempt in range(model.ATTEMPTS):
        fate = settle(door, claim(door, later=100))
    assert fate == ["given up"]
    row = door.row(uuid)
    assert (row.vm_state, row.task_state) == ("error", None)
    assert row.fault is None, "of one that was launched no launch has failed"
    given_up = "rebuild was given up after 5 attempts"
    assert door.faults(uuid) == [(given_up, "%s: %s" % (given_up, WHY))]
    assert door.actions(uuid)[-1][0::2] == ("rebuild", "Error")


@pytest.mark.parametrize("action", ["attach_interface", "metadata", "reboot"])
def test_a_port_that_cannot_be_made_goes_when_nobody_tries_any_more(door, action):
    """Also where another request has come in the place of the one that wished for it."""
    uuid, _run = build(door)
    settle(door, claim(door))
    port = {"id": "1", "name": "web-lost", "network": "lost", "leaving": False}
    table = door.database.tables.instances
    door.write(lambda c: c.execute(table.update().where(table.c.uuid == uuid).values(ports=[port])))
    door.ask(action=action)
    for _attempt in range(model.ATTEMPTS):
        fate = settle(door, claim(door, later=100))
    assert fate == ["given up"]
    assert [each["leaving"] for each in door.row(uuid).ports if each["name"] == "web-lost"] == [True]


def test_what_is_gone_is_done(door):
    uuid, run = build(door)
    settle(door, claim(door))
    door.ask(action="delete")
    run.destroyed(*run.ask(state="absent").values())
    assert (settle(door, claim(door)), door.queue()) == (["done"], [])
    assert door.row(uuid).deleted


def test_a_later_request_stays(door):
    uuid, _run = build(door)
    asked = claim(door)
    door.ask(action="delete")
    assert settle(door, asked) == ["replaced"]
    [left] = claim(door)
    assert (left.action, left.instance_uuid) == ("delete", uuid)
