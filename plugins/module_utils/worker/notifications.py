# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a worker notifies of, in nova's words: after the record has it, at most once, and waiting for no broker."""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from datetime import datetime
from typing import Any, Iterable, Mapping

from ..core.errors import LaunchError
from ..notification import model
from ..record import events, server_extras
from ..record.database import Database, now
from ..record.requests import Request
from ..service.sender import Sender
from ..service.settings import Settings
from ..service.transport import Transport, url_of
from . import conclude

EXCHANGE = "nova"
VERSIONED, UNVERSIONED = "versioned_notifications", "notifications"  # nova's topics
PATIENCE = 5  # seconds for the last of them, at the worker's end
LOST = "a notification is lost"

log = logging.getLogger("kvmstack.worker")


class Notifications:
    """The formats of the settings' notification_format; none where that is None."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.formats = {
            "versioned": [(VERSIONED, "nova-compute:%s", model.versioned)],
            "unversioned": [(UNVERSIONED, "compute.%s", model.legacy)],
        }
        self.formats["both"] = self.formats["unversioned"] + self.formats["versioned"]
        self._sender = Sender(self._send, log, LOST)
        self._states: dict[str, str] = {}  # of instances before their runs
        self._notifiers: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return self.settings.notification_format is not None

    def begun(self, database: Database, asked: list[Request]) -> None:
        """Notify of what a worker has begun; not again at a later attempt."""
        for request, row, beside, moment in self._rows(database, asked):
            self._states[row.uuid] = row.vm_state
            if request.attempts == 1:
                self._tell(model.begun(request.action, row, request.request_id), beside, moment)

    def ended(self, database: Database, given_up: Mapping[str, str | None], asked: list[Request]) -> None:
        """Notify of what is out of the queue; given_up: why nobody tries any more, by UUID of these, None else."""
        before = {request.instance_uuid: self._states.pop(request.instance_uuid, None) for request in asked}
        asked = [request for request in asked if request.instance_uuid in given_up]
        for request, row, beside, moment in self._rows(database, asked):
            why = given_up[row.uuid]
            self._tell(model.ended(request.action, row, request.request_id, before[row.uuid], why), beside, moment)

    def _rows(self, database: Database, asked: list[Request]) -> list[tuple[Request, Any, dict[str, Any], datetime]]:
        """Requests with their instances' rows as they are now, and what an event has beside; none where there is nobody
        to tell, or no record."""
        if not self or not asked:
            return []
        try:
            with database.reading() as connection:
                moment, known = now(connection), conclude.rows(database, connection, asked)
                extras = server_extras.read(database, connection, known)
                users = events.users(database, connection, known)
        except LaunchError as error:
            log.warning("%s: %s", error, LOST)
            return []
        rows = [(each, known[each.instance_uuid]) for each in asked if each.instance_uuid in known]
        beside = [
            {"extras": extras.get(row.uuid, {}), "initiator": users.get((row.uuid, each.request_id))}
            for each, row in rows
        ]
        return [(*row, told, moment) for row, told in zip(rows, beside)]

    def _tell(self, happened: Iterable[model.Event], beside: dict[str, Any], moment: datetime) -> None:
        for event in (replace(each, **beside) for each in happened):
            host = event.row.host or socket.gethostname()
            for topic, who, told in self.formats[self.settings.notification_format]:
                self._sender.send(topic, who % host, event.priority, *told(event, moment))

    def end(self) -> None:
        """Send the last of them."""
        if self:
            self._sender.end(PATIENCE)

    def _send(self, topic: str, who: str, priority: str, event_type: str, payload: dict[str, Any]) -> None:
        if not self._notifiers:
            # Queues as nova declares them, by its own defaults: its consumers do so too.
            transport = Transport(url_of(self.settings), exchange=EXCHANGE, quorum=False)
            self._notifiers = {each: transport.notifier(each, "") for each in (VERSIONED, UNVERSIONED)}
        notifier = self._notifiers[topic].prepare(publisher_id=who)
        getattr(notifier, priority)({}, event_type, payload)
