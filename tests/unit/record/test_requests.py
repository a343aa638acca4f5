# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The queue: what is asked for is done once, by one worker at a time, and never lost; on every kind of database."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import lease, requests
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import Database
from ansible_collections.kvmstack.launch.plugins.module_utils.record.requests import Request

NOW = datetime(2026, 1, 2, 3, 4, 5)
HERE, THERE = "there:1:1:00000000-0000-0000-0000-000000000000/1", "there:2:1:00000000-0000-0000-0000-000000000000/1"
SECRET = "#cloud-config {password: secret}"


def asked(identity="u", action="create", **more):
    entry = {"name": identity, "state": "absent" if action == "delete" else "started"}
    return Request(identity, "p", identity, action, entry, "req-" + action, SECRET, **more)


def after(seconds):
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def queue(database_url):
    """The verbs of a queue, each in a transaction of its own."""
    queue = Queue(database_url)
    yield queue
    queue.database.engine.dispose()


class Queue:
    def __init__(self, url):
        self.database = Database(url)

    def __getattr__(self, verb):
        return lambda *given, **named: self.database.write(
            lambda connection: getattr(requests, verb)(self.database, connection, *given, **named)
        )

    def claimed(self, owner, moment=NOW, most=10):
        return [each.instance_uuid for each in self.claim(owner, 30, most, moment)]


def test_an_outcome_is_what_the_record_has_of_a_request(queue):
    """Done, replaced, or tried and put off; not what waits, or is being done."""
    for identity in "abcd":
        queue.add(asked(identity), NOW)
    mine = [(identity, "req-create") for identity in "abcd"]
    assert queue.settled(mine) == set()
    claimed = {each.instance_uuid: each for each in queue.claim(HERE, 30, 10, NOW)}
    assert queue.settled(mine) == set()
    queue.finish(claimed["a"], HERE)
    queue.add(asked("b", "delete"), NOW)
    queue.release(claimed["c"], HERE, after(5), "it failed")
    queue.release(claimed["d"], HERE)
    assert queue.settled(mine) == {(identity, "req-create") for identity in "abc"}
    queue.claim(HERE, 30, 10, after(5))
    assert queue.settled(mine) == {(identity, "req-create") for identity in "ab"}


def test_what_is_asked_for_is_done_once(queue):
    assert not queue.is_waiting(NOW)
    queue.add(asked(), NOW)
    assert queue.is_waiting(NOW)
    [mine] = queue.claim(HERE, 30, 10, NOW)
    assert mine == asked(attempts=1, lease_owner=HERE, lease_expires=after(30), created_at=NOW)
    assert not queue.is_waiting(NOW)
    assert queue.claimed(THERE) == []
    assert queue.finish(mine, HERE) is True
    assert queue.read() == []
    assert queue.finish(mine, HERE) is False


def test_the_oldest_come_first(queue):
    for index, identity in enumerate(("c", "a", "b")):
        queue.add(asked(identity), after(index))
    assert queue.claimed(HERE, after(9), most=2) == ["c", "a"]
    assert queue.claimed(THERE, after(9), most=2) == ["b"]


@pytest.mark.parametrize(
    ("seconds", "claimed"),
    [
        pytest.param(29, [], id="another's"),
        pytest.param(30, ["u"], id="another's that has expired"),
    ],
)
def test_a_lease_expires_unless_it_is_renewed(queue, seconds, claimed):
    queue.add(asked(), NOW)
    queue.claimed(HERE)
    assert queue.claimed(THERE, after(seconds)) == claimed
    queue.renew(THERE if claimed else HERE, ["u"], 30, after(seconds))
    assert queue.claimed("third", after(seconds + 29)) == []


def test_only_what_a_worker_has_runs_for_is_renewed(queue):
    for identity in ("a", "b"):
        queue.add(asked(identity), NOW)
    queue.claimed(HERE)
    queue.renew(HERE, ["a", "c"], 30, after(20))
    assert queue.claimed(THERE, after(30)) == ["b"]


