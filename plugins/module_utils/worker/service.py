# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worker: it claims what is to be done, has launch.yml do it, and writes what became of it. One thread.

It looks every few seconds, and at once when it is woken or a run ends. As many workers as one likes may share a record.
"""

from __future__ import annotations

import itertools
import logging
import os
import select
import shutil
import signal
import socket
import time
from contextlib import ExitStack
from typing import Any

from ..core.errors import LaunchError
from ..record import requests, workers
from ..record.database import Database, now
from ..record.lease import is_left_behind, this_process
from ..record.requests import Request
from ..service import log, wake
from ..service.definitions import Definitions
from ..service.settings import Settings
from . import conclude, model, run
from .consoles import Consoles
from .messages import Messages
from .notifications import Notifications

LEASE = workers.SILENT  # seconds that a worker nobody hears of any more keeps what it has
LOOK = 5  # seconds between two looks, when nobody wakes it
GATHER = 0.05  # seconds that it waits when it is woken: requests that come together are done together
MOST = 100  # requests of one claim
STOP = 60  # seconds that runs have to end when the worker is to
LATE = "its run was ended after %d seconds: that is the deadline of the worker's settings"


class Worker:
    """One worker process; work() goes on until it is told to stop."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.owner = this_process()
        self.log = log.begin("kvmstack.worker")
        self.definitions = Definitions(settings.definitions_path)
        self.opened = self.definitions.current()["database"]
        self.database = Database(self.opened)
        self.runner = run.Runner(settings)
        self.runs: list[run.Run] = []
        self.consoles = Consoles(settings, self.database, self.owner, self.runner)
        self.numbers = itertools.count(1)
        self.renewed = 0.0  # never yet
        self.since: Any = None
        self.messages = Messages(settings) if settings.transport else None
        self.notifications = Notifications(settings)
        self.stop_by: float | None = None

    def work(self) -> None:
        """Until SIGTERM or SIGINT, and until the runs that go on then have ended, or are to be stopped."""
        with ExitStack() as ends:
            heard = self._listening(ends)
            signalled = _signals(ends, self._stop)
            ends.callback(shutil.rmtree, run.folder_of(self.settings, self.owner), ignore_errors=True)
            ends.callback(self.consoles.stop)
            ends.callback(self.runner.end)
            run.clear(self.settings)
            ends.callback(self._leave)
            ends.callback(self.notifications.end)
            self.log.info("looks for requests, as %s", self.owner)
            self._look()
            while self._goes_on():
                self._wait([signalled, *heard])
                self._look()
        self.log.info("has stopped")

    def _goes_on(self) -> bool:
        """Not when it is to stop, once its runs are settled; where that cannot be written its leases expire."""
        return self.stop_by is None or (bool(self.runs) and time.monotonic() < self.stop_by + LEASE)

    def _look(self) -> None:
        """One round: what has ended, what goes on, what is new. Without the database everything stays for the next."""
        try:
            self._end()
            self._renew()
            self._cancel()
            self._follow_definitions()
            if self.stop_by is None:
                self._begin()
            self._answer()
            self.consoles.look(begins=self.stop_by is None)
            if self.stop_by is None and not self.runs:
                self.runner.prepare()
        except LaunchError as error:
            self.log.warning("%s", error)

    def _end(self) -> None:
        if self.stop_by is not None and time.monotonic() >= self.stop_by:
            for each in self.runs:
                each.stop()
        for each in self.runs:
            each.stop_late(self.settings.deadline)
        for each in [each for each in self.runs if each.ended]:
            try:
                self._conclude(each)
            except LaunchError as error:  # it stays for the next look, and keeps no other waiting
                self.log.warning("%s", error)
                continue
            self.runs.remove(each)
            each.forget()

    def _conclude(self, ended: run.Run) -> None:
        if ended.late:
            why = dict.fromkeys((each.instance_uuid for each in ended.requests), LATE % self.settings.deadline)
            self._settle(ended.requests, why)
            return
        if ended.stopped:
            self._settle(ended.requests, None)
            return
        status = ended.process.returncode
        told = model.reasons(ended.output()) if status > 0 else []
        why = {each.instance_uuid: model.reason(each.name, told, status) for each in ended.requests}
        self._settle(ended.requests, {uuid: reason for uuid, reason in why.items() if reason})

    def _settle(self, asked: list[Request], failed: dict[str, str] | None) -> None:
        """Write what became of requests, and tell it."""
        settled = self.database.write(
            lambda connection: conclude.conclude(self.database, connection, asked, self.owner, now(connection), failed)
        )
        for each in asked:
            fate, row = settled[each.instance_uuid]
            self._tell(each, fate, row, (failed or {}).get(each.instance_uuid, conclude.UNTOLD))
        self.notifications.ended(self.database, _out_of_the_queue(settled, failed or {}), asked)

    def _tell(self, request: Request, fate: str, row: Any, why: str | None) -> None:
        about = log.about(request.request_id, request.instance_uuid)
        if fate in (conclude.LATER, conclude.GIVEN_UP):
            level = logging.ERROR if fate == conclude.GIVEN_UP else logging.WARNING
            tried = (request.action, request.name, fate, request.attempts, why)
            self.log.log(level, "%s of %s: %s, after attempt %d: %s", *tried, extra=about)
            return
        state = "deleted" if row is None or row.deleted else row.vm_state
        said = state if fate == conclude.DONE else fate
        self.log.info("%s of %s: %s", request.action, request.name, said, extra=about)

    def _renew(self) -> None:
        """Keep what it has, and have the record say that it lives."""
        if self.renewed and time.monotonic() - self.renewed < LEASE / 3:
            return
        self.database.write(self._beat)
        self.renewed = time.monotonic()

    def _beat(self, connection) -> None:
        moment = now(connection)
        if self.runs:
            mine = [request.instance_uuid for each in self.runs for request in each.requests]
            requests.renew(self.database, connection, self.owner, mine, LEASE, moment)
        self.since = self.since or moment
        told = {"host": socket.gethostname(), "since": self.since, "runs": len(self.runs)}
        told["transport"] = self.messages is not None
        workers.beat(self.database, connection, self.owner, told, moment)

    def _cancel(self) -> None:
        """Stop the runs of which nothing is wanted any more: all their servers are to be deleted, which comes next."""
        going = [each for each in self.runs if not each.stopped and not each.ended]
        if not going:
            return
        with self.database.reading() as connection:
            asked = [request for each in going for request in each.requests]
            unwanted = requests.unwanted(self.database, connection, self.owner, asked)
        for each in going:
            if all(request.instance_uuid in unwanted for request in each.requests):
                for request in each.requests:
                    about = log.about(request.request_id, request.instance_uuid)
                    self.log.info("%s of %s: stopped, it is to be deleted", request.action, request.name, extra=about)
                each.stop()

    def _leave(self) -> None:
        try:
            self.database.write(lambda connection: workers.leave(self.database, connection, self.owner))
        except LaunchError as error:
            self.log.warning("%s", error)

    def _answer(self) -> None:
        """Acknowledge the messages whose requests have an outcome in the record."""
        held = self.messages.held() if self.messages else []
        if held:
            asked = [(each.instance_uuid, each.request_id) for each in held]
            with self.database.reading() as connection:
                self.messages.answer(requests.settled(self.database, connection, asked))

    def _follow_definitions(self) -> None:
        """Stop where the definitions name another record by now: the next worker opens that one."""
        if self.stop_by is None and self.definitions.current()["database"] != self.opened:
            self.log.warning("the definitions name another database: stops, and begins anew on that one")
            self._stop()

    def _begin(self) -> None:
        """Claim what nobody has, and begin a run for each project that there is room for."""
        room = self.settings.runs - len(self.runs)
        if room < 1:
            return
        with self.database.reading() as connection:
            if not requests.is_waiting(self.database, connection, now(connection)):
                return
        identity = self.definitions.current().get("identity") or "none"
        todo = self.database.write(self._claim)
        for number, (project_id, take_over, asked) in enumerate(todo):
            if number < room:
                self._start(model.variables(project_id, take_over, asked, identity), asked)
            else:
                self._settle(asked, None)

    def _start(self, variables: str, asked: list[Request]) -> None:
        for each in asked:
            about = log.about(each.request_id, each.instance_uuid)
            self.log.info("%s of %s: begun, attempt %d", each.action, each.name, each.attempts, extra=about)
        folder = os.path.join(run.folder_of(self.settings, self.owner), str(next(self.numbers)))
        try:
            self.runs.append(self.runner.start(folder, variables, asked))
        except OSError as error:
            why = "the worker cannot start a run: %s" % error
            self._settle(asked, {each.instance_uuid: why for each in asked})
        else:
            self.notifications.begun(self.database, asked)

    def _claim(self, connection) -> list[tuple[str, bool, list[Request]]]:
        """The runs that are to begin; what needs none is taken out of the queue at once."""
        moment = now(connection)
        claimed = requests.claim(self.database, connection, self.owner, LEASE, MOST, moment)
        known = conclude.rows(self.database, connection, claimed)
        todo, left_behind = [], set()
        for each in claimed:
            row = known.get(each.instance_uuid)
            if model.needs_no_run(each, row):
                conclude.finish(self.database, connection, each, row, self.owner, moment)
                continue
            todo.append(each)
            if is_left_behind(row.lease_owner, each.taken_from):
                left_behind.add(each.instance_uuid)
        return model.runs(todo, left_behind)

    def _listening(self, ends: ExitStack) -> list[Any]:
        """The sockets on which it is woken, by this machine where it can be, and by the messages of all."""
        sources = []
        if self.messages:
            self.messages.listen()
            ends.callback(self.messages.stop)
            sources.append(self.messages.bell)
        try:
            heard = wake.listen(self.settings.wake_path)
        except OSError as error:
            self.log.warning("cannot be woken in %s: %s", self.settings.wake_path, error.strerror)
            return sources
        ends.callback(wake.close, heard, self.settings.wake_path)
        return [*sources, heard]

    def _wait(self, sources: list[Any]) -> None:
        """Until it is woken, a run ends or a signal comes; some seconds at most."""
        signalled, *heard = sources
        ready = select.select(sources, [], [], LOOK)[0]
        if signalled in ready:
            os.read(signalled, 4096)
        if any(wake.was_called(each) for each in heard):
            time.sleep(GATHER)

    def _stop(self, *_signal: Any) -> None:
        """No new runs; at the second time those that go on are stopped at once."""
        self.stop_by = time.monotonic() + (STOP if self.stop_by is None else 0)


def _out_of_the_queue(settled: dict[str, tuple[str, Any]], failed: dict[str, str]) -> dict[str, str | None]:
    """Of requests that are settled those that are done or given up, by UUID, and why nobody tries any more."""
    reasons = {conclude.DONE: lambda _uuid: None, conclude.GIVEN_UP: lambda uuid: failed.get(uuid, conclude.UNTOLD)}
    return {uuid: reasons[fate](uuid) for uuid, (fate, _row) in settled.items() if fate in reasons}


def _signals(ends: ExitStack, stop: Any) -> int:
    """A file that can be read when a signal came: a child's end, or that the worker is to stop."""
    reader, writer = os.pipe()
    ends.callback(os.close, reader)
    os.set_blocking(writer, False)
    ends.callback(os.close, writer)
    ends.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer, warn_on_full_buffer=False))
    signal.signal(signal.SIGCHLD, lambda *_signal: None)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    return reader
