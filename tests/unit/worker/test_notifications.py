# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a worker notifies of, over a real RabbitMQ."""

from __future__ import annotations

import json

import pytest

from ansible_collections.kvmstack.launch.plugins.module_utils.record import requests, server_extras
from ansible_collections.kvmstack.launch.plugins.module_utils.record.database import now
from ansible_collections.kvmstack.launch.plugins.module_utils.service.settings import Settings
from ansible_collections.kvmstack.launch.plugins.module_utils.worker.notifications import Notifications
from ansible_collections.kvmstack.launch.tests.unit.worker.conftest import House, ended, until

SECRET = "#cloud-config {password: secret}"
QUEUES = ["versioned_notifications.info", "versioned_notifications.error", "notifications.info", "notifications.error"]


@pytest.fixture
def house(rabbitmq, tmp_path):
    (tmp_path / "password").write_text(rabbitmq.password)
    (tmp_path / "password").chmod(0o600)
    told = {"transport": rabbitmq.vhost(), "transport_password_file": "password", "notification_format": "both"}
    house = House(tmp_path, "sqlite:///%s/record/launch.db" % tmp_path, settings_=told)
    yield house
    house.end()


def taken(rabbitmq, url, queue):
    """All notifications of a queue: (event_type, publisher_id), and their payloads as a text."""
    found, payloads = [], []
    while rabbitmq.length(url, queue):
        message = json.loads(json.loads(rabbitmq.take(url, queue).body)["oslo.message"])
        found.append((message["event_type"], message["publisher_id"].partition(":")[0].partition(".")[0]))
        payloads.append(json.dumps(message))
    return found, "".join(payloads)


def test_a_launch_that_fails_is_told_in_both_formats_once(house, rabbitmq):
    worker = house.worker()
    uuid = house.door.ask(user_data=SECRET)
    house.wake()
    house.idle()
    until(lambda: rabbitmq.length(house.settings.transport, QUEUES[3]), worker.log)
    assert ended(worker) == 0
    found = {queue: taken(rabbitmq, house.settings.transport, queue) for queue in QUEUES}
    assert {queue: events for queue, (events, _said) in found.items()} == {
        QUEUES[0]: [("instance.create.start", "nova-compute"), ("instance.update", "nova-compute")],
        QUEUES[1]: [("instance.create.error", "nova-compute")],
        QUEUES[2]: [("compute.instance.create.start", "compute"), ("compute.instance.update", "compute")],
        QUEUES[3]: [("compute.instance.create.error", "compute")],
    }
    said = "".join(said for _events, said in found.values())
    assert (uuid in said, "no valid host" in said, "secret" in said) == (True, True, False)


def test_without_a_broker_requests_are_done_all_the_same(house):
    path = house.folder / "door.yml"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "transport": "rabbit://launch@127.0.0.1:1/v"}))
    worker = house.worker()
    uuid = house.door.ask()
    house.idle()
    assert house.door.row(uuid).vm_state == "error"
    assert ended(worker) == 0


def test_a_lock_and_who_has_asked_are_told(door):
    uuid = door.ask()
    table, database = door.database.tables.instance_actions, door.database
    request_id = door.actions(uuid)[0][1]
    door.write(lambda c: c.execute(table.update().values(user_id="other")))
    door.write(lambda c: server_extras.write(database, c, uuid, {"locked_by": "owner", "locked_reason": "audit"}))
    door.write(lambda c: c.execute(database.tables.requests.update().values(request_id=request_id)))
    sent = []
    notifications = Notifications(Settings(inventory=("i",), notification_format="versioned"))
    notifications._sender.send = lambda *message: sent.append(message)
    notifications.begun(database, door.write(lambda c: requests.claim(database, c, "w", 30, 9, now(c))))
    [(_topic, _who, _priority, event_type, payload)] = sent
    data = payload["nova_object.data"]
    assert (event_type, data["locked"], data["locked_reason"]) == ("instance.create.start", True, "audit")
    assert (data["action_initiator_user"], data["user_id"]) == ("other", "me")
