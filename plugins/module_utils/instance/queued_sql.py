# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of instances as it takes what a worker is to do: the rows and the requests, in one transaction."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from typing import Any, Callable, Iterable, Mapping

from ..core.errors import LaunchError, Unavailable
from ..record import events, requests
from ..record.database import Database
from ..record.lease import Acceptor
from ..service import wake
from ..service.publisher import LOST, Caller
from ..service.settings import Settings, of_workers
from . import quota, singly
from .plan import Recorded
from .queued import Asking, Queued
from .sql import Record, Writing

LOOK = 1  # seconds between two looks at what one waits for


def asked(params: Mapping[str, Any]) -> dict[str, Queued]:
    """What a worker is asked for, by the names of the instances."""
    texts = json.loads(params.get("user_data") or "{}")
    entries = singly.entries(params["instances"], params["state"])
    return {name: Queued(entry, texts.get(name)) for name, entry in entries.items()}


def connect(params: Mapping[str, Any], warn: Callable[[str], None]) -> Queue:
    """The record behind params["database"] for one project; params["queue"] says whom to wake and how long to wait.

    warn(text) is told where workers are not woken that should be.
    """
    queue = params["queue"]
    limits = quota.limits(params, params["project_id"])
    waking = Waking(of_workers(queue), warn)
    record = Queue(Database(params["database"]), params["project_id"], limits, waking, queue.get("wait") or 0)
    record.request_id = params.get("request_id") or record.request_id
    record.user_id = params.get("user_id")
    return record


class Waking:
    """The workers: those of this machine, and where the settings name a transport, of all."""

    def __init__(self, settings: Settings, warn: Callable[[str], None]):
        self.settings = settings
        self.warn = warn
        self._caller = Caller(settings) if settings.transport else None

    def wake(self, asked_for: Mapping[str, tuple[str, str]]) -> None:
        """Tell them of requests. That a broker is away is no failure."""
        wake.call(self.settings.wake_path)
        if self._caller and asked_for:
            try:
                self._caller.tell(asked_for)
            except Unavailable as error:
                self.warn("%s: %s" % (error, LOST))


class Queue(Record):
    """A project's instances, and what workers are still to do for them."""

    def __init__(self, database: Database, project_id: str, limits: dict, waking: Waking, seconds: int):
        super().__init__(database, project_id, Acceptor("request", 0, False), limits)
        self.waking = waking
        self.seconds = seconds

    def read(self, wanted: Iterable[Any]) -> Recorded:
        """The same as a launch reads, and what is still to be done."""
        found = super().read(wanted)
        table, names = self.database.tables.requests, {each.uuid: name for name, each in found.instances.items()}
        with self.database.reading() as connection:
            rows = connection.execute(table.select().where(table.c.instance_uuid.in_(list(names)))) if names else ()
            waiting = {names[row.instance_uuid]: Queued(row.entry, row.user_data) for row in rows}
        return replace(found, queued=waiting)

    def apply(self, changes: list[Asking]) -> dict[str, Any]:
        """Write the changes and ask for them; wake the workers; wait, if so asked, until they have done it."""
        if not changes:
            return {}
        outcome, asked_for, moment = self.database.write(lambda connection: self._write(connection, changes))
        self.waking.wake(asked_for)
        return self._waited(changes, outcome, moment) if self.seconds else outcome

    def _write(self, connection, changes: list[Asking]) -> tuple[dict[str, Any], dict[str, tuple], datetime]:
        """What became of the changes, by instance what is asked of workers, and when."""
        writing = Writing(self, connection)
        outcome = {change.key: change.before for change in changes}
        outcome.update(writing.all([change for change in changes if change.writes]))
        told = {}
        for change in changes:
            instance = outcome[change.key]
            if change.asks is None or isinstance(instance, LaunchError):
                continue
            what = (change.word, change.asks.entry, change.asks.user_data)
            asked_for = requests.Request.of(instance, *what, self.request_id)
            requests.add(self.database, connection, asked_for, writing.moment)
            told[asked_for.instance_uuid] = (asked_for.action, asked_for.request_id)
        return outcome, told, writing.moment

    def _waited(self, changes: list[Asking], outcome: dict[str, Any], moment: datetime) -> dict[str, Any]:
        """The instances as they are when no worker has anything to do for them.

        Unavailable for those for which it still has, and for those that go on as they were, as it has given up.
        """
        until = time.monotonic() + self.seconds
        mine = {each.uuid: name for name, each in outcome.items() if not isinstance(each, LaunchError)}
        while (left := self._left(mine)) and time.monotonic() < until:
            time.sleep(LOOK)
        current = super().read([change.wanted for change in changes]).instances
        late = Unavailable(
            "no worker has done it within %d s, and it is still asked for: see whether one runs" % self.seconds
        )
        done = {name: current.get(name) or replace(outcome[name], vm_state="deleted") for name in mine.values()}
        faults = self._faults([uuid for uuid, name in mine.items() if not done[name].fault], moment)
        given_up = {mine[uuid]: Unavailable(each["details"] or each["message"]) for uuid, each in faults.items()}
        return {**outcome, **done, **given_up, **{mine[each]: late for each in left}}

    def _faults(self, instances: list[str], since: datetime) -> dict[str, dict[str, Any]]:
        with self.database.reading() as connection:
            return events.faults_since(self.database, connection, instances, since)

    def _left(self, instances: Iterable[str]) -> dict[str, str]:
        with self.database.reading() as connection:
            return requests.actions(self.database, connection, list(instances))
