# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The message queue of the front door, RabbitMQ by oslo.messaging: what the API and its workers have in common there.

A message names a request that the record has already, by its instance and its id, and nothing else of it. So one that
is lost, or comes twice, changes nothing: it only tells a worker sooner than that looks by itself.
"""

from __future__ import annotations

import socket
import warnings
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from ..core.errors import InvalidRequest, MissingLibrary
from . import log
from .secret import secret
from .settings import Settings, brokers

EXCHANGE = "kvmstack"
# Requests that the scheduler has to find a host for, and those for an instance that may have one. The message queue of
# a topic is named TOPIC.info; a message that nobody can read goes to that of the last one, TOPIC.error.
SCHEDULER, COMPUTE, DEAD = "kvmstack.scheduler", "kvmstack.compute", "kvmstack.dead"
TOPICS = (SCHEDULER, COMPUTE)
EVENT = "request"  # the type of their events
RETRY = 1  # how often a message is sent again that has found no broker


def topic_of(action: str) -> str:
    """Where a request for this action, nova's word, is told."""
    return SCHEDULER if action == "create" else COMPUTE


def url_of(settings: Settings) -> str:
    """The transport's URL with the password of its file; InvalidRequest where others may read that. It is a secret."""
    if settings.transport_password_file is None:
        return settings.transport or ""
    password = quote(_password(settings.transport_password_file), safe="")
    url = settings.transport or ""
    netloc = ",".join("%s:%s@%s" % (user, password, place) for user, place in brokers(url))
    return urlunsplit(urlsplit(url)._replace(netloc=netloc))


def _password(path: str) -> str:
    """That of a file."""
    found = secret("transport_password_file", path)
    if "/" in found:  # oslo.messaging gives it unquoted to the library below
        raise InvalidRequest("transport_password_file %s: oslo.messaging knows no password with a /" % path)
    return found


class Transport:
    """One exchange of a message queue. It is connected to by those who send and listen, whenever they do.

    library is oslo.messaging. With quorum the queues that it declares are quorum queues; prefetch is how many messages
    one listener holds at most.
    """

    def __init__(self, url: str, exchange: str = EXCHANGE, quorum: bool = True, prefetch: int = 0):
        # A matter of the library's own, which would be a warning of every run.
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        try:
            import oslo_messaging
            from oslo_config import cfg
            from oslo_messaging.opts import list_opts
        except ImportError as error:
            raise MissingLibrary((error.name or "oslo_messaging").partition(".")[0].replace("_", ".")) from None
        self.library = oslo_messaging
        log.briefly("oslo_messaging")
        log.briefly("oslo.messaging")
        conf = cfg.ConfigOpts()
        conf([], project="kvmstack", default_config_files=[], default_config_dirs=[])
        for group, options in list_opts():
            conf.register_opts(options, group)
        conf.set_override("control_exchange", exchange)
        conf.set_override("rabbit_quorum_queue", quorum, "oslo_messaging_rabbit")
        conf.set_override("amqp_durable_queues", quorum, "oslo_messaging_rabbit")
        conf.set_override("rabbit_qos_prefetch_count", prefetch, "oslo_messaging_rabbit")
        self.connection = oslo_messaging.get_notification_transport(conf, url=url)

    def notifier(self, topic: str, publisher: str) -> Any:
        """Sends to a topic, as this publisher. It raises no error: what cannot be sent is lost, and logged."""
        return self.library.Notifier(
            self.connection, publisher_id=publisher, driver="messagingv2", topics=[topic], retry=RETRY
        )

    def listener(self, topics: tuple[str, ...], read: Any) -> Any:
        """A server that has read(message) look at each message, and acknowledges it when that returns True; else it
        goes back to its queue. read raises nothing, and is called in many threads at a time."""
        targets = [self.library.Target(topic=topic) for topic in topics]
        server = self.library.get_notification_listener(self.connection, targets, [_Endpoint()], allow_requeue=True)
        server.dispatcher = _Dispatcher(read, self.library.NotificationResult)
        return server

    def close(self) -> None:
        """End its connections, for ever: a process that just ends without is a warning in the broker's log."""
        self.connection.cleanup()


class _Endpoint:
    """Names the one priority that is listened for: the library's own dispatcher takes what it cannot read for read."""

    def info(self, *_message: Any) -> None:
        """Never called."""


class _Dispatcher:
    """Gives each message to read as it came."""

    supported_priorities = ("info",)
    batch_size, batch_timeout = 1, None

    def __init__(self, read: Any, result: Any):
        self.read = read
        self.result = result

    def dispatch(self, incoming: Any) -> Any:
        """What becomes of a message."""
        return self.result.HANDLED if self.read(incoming.message) else self.result.REQUEUE


def publisher(service: str) -> str:
    """Who sends, as oslo.messaging names it."""
    return "%s:%s" % (service, socket.gethostname())