def test_a_worker_that_died_here_loses_its_lease_at_once(queue):
    queue.add(asked(), NOW)
    with subprocess.Popen(["sleep", "60"]) as child:
        owner = lease._run(child.pid)
        assert queue.claimed(owner) == ["u"]
        assert not queue.is_waiting(NOW)
        child.kill()
        child.wait()
    assert queue.is_waiting(NOW)
    [again] = queue.claim(HERE, 30, 10, NOW)
    assert (again.attempts, again.taken_from) == (2, owner)
    assert queue.finish(replace(again, lease_owner=owner), owner) is False, "it is not the dead one's any more"
    assert queue.finish(again, HERE) is True


def test_a_later_request_takes_the_earlier_ones_place(queue):
    queue.add(asked(), NOW)
    [first] = queue.claim(HERE, 30, 10, NOW)
    queue.add(replace(asked(action="delete"), user_data=None), after(1))
    assert queue.claimed(THERE, after(1)) == [], "the lease goes on"
    assert queue.finish(first, HERE) is False
    [second] = queue.claim(THERE, 30, 10, after(1))
    assert (second.action, second.entry["state"], second.generation, second.attempts) == ("delete", "absent", 1, 1)
    assert second.user_data is None
    assert queue.finish(first, HERE) is False
    assert queue.finish(second, THERE) is True


@pytest.mark.parametrize(
    ("error", "attempts"),
    [pytest.param("it fell", 1, id="an attempt"), pytest.param(None, 0, id="no attempt")],
)
def test_what_is_given_back_comes_again(queue, error, attempts):
    queue.add(asked(), NOW)
    [mine] = queue.claim(HERE, 30, 10, NOW)
    queue.release(mine, HERE, after(8), error)
    [told] = queue.read("p")
    assert (told["attempts"], told["last_error"], told["lease_owner"]) == (attempts, error, None)
    assert queue.claimed(THERE, after(7)) == []
    assert queue.claimed(THERE, after(8)) == ["u"]


def test_what_is_given_back_at_once_is_still_known_as_a_lost_workers(queue):
    queue.add(asked(), NOW)
    queue.claimed("lost")
    [mine] = queue.claim(HERE, 30, 10, after(30))
    queue.release(mine, HERE)
    [again] = queue.claim(THERE, 30, 10, after(30))
    assert (again.taken_from, again.attempts) == ("lost", 2)
    queue.release(again, THERE, after(40))
    [told] = queue.read()
    assert told["lease_owner"] is None


@pytest.mark.parametrize("later", [False, True])
def test_a_new_request_is_not_put_off(queue, later):
    queue.add(asked(), NOW)
    [mine] = queue.claim(HERE, 30, 10, NOW)
    if later:
        queue.release(mine, HERE, after(60), "it fell")
    queue.add(asked(action="delete"), after(1))
    if not later:
        queue.release(mine, HERE, after(60), "it fell")
    [again] = queue.claim(THERE, 30, 10, after(1))
    assert (again.action, again.attempts, again.last_error) == ("delete", 1, None)


def test_what_is_shown_has_no_secret(queue):
    queue.add(asked("a"), NOW)
    queue.add(replace(asked("b", "delete"), project_id="q"), after(1))
    assert [each["name"] for each in queue.read()] == ["a", "b"]
    assert [each["name"] for each in queue.read("q")] == ["b"]
    assert queue.actions(["a", "b", "c"]) == {"a": "create", "b": "delete"}
    for shown in (queue.read(), queue.claim(HERE, 30, 10, NOW)):
        assert "secret" not in repr(shown)


def test_many_workers_claim_each_request_once(queue, database_url):
    for index in range(40):
        queue.add(asked("u%02d" % index), NOW)

    def work(owner):
        mine, found = Queue(database_url), []
        while names := mine.claimed("worker-%d" % owner, most=3):
            found += names
        return found

    with ThreadPoolExecutor(6) as pool:
        claimed = [name for names in pool.map(work, range(6)) for name in names]
    # Where another's transaction is skipped, a worker that finds the rest taken leaves it to that one.
    assert sorted(claimed) == ["u%02d" % index for index in range(40)]


def test_many_ask_for_the_same_at_once(queue, database_url):
    def ask(_index):
        Queue(database_url).add(asked(), NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))
    [mine] = queue.claim(HERE, 30, 10, NOW)
    assert mine.generation == 5
