# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accepting what is asked for: in one transaction the record has it, with the request that tells a worker; then that is
woken.

Nothing is launched here. An instance that is written so is driven by nobody until a worker's run takes it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Callable, Mapping

from ..core.change import Change
from ..core.errors import Conflict, LaunchError, NotFound, QuotaExceeded
from ..core.states import ACTIONS
from ..instance import model, plan, quota, request
from ..instance.model import InstanceRequest
from ..instance.sql import Record, Writing
from ..record import events, lease, requests, server_extras
from ..record.database import now
from .context import RequestContext
from .errors import ApiError
from .model import Server
from .site import Site

# What makes of a request, which says what is new, one that says all, given what there is.
Parts = Callable[[InstanceRequest, model.Instance], InstanceRequest]
# What an instance becomes by what somebody says of it alone.
Amended = Callable[[model.Instance], model.Instance]

STATES = ("task_state", "target_state")
TRIES = 5  # of a change that another one has been quicker than


class Raced(Conflict):
    """Another one has changed what this one had read."""


class Accepting:
    """One request of a client, as the record is to have it. action: nova's word for it."""

    def __init__(self, site: Site, context: RequestContext, action: str, user_data: str | None = None):
        self.site = site
        self.context = context
        self.action = action
        self.user_data = user_data
        self.database = site.database
        self.told: dict[str, tuple[str, str]] = {}  # by instance what workers are woken for

    def new(self, entries: list[dict[str, Any]], least: int, extras: dict[str, Any]) -> list[model.Instance]:
        """New instances: as many of these as the quota has room for, at least so many; else of none."""
        return self._done(lambda: self._new(entries, least, extras))

    def change(self, server: Server, entry: dict[str, Any], even_busy: bool = False) -> None:
        """An instance that there is, asked for otherwise. With even_busy also one that a run drives: it is left to that
        run, and the request waits."""
        self._done(lambda: self._change(server, entry, even_busy))

    def exchange(self, server: Server, entry: dict[str, Any], parts: Parts) -> model.Instance:
        """An instance that there is with other ports or volumes, as its row has them from now on.

        The request asks for no more than that its guest is as the row says; entry says what is new. The action is told
        until a worker has done it.
        """
        return self._done(lambda: self._exchange(server, entry, parts))

    def amend(self, server: Server, amended: Amended) -> model.Instance:
        """An instance of which the record says otherwise from now on: that is all there is to do.

        What a run has begun, and nobody goes on with, has failed by that.
        """
        return self._done(lambda: self._amend(server, amended))

    def rebuild(self, server: Server, entry: dict[str, Any], image: dict[str, Any] | None, extras: dict) -> None:
        """An instance that there is, to be made anew as its entry says; extras: what is kept of it beside from now on.

        The request asks for no more than that it is as its row says: so it is done once. image: what is known of the
        entry's, which is a service's; that the worker is to ask for it.
        """
        self._done(lambda: self._rebuild(server, entry, image, extras))

    def _done(self, attempt: Callable[[], Any]) -> Any:
        for _try in range(TRIES - 1):
            try:
                done = attempt()
                break
            except Raced:
                continue
        else:
            done = attempt()
        self.site.wake(self.told)
        return done

    def _new(self, entries: list[dict[str, Any]], least: int, extras: dict[str, Any]) -> list[model.Instance]:
        record, wanted = self._record(self.context.project_id), self._parsed(entries, self.context.project_id)
        changes = plan.plan(wanted, record.read(wanted), "present")
        while len(changes) > least and isinstance(changes[-1].error, QuotaExceeded):
            changes = changes[:-1]
        for change in changes:
            _check_new(change)
        return self._write(record, changes, {entry["name"]: entry for entry in entries}, extras)

    def _change(self, server: Server, entry: dict[str, Any], even_busy: bool) -> None:
        project = server.instance.project_id
        record, [wanted] = self._record(project), self._parsed([entry], project)
        [change] = plan.plan([wanted], record.read([wanted]), "present")
        before = _still(server, change.before, () if even_busy else (*STATES, "metadata"))
        if even_busy and _is_busy(before):
            self.database.write(lambda connection: self._wait(connection, before, entry, now(connection)))
            return
        _check_idle(before)
        if change.error:
            raise change.error
        self._write(record, [change], {entry["name"]: entry}, None)

    def _exchange(self, server: Server, entry: dict[str, Any], parts: Parts) -> model.Instance:
        project = server.instance.project_id
        record, [wanted] = self._record(project), self._parsed([entry], project)
        before = _still(server, record.read([wanted]).instances.get(wanted.name), STATES)
        _check_idle(before)
        if wanted.refusal is not None or wanted.faults:
            raise wanted.refusal or ApiError(400, str(wanted.fault))
        wanted = parts(wanted, before)
        [change] = plan.plan([wanted], record.read([wanted]), "present")
        if change.error:
            raise change.error
        asked = {name: entry[name] for name in ("name", "state")}
        [instance] = self._write(record, [change], {wanted.name: asked}, None, told=True)
        return instance

    def _amend(self, server: Server, amended: Amended) -> model.Instance:
        known = server.instance
        record = self._record(known.project_id)
        before = _still(server, record.read([known]).instances.get(known.name), STATES)
        _check_idle(before)
        change = Change(known, before, amended(before))

        def write(connection) -> model.Instance:
            writing = Writing(record, connection)
            if before.task_state in ACTIONS:
                task = (ACTIONS[before.task_state], writing.moment, "ended by %s" % self.action)
                events.finish_action(self.database, connection, before, *task)
            instance = _written(writing, [change])[change.key]
            self._begin(connection, instance, writing.moment)
            events.finish_action(self.database, connection, instance, self.action, writing.moment)
            return instance

        return self.database.write(write)

    def _rebuild(self, server: Server, entry: dict[str, Any], image: dict[str, Any] | None, extras: dict) -> None:
        project = server.instance.project_id
        record, [wanted] = self._record(project), self._parsed([entry], project)
        found = record.read([wanted])
        before = _still(server, found.instances.get(wanted.name), (*STATES, "metadata"))
        _check_idle(before)
        if image is not None:
            wanted = replace(wanted, image=image)
        [change] = plan.plan([wanted], replace(found, instances={wanted.name: before}), "present")
        if change.error:
            raise change.error
        asked = {"name": wanted.name, "state": change.after.target_state}
        if self.site.known["image_service"] != "url":
            asked["image"] = entry["image"]
        self._write(record, [change], {wanted.name: asked}, extras or None)

    def _write(
        self,
        record: Record,
        changes: list[Change],
        entries: Mapping[str, dict],
        extras: dict[str, Any] | None,
        told: bool = False,
    ) -> list[model.Instance]:
        """All of it, or nothing, in one transaction; told: also the action, which shows in no state of the instance."""

        def write(connection) -> list[model.Instance]:
            writing = Writing(record, connection)
            made = _written(writing, changes)
            for name, instance in made.items():
                if extras is not None:
                    server_extras.write(self.database, connection, instance.uuid, extras)
                self._ask(connection, instance, entries[name], writing.moment)
                if told:
                    self._begin(connection, instance, writing.moment)
            return [made[change.key] for change in changes]

        return self.database.write(write)

    def _wait(self, connection, instance: model.Instance, entry: dict[str, Any], moment: Any) -> None:
        """What is to be done when the run has ended that drives an instance, whose row is that one's."""
        self._ask(connection, instance, entry, moment)
        self._begin(connection, instance, moment)

    def _begin(self, connection, instance: model.Instance, moment: Any) -> None:
        """The action, for who asks by the request's id."""
        which = (self.action, self.context.request_id, self.context.identity.user_id, moment)
        events.start_action(self.database, connection, instance.uuid, *which, own=True)

    def _ask(self, connection, instance: model.Instance, entry: dict[str, Any], moment: Any) -> None:
        """What is to be done for an instance, for whoever comes first."""
        asked = requests.Request.of(instance, self.action, entry, self.user_data, self.context.request_id)
        requests.add(self.database, connection, asked, moment)
        self.told[asked.instance_uuid] = (asked.action, asked.request_id)

    def _record(self, project_id: str) -> Record:
        limits = quota.limits(self.site.known, project_id)
        record = Record(self.database, project_id, lease.Acceptor("api", 0, False), limits)
        record.request_id = self.context.request_id
        record.user_id = self.context.identity.user_id
        return record

    def _parsed(self, entries: list[dict[str, Any]], project_id: str) -> list[InstanceRequest]:
        """The entries by the same rules as a launch's."""
        identity = self.context.identity
        texts = {entry["name"]: self.user_data for entry in entries if self.user_data is not None}
        who = {name: getattr(identity, name) for name in ("user_id", "user_name", "project_name")}
        asked = {"state": "present", "instances": entries, "user_data": json.dumps(texts) if texts else ""}
        known = self.site.known
        if known["image_service"] != "url":
            known = {**known, "images": _named(entries)}
        return request.parse({**known, **who, **asked, "project_id": project_id, "default_ssh_keys": []})


