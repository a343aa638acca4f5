# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Messages over a real RabbitMQ: each is held until its request is settled, and none is needed."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.core.errors import LaunchError
from ansible_collections.kvmstack.launch.plugins.module_utils.service import broker
from ansible_collections.kvmstack.launch.plugins.module_utils.service.publisher import Caller, Publisher
from ansible_collections.kvmstack.launch.plugins.module_utils.service.settings import Settings
from ansible_collections.kvmstack.launch.plugins.module_utils.service.transport import Transport, url_of
from ansible_collections.kvmstack.launch.plugins.module_utils.worker.messages import Messages, parsed
from ansible_collections.kvmstack.launch.tests.unit.rabbitmq import PASSWORD
from ansible_collections.kvmstack.launch.tests.unit.worker.conftest import House, ended, until

SCHEDULER, COMPUTE, DEAD = "kvmstack.scheduler.info", "kvmstack.compute.info", "kvmstack.dead.error"
ONE, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


class Hall:
    """A virtual host of a broker, and the settings of those who use it."""

    def __init__(self, server, folder):
        self.server = server
        self.url = server.vhost()
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.settings = Settings(("hosts",), transport=self.url, transport_password_file=str(self.password_file))
        self.ears = []

    def ear(self):
        """A worker's messages, once it is heard of at the broker."""
        messages = Messages(self.settings)
        messages.listen()
        self.ears.append(messages)
        until(lambda: self.length(DEAD) is not None, lambda: "not listening")
        return messages

    def length(self, queue):
        return self.server.length(self.url, queue)

    def tell(self, *uuids, action="create"):
        Publisher(self.settings).tell({each: (action, "req-" + each) for each in uuids})


@pytest.fixture
def house(hall, tmp_path):
    """Workers that listen there."""
    told = {"transport": hall.url, "transport_password_file": "password"}
    house = House(tmp_path, "sqlite:///%s/record/launch.db" % tmp_path, settings_=told)
    yield house
    house.end()


def held(messages):
    return sorted(each.instance_uuid for each in messages.held())


@pytest.fixture
def hall(rabbitmq, tmp_path):
    hall = Hall(rabbitmq, tmp_path)
    yield hall
    for messages in hall.ears:
        messages.stop()


def test_a_message_is_held_until_its_request_is_settled_and_then_gone(hall):
    messages = hall.ear()
    hall.tell(ONE, OTHER)
    until(lambda: held(messages) == [ONE, OTHER], lambda: held(messages))
    messages.answer({(ONE, "req-" + ONE), (OTHER, "another request for it")})
    until(lambda: held(messages) == [OTHER], lambda: held(messages))
    messages.stop()
    until(lambda: hall.length(SCHEDULER) == 1, lambda: hall.length(SCHEDULER))
    assert OTHER in json.loads(hall.server.take(hall.url, SCHEDULER).body)["oslo.message"]


def test_what_a_run_tells_is_at_the_broker_when_it_ends(hall, monkeypatch):
    close, closed = Transport.close, []
    monkeypatch.setattr(Transport, "close", lambda self: closed.append(close(self)))
    Caller(hall.settings).tell({ONE: ("create", "req-" + ONE), OTHER: ("delete", "req-" + OTHER)})
    assert len(closed) == 1
    assert (hall.length(SCHEDULER), hall.length(COMPUTE)) == (1, 1)
    messages = hall.ear()
    until(lambda: held(messages) == [ONE, OTHER], lambda: held(messages))


def test_what_needs_no_host_has_a_topic_of_its_own_and_waits_there_for_a_worker(hall):
    hall.tell(ONE, action="delete")
    until(lambda: hall.length(COMPUTE) == 1, lambda: "not sent")
    messages = hall.ear()
    until(lambda: held(messages) == [ONE], lambda: "not heard")
    assert hall.length(SCHEDULER) == 0


def test_what_a_worker_held_that_is_gone_comes_to_another(hall):
    first = hall.ear()
    hall.tell(ONE)
    until(lambda: held(first) == [ONE], lambda: "not heard")
    second = hall.ear()
    first.stop()
    until(lambda: held(second) == [ONE], lambda: "not heard again")


def test_a_broker_that_dies_loses_nothing_that_it_had_and_is_waited_for(hall):
    messages = hall.ear()
    hall.tell(ONE)
    until(lambda: held(messages) == [ONE], lambda: "not heard")
    hall.server.kill()
    began = time.monotonic()
    hall.tell(OTHER)
    assert time.monotonic() - began < 1
    assert held(messages) == [ONE]
    time.sleep(3)  # the publisher gives up meanwhile
    hall.server.start()
    until(lambda: held(messages) == [ONE, ONE], lambda: held(messages))
    messages.answer({(ONE, "req-" + ONE)})
    hall.tell(OTHER)
    until(lambda: held(messages) == [OTHER], lambda: held(messages))
    messages.answer({(OTHER, "req-" + OTHER)})
    until(lambda: held(messages) == [], lambda: held(messages))
    messages.stop()
    assert hall.length(SCHEDULER) == 0


UNREADABLE = [
    pytest.param({"event_type": "else"}, "its event_type is not request", id="another event"),
    pytest.param({"event_type": "request", "payload": 1}, "its payload is no mapping", id="no mapping"),
    pytest.param({"event_type": "request", "payload": {"instance_uuid": 1}}, "is no UUID", id="no UUID"),
    pytest.param({"event_type": "request", "payload": {"instance_uuid": ONE}}, "no request_id", id="no request"),
    pytest.param("text", "its event_type is not request", id="a text"),
    pytest.param(
        {"event_type": "request", "priority": 7, "payload": {"instance_uuid": ONE, "request_id": ""}},
        "no request_id", id="a priority that is none",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "why"), UNREADABLE)
