# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What oslo.messaging does not do with a broker, by its own library for AMQP: ask whether it is there, make a queue."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator
from urllib.parse import parse_qs, urlsplit

from ..core.errors import MissingLibrary, Unavailable
from .settings import brokers

SECONDS = 5  # that a broker has to answer


@contextmanager
def _channel(url: str) -> Iterator[tuple[Any, Any]]:
    """kombu and a channel of it at a transport's URL; Unavailable where none of its brokers lets us in."""
    try:
        import kombu
    except ImportError:
        raise MissingLibrary("kombu") from None
    parts = urlsplit(url)
    secure = parse_qs(parts.query).get("ssl", ["false"])[-1].lower() in ("true", "1", "yes")
    servers = ["amqp://%s@%s%s" % (user, where, parts.path) for user, where in brokers(url)]
    connection = kombu.Connection(
        ";".join(servers), connect_timeout=SECONDS, ssl=secure, failover_strategy="round-robin"
    )
    try:
        with connection:
            connection.ensure_connection(max_retries=len(servers), interval_start=0, interval_step=0, timeout=SECONDS)
            with connection.channel() as channel:
                yield kombu, channel
    except (*connection.connection_errors, *connection.channel_errors, kombu.exceptions.OperationalError) as error:
        raise Unavailable("transport %s: %s" % (place(url), _why(error))) from None


def place(url: str) -> str:
    """The brokers of a transport's URL, and nothing secret of it."""
    return ", ".join(where for _user, where in brokers(url))


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reply_text", None) or str(error) or type(error).__name__


def reach(url: str) -> None:
    """LaunchError where nobody lets us in."""
    with _channel(url):
        pass


def declare(url: str, exchange: str, queue: str) -> None:
    """Make a message queue as oslo.messaging would, before there is anything for it; LaunchError."""
    with _channel(url) as (kombu, channel):
        topic = kombu.Exchange(exchange, type="topic", durable=True)
        arguments = {"x-queue-type": "quorum"}
        kombu.Queue(queue, topic, routing_key=queue, durable=True, queue_arguments=arguments, channel=channel).declare()
