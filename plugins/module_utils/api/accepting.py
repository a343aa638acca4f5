# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accepting what is asked for: in one transaction the record has it, with the request that tells a worker; then that is
woken.

Nothing is launched here. An instance that is written so is driven by nobody until a worker's run takes it.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping

from ..core.change import Change
from ..core.errors import Conflict, LaunchError, NotFound
from ..instance import model, quota, request
from ..instance.model import InstanceRequest
from ..instance.sql import Record, Writing
from ..record import lease, requests, server_extras
from ..record.database import now
from .asked import Asked
from .errors import ApiError
from .front import Front
from .model import Server

TRIES = 5  # of a change that another one has been quicker than


class Acceptor(lease.Driver):
    """Who writes what is asked for, and drives nothing: no lease of it outlives the transaction."""

    def values(self, before: lease.Lease | None, moment: Any) -> dict[str, Any]:
        """Nobody's lease."""
        return dict(lease.NOBODY)


class Raced(Conflict):
    """Another one has changed what this one had read."""


class Accepting:
    """One request of a client, as the record is to have it. action: nova's word for it."""

    def __init__(self, front: Front, asked: Asked, action: str, user_data: str | None = None):
        self.front = front
        self.asked = asked
        self.action = action
        self.user_data = user_data
        self.database = front.database

    def new(self, entries: list[dict[str, Any]], least: int, extras: dict[str, Any]) -> list[model.Instance]:
        """New instances: as many of these as the quota has room for, at least so many; else of none."""
        return self._done(lambda: self._new(entries, least, extras))

    def change(self, server: Server, entry: dict[str, Any], even_busy: bool = False) -> None:
        """An instance that there is, asked for otherwise. With even_busy also one that a run drives: it is left to that
        run, and the request waits."""
        self._done(lambda: self._change(server, entry, even_busy))

    def _done(self, attempt: Callable[[], Any]) -> Any:
        for _try in range(TRIES - 1):
            try:
                done = attempt()
                break
            except Raced:
                continue
        else:
            done = attempt()
        self.front.wake()
        return done

    def _new(self, entries: list[dict[str, Any]], least: int, extras: dict[str, Any]) -> list[model.Instance]:
        record, wanted = self._record(self.asked.project_id), self._parsed(entries, self.asked.project_id)
        changes = model.plan(wanted, record.read(wanted), "present")
        while len(changes) > least and isinstance(changes[-1].error, quota.OverQuota):
            changes = changes[:-1]
        for change in changes:
            _check_new(change)
        return self._write(record, changes, {entry["name"]: entry for entry in entries}, extras)

    def _change(self, server: Server, entry: dict[str, Any], even_busy: bool) -> None:
        project = server.instance.project_id
        record, [wanted] = self._record(project), self._parsed([entry], project)
        [change] = model.plan([wanted], record.read([wanted]), "present")
        before = change.before
        if before is None or before.uuid != server.id:
            raise ApiError(404, "Instance %s could not be found." % server.id)
        if even_busy and before.lease is not None and before.lease.busy:
            self.database.write(lambda connection: self._ask(connection, before, entry, now(connection)))
            return
        if change.error:
            raise change.error
        self._write(record, [change], {entry["name"]: entry}, None)

    def _write(
        self, record: Record, changes: list[Change], entries: Mapping[str, dict], extras: dict[str, Any] | None
    ) -> list[model.Instance]:
        """All of it, or nothing, in one transaction."""

        def write(connection) -> list[model.Instance]:
            writing = Writing(record, connection)
            made = writing.all(changes)
            for outcome in made.values():
                if isinstance(outcome, LaunchError):
                    raise _raced(outcome)
            for name, instance in made.items():
                if extras is not None:
                    server_extras.write(self.database, connection, instance.uuid, extras)
                self._ask(connection, instance, entries[name], writing.moment)
            return [made[change.key] for change in changes]

        return self.database.write(write)

    def _ask(self, connection, instance: model.Instance, entry: dict[str, Any], moment: Any) -> None:
        """What is to be done for an instance, for whoever comes first."""
        asked = requests.Request(
            instance_uuid=instance.uuid,
            project_id=instance.project_id,
            name=instance.name,
            action=self.action,
            entry=entry,
            user_data=self.user_data,
            request_id=self.asked.request_id,
        )
        requests.add(self.database, connection, asked, moment)

    def _record(self, project_id: str) -> Record:
        limits = quota.limits(self.front.known["quotas"])
        record = Record(self.database, project_id, Acceptor("api", 0, False), limits)
        record.request_id = self.asked.request_id
        return record

    def _parsed(self, entries: list[dict[str, Any]], project_id: str) -> list[InstanceRequest]:
        """The entries by the same rules as a launch's."""
        identity = self.asked.identity
        texts = {entry["name"]: self.user_data for entry in entries if self.user_data is not None}
        who = {name: getattr(identity, name) for name in ("user_id", "user_name", "project_name")}
        asked = {"state": "present", "instances": entries, "user_data": json.dumps(texts) if texts else ""}
        return request.parse({**self.front.known, **who, **asked, "project_id": project_id, "default_ssh_keys": []})


def _raced(error: LaunchError) -> LaunchError:
    """The error of a row that could not be written; Raced if it is not as it was read, as a bare Conflict says."""
    return Raced(str(error)) if isinstance(error, Conflict) and not isinstance(error, quota.OverQuota) else error


def _check_new(change: Change) -> None:
    """An error for what cannot be launched: nothing of it is recorded, as here nobody waits for a table of faults."""
    if change.before is not None:
        raise ApiError(409, "%s: the project has a server of this name: names are unique here" % change.key)
    if isinstance(change.error, NotFound):  # of what the body names, not of what the path does
        raise ApiError(400, str(change.error))
    if change.error is not None:
        raise change.error
    if change.after.fault:
        raise ApiError(400, change.after.fault)
