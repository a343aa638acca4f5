# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling the workers of all machines what the record has: after it is written, and without waiting for a broker.

What cannot be told now is not told at all. It is no loss, as workers look every few seconds anyway.
"""

from __future__ import annotations

import logging
from typing import Any, Mapping

from .sender import Sender
from .settings import Settings
from .transport import EVENT, TOPICS, Transport, publisher, topic_of, url_of

LOST = "workers find by themselves what was asked for"


class Publisher:
    """The API's voice at the broker."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._sender = Sender(self._send, logging.getLogger("kvmstack.api"), LOST)
        self._notifiers: dict[str, Any] = {}

    def tell(self, asked: Mapping[str, tuple[str, str]]) -> None:
        """Tell of requests, by instance the action and the request's id; at once, whatever the broker does."""
        for instance_uuid, (action, request_id) in asked.items():
            self._sender.send(topic_of(action), {"instance_uuid": instance_uuid, "request_id": request_id})

    def _send(self, topic: str, message: dict[str, str]) -> None:
        if not self._notifiers:
            transport = Transport(url_of(self.settings))
            self._notifiers = {each: transport.notifier(each, publisher("kvmstack-api")) for each in TOPICS}
        self._notifiers[topic].info({}, EVENT, message)
