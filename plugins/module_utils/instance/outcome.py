# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages made of an instance, written back to its record: the conductor's part (the seed's steps 7 and 13).

This room's second shape: the wanted items are not requests but results, and the plan settles the next state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterator

from ..core.change import Change
from ..core.errors import Conflict, LaunchError
from . import attachments
from .model import Driven, Instance, Recorded, check_lease, from_document

STAGES = ("ports", "images", "volumes", "domains")
# Where a stage's result may tell more than its message: our own, Ansible's traceback, what a module wrote when it died.
OF_PORT = ("mac_address", "fixed_ip")
NETWORK_INFO = ("port_id", "floating_ip_address", "cidr", "gateway", "dns", "mtu", "dhcp", "domain")
OF_VOLUME = ("size", "volume_id", "attachment_id")
DETAILS = ("details", "exception", "module_stderr")


class StageFailed(LaunchError):
    """A stage's own error, carried here with its message and with whether another host could do better."""

    def __init__(self, message: str, abort: bool, details: str | None = None):
        super().__init__(message)
        self.abort = abort
        self.details = details


@dataclass(frozen=True)
class Outcome:
    """One instance as it went into the stages, and what they said of it; events as record/events.py has them."""

    instance: Instance
    error: StageFailed | None
    parts: dict[str, dict]
    domain: dict[str, Any] | None
    max_attempts: int
    events: tuple[dict[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """The instance's name."""
        return self.instance.name

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.instance.name

    def to_result(self) -> dict[str, Any]:
        """The instance's document."""
        return self.instance.to_result()


def parse(params: dict[str, Any]) -> list[Outcome]:
    """Join the stages' results to their instances."""
    results = {stage: _by_instance(params[stage]) for stage in STAGES}
    lost = params["lost_hosts"]
    outcomes = []
    for document in params["instances"]:
        identity = document["uuid"]
        mine = {stage: results[stage].get(identity, []) for stage in STAGES}
        outcomes.append(
            Outcome(
                instance=from_document(document),
                error=_own_error(document) or _first_error(mine) or _lost(document.get("host"), lost),
                parts={part["id"]: part for part in [*mine["ports"], *mine["volumes"]]},
                domain=mine["domains"][0] if mine["domains"] else None,
                max_attempts=params["max_attempts"],
                events=tuple(_events(document, mine, lost)),
            )
        )
    return outcomes


def plan(wanted: list[Outcome], current: Recorded, state: str) -> list[Change]:
    """Settle every instance's next state; with nothing recorded (check mode) its document stands for the record."""
    changes: list[Change] = []
    for outcome in wanted:
        before = current.instances.get(outcome.key)
        try:
            check_lease(before)
            if before is not None and before.uuid != outcome.instance.uuid:
                raise Conflict("another run has put a new instance in its place: run again")
        except Conflict as error:
            changes.append(Change(outcome, before, before, error))
            continue
        known = before or outcome.instance
        try:
            after = settle(outcome, replace(known, task_state=outcome.instance.task_state or known.task_state))
            changes.append(Driven(outcome, before, after))
        except LaunchError as error:
            changes.append(Driven(outcome, before, before, error))
    return changes


def settle(outcome: Outcome, known: Instance) -> Instance | None:
    """The record's next state: deleted, active, error, waiting for its next host, or as it was.

    An error does not touch an instance that was launched before: it runs, and only this run's wish failed.
    """
    if known.task_state == "deleting":
        if outcome.error:
            raise outcome.error
        return replace(known, vm_state="deleted", task_state=None)
    known = replace(
        known,
        ports=[_port(port, outcome.parts.get(port["id"])) for port in known.ports or []],
        volumes=[
            attachments.learned(volume, outcome.parts.get(volume["id"]), OF_VOLUME) for volume in known.volumes or []
        ],
    )
    if outcome.error is None:
        return _built(known, outcome)
    if known.launched:
        raise outcome.error
    return _failed(known, outcome.error, outcome.max_attempts)


def _built(known: Instance, outcome: Outcome) -> Instance:
    """Running, and without what it was to lose."""
    if outcome.domain is None or outcome.domain["status"] != "ACTIVE":
        return known
    ports = attachments.remaining(known.ports, outcome.parts)
    volumes = attachments.remaining(known.volumes, outcome.parts)
    fields = {"vm_state": "active", "task_state": None, "launched": True, "fault": None, "last_error": None}
    return replace(known, ports=ports, volumes=volumes, **fields)


def _failed(known: Instance, error: StageFailed, max_attempts: int) -> Instance:
    """An error that no host can cure ends the launch; another sends it on, up to max_attempts hosts."""
    if error.abort:
        # When no host is left, it matters why the last one could not take it (nova's MaxRetriesExceeded).
        before = "; the last error was on %s" % known.last_error if known.last_error else ""
        return replace(known, vm_state="error", task_state=None, fault=str(error) + before)
    attempted = [*(known.attempted_hosts or []), known.host]
    if len(attempted) >= max_attempts:
        message = "%s (tried: %s)" % (error, ", ".join(attempted))
        return replace(known, vm_state="error", task_state=None, host=None, attempted_hosts=attempted, fault=message)
    last = "%s: %s" % (known.host, error)
    return replace(known, task_state="scheduling", host=None, attempted_hosts=attempted, last_error=last)


def _port(port: dict[str, Any], made: dict[str, Any] | None) -> dict[str, Any]:
    """The port with its MAC and address, and what else the network said of it (the seed's step 13)."""
    if not made or made.get("failed"):
        return port
    told = {key: made[key] for key in NETWORK_INFO if made.get(key) is not None}
    return {**attachments.learned(port, made, OF_PORT), "network_info": told}


def _by_instance(results: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        grouped.setdefault(result.get("instance_uuid") or result.get("uuid"), []).append(result)
    return grouped


def _own_error(document: dict[str, Any]) -> StageFailed | None:
    """The error of the stage that handed the document on: no host was found for it."""
    return StageFailed(document["msg"], bool(document.get("abort"))) if document.get("failed") else None


def _first_error(mine: dict[str, list[dict[str, Any]]]) -> StageFailed | None:
    for stage in STAGES:
        for result in mine[stage]:
            if result.get("failed"):
                what, message = "%s %s" % (stage[:-1], result.get("name")), result["msg"]
                message = message if message.startswith(what) else "%s: %s" % (what, message)
                return StageFailed(message, bool(result.get("abort")), _details(result))
    return None


def _lost(host: str | None, lost: dict[str, Any]) -> StageFailed | None:
    if host not in lost:
        return None
    told = _told(lost[host])
    return StageFailed("host %s: %s" % (host, told["msg"]), False, _details(told))


def _events(document: dict[str, Any], mine: dict[str, list], lost: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One event for each stage that has said something: schedule, port, image, volume, domain; host if it was lost."""
    where = {"instance_uuid": document["uuid"], "host": document.get("host")}
    if document.get("failed"):
        yield {**where, "event": "schedule", "result": "Error", "message": document["msg"]}
    for stage in STAGES:
        failed = [result for result in mine[stage] if result.get("failed")]
        if failed:
            message = "; ".join("%s: %s" % (result.get("name"), result["msg"]) for result in failed)
            yield {**where, "event": stage[:-1], "result": "Error", "message": message, "details": _details(failed[0])}
        elif mine[stage]:
            yield {**where, "event": stage[:-1], "result": "Success"}
    if where["host"] in lost:
        told = _told(lost[where["host"]])
        yield {**where, "event": "host", "result": "Error", "message": told["msg"], "details": _details(told)}


def _told(reason: Any) -> dict[str, Any]:
    """Why a host was lost: a message, or a failed task's result."""
    return {"msg": "it failed", **reason} if isinstance(reason, dict) else {"msg": str(reason)}


def _details(result: dict[str, Any]) -> str | None:
    return next((str(result[key]) for key in DETAILS if result.get(key)), None)