def test_what_tells_of_no_request_is_not_read(message, why):
    with pytest.raises(ValueError, match=why):
        parsed(message)


def test_what_cannot_be_read_is_kept_with_its_reason_and_keeps_nothing_waiting(hall):
    messages = hall.ear()
    wrong = {"event_type": "request", "priority": 7, "payload": {"instance_uuid": "no"}, "_unique_id": "1"}
    as_json = {"content_type": "application/json", "content_encoding": "utf-8"}
    hall.server.publish(
        hall.url, SCHEDULER, json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(wrong)}), **as_json
    )
    hall.tell(ONE)
    until(lambda: held(messages) == [ONE] and hall.length(DEAD) == 1, lambda: (held(messages), hall.length(DEAD)))
    dead = json.loads(json.loads(hall.server.take(hall.url, DEAD).body)["oslo.message"])
    assert dead["payload"]["reason"] == "its instance_uuid is no UUID"
    assert json.loads(dead["payload"]["message"])["payload"] == {"instance_uuid": "no"}
    hall.server.publish(hall.url, COMPUTE, b"\xff no JSON", **as_json)
    until(lambda: hall.length(DEAD) == 1, lambda: hall.length(DEAD))
    [death] = hall.server.take(hall.url, DEAD).headers["x-death"]
    assert (death["reason"], death["queue"]) == ("rejected", COMPUTE)


def test_what_a_worker_holds_is_in_the_queue_again_when_it_stops(hall):
    messages = hall.ear()
    hall.tell(ONE)
    until(lambda: held(messages) == [ONE], lambda: "not heard")
    assert hall.length(SCHEDULER) == 0
    messages.stop()
    assert hall.length(SCHEDULER) == 1


def listening(worker):
    until(lambda: "listens to kvmstack.scheduler" in worker.log(), worker.log)
    return worker


def test_a_message_that_comes_twice_to_two_workers_launches_once_and_is_acknowledged_after_the_outcome(hall, house):
    workers = [listening(house.worker()) for _worker in range(2)]
    uuid = house.door.ask()
    told = {uuid: ("create", "req-create-web")}
    for _time in range(3):
        Publisher(house.settings).tell(told)
    house.idle()
    assert house.door.row(uuid).vm_state == "error"
    said = "".join(worker.log() for worker in workers)
    assert said.count("create of web: begun") == 1
    Publisher(house.settings).tell(told)  # long after it
    time.sleep(1)
    assert [ended(worker) for worker in workers] == [0, 0]
    assert hall.length(SCHEDULER) == 0
    said = "".join(worker.log() for worker in workers)
    assert (PASSWORD in said, "create of web: begun, attempt 2" in said) == (False, False)


def test_a_message_wakes_a_worker_at_once_and_is_not_acknowledged_before(hall, house):
    worker = listening(house.worker())
    uuid = house.door.ask()
    begun = time.monotonic()
    Publisher(house.settings).tell({uuid: ("create", "req-create-web")})
    until(lambda: "create of web: begun" in worker.log(), worker.log)
    assert time.monotonic() - begun < 3
    worker.kill()
    worker.wait()
    until(lambda: hall.length(SCHEDULER) == 1, lambda: "acknowledged before its outcome")
    assert ended(listening(house.worker())) == 0


def test_without_its_broker_a_worker_finds_what_is_asked_for_by_looking(hall, house):
    told = house.folder / "door.yml"
    told.write_text(told.read_text().replace(hall.url, "rabbit://launch@127.0.0.1:1/none"))
    worker = house.worker()
    uuid = house.door.ask()
    house.idle()
    assert house.door.row(uuid).vm_state == "error"
    assert ended(worker) == 0
    assert PASSWORD not in worker.log()


def test_what_was_tried_and_put_off_has_an_outcome(hall, house):
    (house.folder / "site.yml").write_text("{")
    worker = listening(house.worker())
    uuid = house.door.ask()
    Publisher(house.settings).tell({uuid: ("create", "req-create-web")})
    until(lambda: "create of web: later, after attempt 1: " in worker.log(), worker.log)
    assert ended(worker) == 0
    assert hall.length(SCHEDULER) == 0


def test_a_password_that_others_may_read_is_refused(hall, house):
    hall.password_file.chmod(0o640)
    worker = house.worker()
    assert worker.wait() == 1
    assert worker.log().strip().endswith("password: others may read it: chmod 600 it")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "No such file", id="none"),
        pytest.param("\nsecret", "its first line is empty", id="an empty line"),
        pytest.param("sec/ret", "knows no password with a /", id="a slash"),
    ],
)
def test_a_password_file_that_has_none(tmp_path, content, words):
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    told = Settings(("hosts",), transport="rabbit://a@b,c@d:1/v", transport_password_file=str(path))
    with pytest.raises(LaunchError, match=words) as caught:
        url_of(told)
    assert "ret" not in str(caught.value)


def test_the_password_is_put_into_the_url_of_each_broker(tmp_path):
    path = tmp_path / "password"
    path.write_text("a:b@\n")
    path.chmod(0o600)
    told = Settings(("hosts",), transport="rabbit://a@b,c@d:1/v?ssl=1", transport_password_file=str(path))
    assert url_of(told) == "rabbit://a:a%3Ab%40@b,c:a%3Ab%40@d:1/v?ssl=1"
    assert broker.place(url_of(told)) == "b, d:1"
