# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling the workers of all machines what the record has: after it is written.

What cannot be told now is not told at all. It is no loss, as workers look every few seconds anyway.
"""

from __future__ import annotations

import logging
from typing import Any, Iterator, Mapping

from . import broker
from .sender import Sender
from .settings import Settings
from .transport import EVENT, TOPICS, Transport, publisher, topic_of, url_of

LOST = "workers find by themselves what was asked for"


class Publisher:
    """The API's voice at the broker, for which nobody waits."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._sender = Sender(self._send, logging.getLogger("kvmstack.api"), LOST)
        self._notifiers: dict[str, Any] = {}

    def tell(self, asked: Mapping[str, tuple[str, str]]) -> None:
        """Tell of requests, by instance the action and the request's id; at once, whatever the broker does."""
        for message in messages(asked):
            self._sender.send(*message)

    def _send(self, topic: str, message: dict[str, str]) -> None:
        self._notifiers = self._notifiers or notifiers(Transport(url_of(self.settings)), "kvmstack-api")
        self._notifiers[topic].info({}, EVENT, message)


class Caller:
    """The voice of one who ends when that is told; MissingLibrary, or InvalidRequest as url_of's, where it is none."""

    def __init__(self, settings: Settings):
        self._url = url_of(settings)
        self._transport = Transport(self._url)
        self._notifiers = notifiers(self._transport, "kvmstack-request")

    def tell(self, asked: Mapping[str, tuple[str, str]]) -> None:
        """The same, once, waiting until that is done; Unavailable where no broker lets us in."""
        broker.reach(self._url)
        for topic, message in messages(asked):
            self._notifiers[topic].info({}, EVENT, message)
        self._transport.close()


def messages(asked: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """What is told of requests, each with its topic."""
    for instance_uuid, (action, request_id) in asked.items():
        yield topic_of(action), {"instance_uuid": instance_uuid, "request_id": request_id}


def notifiers(transport: Transport, service: str) -> dict[str, Any]:
    """By topic what sends there."""
    return {each: transport.notifier(each, publisher(service)) for each in TOPICS}
