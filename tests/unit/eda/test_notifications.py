# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The event source, over a real RabbitMQ as a worker sends to it."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ansible_collections.kvmstack.launch.plugins.module_utils.service.transport import Transport, url_of
from ansible_collections.kvmstack.launch.plugins.module_utils.worker.notifications import EXCHANGE, VERSIONED
from ansible_collections.kvmstack.launch.tests.unit.worker.conftest import until

EDA = Path(__file__).parents[3] / "extensions/eda"
SPEC = importlib.util.spec_from_file_location("notifications", EDA / "plugins/event_source/notifications.py")
source = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(source)
PAYLOAD = {"nova_object.name": "InstanceCreatePayload", "nova_object.data": {"display_name": "web"}}


@pytest.fixture
def told(rabbitmq, tmp_path):
    """The arguments of a source."""
    (tmp_path / "password").write_text(rabbitmq.password + "\n")
    (tmp_path / "password").chmod(0o600)
    return {"transport": rabbitmq.vhost(), "password_file": str(tmp_path / "password")}


def test_a_rulebook_has_each_notification_as_an_event(told):
    settings = SimpleNamespace(transport=told["transport"], transport_password_file=told["password_file"])
    notifier = Transport(url_of(settings), exchange=EXCHANGE, quorum=False).notifier(VERSIONED, "nova-compute:c1")

    async def listen():
        queue = asyncio.Queue()
        task = asyncio.ensure_future(source.main(queue, told))
        events = []
        for _try in range(60):  # what is sent before it listens has no queue of this pool yet
            await asyncio.to_thread(notifier.error, {}, "instance.create.error", PAYLOAD)
            try:
                events.append(await asyncio.wait_for(queue.get(), 1))
                break
            except asyncio.TimeoutError:
                assert not task.done(), task
        task.cancel()
        return events

    [event] = asyncio.run(listen())
    kept = ("event_type", "publisher_id", "priority", "data", "payload")
    assert {key: event[key] for key in kept} == {
        "event_type": "instance.create.error",
        "publisher_id": "nova-compute:c1",
        "priority": "error",
        "data": {"display_name": "web"},
        "payload": PAYLOAD,
    }
    assert event["message_id"]


def test_what_a_rulebook_has_no_room_for_waits_at_the_broker_when_it_ends(told, rabbitmq):
    settings = SimpleNamespace(transport=told["transport"], transport_password_file=told["password_file"])
    notifier = Transport(url_of(settings), exchange=EXCHANGE, quorum=False).notifier(VERSIONED, "nova-compute:c1")

    async def listen():
        queue = asyncio.Queue(1)
        task = asyncio.ensure_future(source.main(queue, told))
        while not queue.full():  # the last of them, or the one after that, is what it has no room for
            await asyncio.to_thread(notifier.error, {}, "instance.create.error", PAYLOAD)
            await asyncio.sleep(1)
            assert not task.done(), task
        await asyncio.to_thread(notifier.error, {}, "instance.create.error", PAYLOAD)
        await asyncio.sleep(3)
        task.cancel()

    asyncio.run(listen())
    until(lambda: rabbitmq.length(told["transport"], "kvmstack_eda"), lambda: "nothing waits")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "transport: a URL"),
        ({"transport": "amqp://a"}, "transport: a URL"),
        ({"transport": "rabbit://a", "topic": "x"}, "unknown argument topic"),
    ],
)
def test_arguments_that_are_wrong(args, words):
    with pytest.raises(ValueError, match=words):
        source.url_of(args)


def test_a_password_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "password"
    path.write_text("secret")
    path.chmod(0o644)
    with pytest.raises(ValueError, match="others may read it") as caught:
        source.url_of({"transport": "rabbit://a@b", "password_file": str(path)})
    assert "secret" not in str(caught.value)


def test_what_is_documented_is_what_there_is():
    documented = yaml.safe_load(source.DOCUMENTATION)
    assert set(documented["options"]) == source.KNOWN
    [rulebook] = yaml.safe_load((EDA / "rulebooks/create_error.yml").read_text())
    [used] = rulebook["sources"]
    assert set(used["kvmstack.launch.notifications"]) <= source.KNOWN