def _still(server: Server, before: model.Instance | None, fields: tuple[str, ...]) -> model.Instance:
    """A server's instance as the record has it now. ApiError 404 if it is gone, and 409 if one of these fields is not
    what it was when the request was judged: another one has been quicker."""
    if before is None or before.uuid != server.id:
        raise ApiError(404, "Instance %s could not be found." % server.id)
    if any(getattr(before, name) != getattr(server.instance, name) for name in fields):
        raise ApiError(409, "Instance %s was changed at the same moment: see what it is, and ask again." % server.id)
    return before


def _is_busy(before: model.Instance) -> bool:
    return before.lease is not None and bool(before.lease.busy)


def _check_idle(before: model.Instance) -> None:
    """ApiError 409 if a run drives the instance: which one, and where, is for administrators, in the record."""
    if _is_busy(before):
        raise ApiError(409, "Instance %s is being changed: ask again when that has ended." % before.uuid)


def _written(writing: Writing, changes: list[Change]) -> dict[str, model.Instance]:
    """The instances as they are written, by name; the error of the first that cannot be."""
    made = writing.all(changes)
    for outcome in made.values():
        if isinstance(outcome, LaunchError):
            raise _raced(outcome)
    return made


def _raced(error: LaunchError) -> LaunchError:
    """The error of a row that could not be written; Raced if it is not as it was read, as a bare Conflict says."""
    raced = isinstance(error, Conflict) and not isinstance(error, QuotaExceeded)
    return error.within(Raced, "%s") if raced else error


def _check_new(change: Change) -> None:
    """An error for what cannot be launched: nothing of it is recorded, as here nobody waits for a table of faults."""
    if change.before is not None:
        raise ApiError(409, "%s: the project has a server of this name: names are unique here" % change.key)
    if isinstance(change.error, NotFound):  # of what the body names, not of what the path does
        raise ApiError(400, str(change.error), change.error.public)
    if change.error is not None:
        raise change.error
    if change.after.fault:
        raise ApiError(400, change.after.fault)


def _named(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The images of an image service as entries name them: what each is, a worker asks when it launches."""
    asked = [thing.get("image") for entry in entries for thing in (entry, *(entry.get("volumes") or ()))]
    return {image: {"id": image, "name": image, "url": ""} for image in asked if image}
