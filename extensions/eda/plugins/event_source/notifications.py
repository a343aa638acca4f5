# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The event source of Event-Driven Ansible over the notifications of instances."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from concurrent import futures
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

DOCUMENTATION = r"""
---
short_description: Notifications of instances, as nova and kvmstack.launch send them
description:
  - Gives a rulebook the notifications of a broker, by oslo.messaging, each as an event with C(event_type),
    C(publisher_id), C(priority), C(payload), C(timestamp) and C(message_id). Of a versioned notification C(payload) is
    the object, and C(data) what is in it.
  - Each comes once at most. One is acknowledged when the rulebook has it, before its actions have run; what a rulebook
    had not done when it ended is lost. One that comes while none runs waits at the broker, in a queue of the O(pool).
  - So it is made for reactions of a site to what has happened, not for what has to happen.
requirements:
  - oslo.messaging >= 16.1.0
options:
  transport:
    description: URL of the broker, C(rabbit://user@host:port/vhost), without its password.
    type: str
    required: true
  password_file:
    description: Path of a file whose first line is the password. Only its owner may read it.
    type: str
  topics:
    description: Topics, of which all priorities are listened to.
    type: list
    elements: str
    default: [versioned_notifications]
  pool:
    description: The name of a queue of its own, so that others who listen have each notification, too.
    type: str
    default: kvmstack_eda
  exchange:
    description: The exchange, which is nova's.
    type: str
    default: nova
"""

EXAMPLES = r"""
- kvmstack.launch.notifications:
    transport: rabbit://launch@192.0.2.10:5672/launch
    password_file: /etc/kvmstack/transport_password
"""

PRIORITIES = ("info", "error", "warn")
KNOWN = {"transport", "password_file", "topics", "pool", "exchange"}


def event_of(
    publisher_id: str, event_type: str, payload: Any, metadata: dict[str, Any], priority: str
) -> dict[str, Any]:
    """A notification as a rulebook sees it."""
    event = {"event_type": event_type, "publisher_id": publisher_id, "priority": priority, "payload": payload}
    if isinstance(payload, dict) and "nova_object.data" in payload:
        event["data"] = payload["nova_object.data"]
    return {**event, "timestamp": metadata.get("timestamp"), "message_id": metadata.get("message_id")}


def url_of(args: dict[str, Any]) -> str:
    """The URL with its password; ValueError says what is wrong with the arguments, and shows no secret."""
    unknown = sorted(set(args) - KNOWN)
    if unknown:
        raise ValueError("unknown argument %s (known: %s)" % (unknown[0], ", ".join(sorted(KNOWN))))
    parts = urlsplit(str(args.get("transport") or ""))
    if parts.scheme != "rabbit" or not parts.netloc:
        raise ValueError("transport: a URL such as rabbit://launch@192.0.2.10:5672/launch is needed")
    if not args.get("password_file"):
        return urlunsplit(parts)
    with open(args["password_file"], encoding="utf-8") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise ValueError("password_file %s: others may read it: chmod 600 it" % args["password_file"])
        password = quote(file.readline().strip(), safe="")
    servers = [server.rpartition("@") for server in parts.netloc.split(",")]
    netloc = ",".join("%s:%s@%s" % (user, password, server) for user, _at, server in servers)
    return urlunsplit(parts._replace(netloc=netloc))


def listener(url: str, args: dict[str, Any], take: Any) -> Any:
    """oslo.messaging's server, which calls take(event) in threads of its own."""
    import oslo_messaging
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    conf([], project="kvmstack", default_config_files=[], default_config_dirs=[])
    transport = oslo_messaging.get_notification_transport(conf, url=url)
    exchange = args.get("exchange", "nova")
    topics = args.get("topics") or ["versioned_notifications"]
    targets = [oslo_messaging.Target(topic=topic, exchange=exchange) for topic in topics]
    pool = args.get("pool", "kvmstack_eda")
    endpoints = [_endpoint(take)]
    return oslo_messaging.get_notification_listener(transport, targets, endpoints, allow_requeue=True, pool=pool)


def _endpoint(take: Any) -> Any:
    """An object with a method for each priority."""

    def method(priority: str) -> Any:
        def told(_self: Any, _context: Any, publisher_id: str, event_type: str, payload: Any, metadata: Any) -> None:
            take(event_of(publisher_id, event_type, payload, metadata, priority))

        return told

    return type("Endpoint", (), {priority: method(priority) for priority in PRIORITIES})()


async def main(queue: asyncio.Queue, args: dict[str, Any]) -> None:
    """Put events into the queue until the rulebook ends."""
    loop = asyncio.get_running_loop()
    ended: futures.Future = futures.Future()

    def take(event: dict[str, Any]) -> None:
        """Wait until the rulebook has room for it; CancelledError where it ends before: then the broker keeps it."""
        put = asyncio.run_coroutine_threadsafe(queue.put(event), loop)
        futures.wait([put, ended], return_when=futures.FIRST_COMPLETED)
        put.cancel()
        put.result()

    server = listener(url_of(args), args, take)
    await loop.run_in_executor(None, server.start)
    try:
        await asyncio.Event().wait()
    finally:
        ended.set_result(None)
        # Its threads may wait for this loop.
        threading.Thread(target=_end, args=(server,), daemon=True).start()


def _end(server: Any) -> None:
    """Listen no more, and end what acknowledges in the background."""
    server.stop()
    server.wait()
