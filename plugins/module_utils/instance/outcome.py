# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages made of an instance, written back to its record: the conductor's part (the seed's steps 7 and 13).

This room's second shape: the wanted items are not requests but documents that have been through the stages, and the
plan settles the next state. What this run did decides, never what the record happens to say: only a run that was the
destroy makes an instance deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..core.change import Change
from ..core.documents import is_built, is_deleting, is_gone
from ..core.errors import Conflict, LaunchError
from ..core.states import REBUILDING
from . import attachments
from .model import AS_ASKED, Instance, from_document
from .plan import Driven, Recorded

UNENDED = "; its rebuild is not done: the next run goes on with it, or begins another one with state: rebuilt"
# What the record keeps of a volume that its stage has made.
OF_VOLUME = ("size", "volume_id", "attachment_id")


class StageFailed(LaunchError):
    """A stage's own error, carried here with its message and with whether another host could do better."""

    def __init__(self, message: str, abort: bool, details: str | None = None, public: str | None = None):
        super().__init__(message, public)
        self.abort = abort
        self.details = details


class Abandoned(Conflict):
    """Another run has destroyed the instance (all), or has it on another host (host): what this one made of it goes."""

    def __init__(self, message: str, what: str):
        super().__init__(message)
        self.facts = {"abandoned": what}


@dataclass(frozen=True)
class Outcome:
    """One instance as its stages have left it. document: what they made; gone: this run has taken all of it away."""

    instance: Instance
    document: dict[str, Any]
    error: StageFailed | None
    gone: bool
    max_attempts: int

    @property
    def key(self) -> str:
        """The instance's name."""
        return self.instance.name

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.instance.name

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """What the stages said, as record/events.py has it."""
        return tuple(self.document.get("events") or ())

    @property
    def built(self) -> bool:
        """Whether its compute host has it as it is asked for."""
        return not self.deleting and is_built(self.document)

    @property
    def deleting(self) -> bool:
        """Whether this run takes it away."""
        return is_deleting(self.document)

    @property
    def lost(self) -> bool:
        """Whether what this run made of it may still be on its host."""
        return bool(self.document.get("lost"))

    @property
    def ended(self) -> bool:
        """Whether this run is at its end with it; until then what was made is only written down."""
        return self.built or self.gone or self.error is not None

    def refused(self, before: Instance, reason: str) -> Conflict:
        """The error of a run that does not drive the instance any more."""
        moved = self.instance.host and before.host != self.instance.host and not self.deleting
        return Abandoned(reason, "host") if moved else Conflict(reason)

    def to_result(self) -> dict[str, Any]:
        """The instance's document."""
        return self.instance.to_result()


def parse(params: dict[str, Any]) -> list[Outcome]:
    """The outcomes that the documents tell of."""
    return [
        Outcome(
            instance=from_document(document),
            document=document,
            error=_error(document),
            gone=is_deleting(document) and is_gone(document) and not params["interim"],
            max_attempts=params["max_attempts"],
        )
        for document in params["instances"]
    ]


def _error(document: dict[str, Any]) -> StageFailed | None:
    if not document.get("failed"):
        return None
    aborts = bool(document.get("abort")) or _stays(document)
    return StageFailed(document["msg"], aborts, document.get("details"), document.get("public_msg"))


def _stays(document: dict[str, Any]) -> bool:
    """Whether its host has what nobody has taken back, or may have: then it goes to no other, so as not to run twice.

    What failed is on the controller, so that the host had not been asked of this yet, or has built it before.
    """
    taken_back = document.get("undone") or document.get("lost")
    return not taken_back and bool(document.get("resumed") or is_built(document))


def plan(wanted: list[Outcome], current: Recorded, _state: str) -> list[Change]:
    """Settle every instance's next state; with nothing recorded (check mode) its document stands for the record."""
    return [_plan(outcome, current) for outcome in wanted]


def _plan(outcome: Outcome, current: Recorded) -> Change:
    before = current.instances.get(outcome.key)
    if outcome.document.get("abandoned"):
        return _take_back(outcome)
    if outcome.instance.uuid in current.deleted:
        return _find_deleted(outcome)
    reason = before and _taken_over(outcome, before)
    if reason:
        return Change(outcome, before, before, outcome.refused(before, reason))
    try:
        return Driven(outcome, before, settle(outcome, before or outcome.instance))
    except LaunchError as error:
        return Driven(outcome, before, before, error)


def _taken_over(outcome: Outcome, before: Instance) -> str | None:
    """Why the record is not this run's to write; None if it is."""
    if before.uuid != outcome.instance.uuid:
        return "another run has put a new instance in its place: run again"
    return before.lease.busy if before.lease is not None else None


def _find_deleted(outcome: Outcome) -> Change:
    """Another run has destroyed it: it is gone, as this run may have wanted; if not, what it has made goes as well."""
    gone = replace(outcome.instance, vm_state="deleted", task_state=None)
    if outcome.deleting:
        return Change(outcome, gone, gone)
    return Change(outcome, gone, gone, Abandoned("another run has destroyed it", "all"))


def _take_back(outcome: Outcome) -> Change:
    """What becomes of an instance that another run has taken over: this one lets go of it, and has nothing to write."""
    known, reason = outcome.instance, outcome.document["abandoned"]
    if outcome.error:
        error = Conflict("%s; and not all that this run had made was taken back: %s" % (reason, outcome.error))
    else:
        error = Conflict("%s; what this run had made was taken back" % reason) if outcome.gone else None
    return Change(outcome, known, known, error)


def settle(outcome: Outcome, known: Instance) -> Instance:
    """The record's next state: deleted, active, error, waiting for its next host, or as it was.

    An error does not touch an instance that was launched before: it runs, and only this run's wish failed.
    """
    if outcome.deleting:
        if outcome.error:
            raise outcome.error
        if outcome.gone:
            return replace(known, vm_state="deleted", task_state=None)
        return replace(known, task_state="deleting")  # in check mode only the run knows
    if known.task_state == "deleting":
        raise Conflict("another run has begun to destroy it: run destroy again until it is gone")
    # In check mode only the run knows what state is asked for.
    target = outcome.instance.target_state
    known = replace(known, ports=_ports(known, outcome), volumes=_volumes(known, outcome), target_state=target)
    if outcome.error is None:
        return _run(known, outcome) if outcome.built else known
    if known.launched:
        raise _unended(outcome.error) if known.task_state == REBUILDING else outcome.error
    return _fail(known, _fenced(known, outcome.error) if outcome.lost else outcome.error, outcome.max_attempts)


def _unended(error: StageFailed) -> StageFailed:
    """The error of a rebuild, which stays to be done."""
    return StageFailed(str(error) + UNENDED, error.abort, error.details, error.public + UNENDED)


def _run(known: Instance, outcome: Outcome) -> Instance:
    """As it was asked for, and without what it was to lose."""
    vm_state, power_state = AS_ASKED[known.target_state]
    present = {part["id"] for name in ("ports", "volumes") for part in outcome.document.get(name) or ()}
    volumes = attachments.without_detached(known.volumes, present)
    return replace(
        known,
        ports=attachments.without_detached(known.ports, present),
        volumes=[replace(volume, made=True) if volume.local else volume for volume in volumes],
        vm_state=vm_state,
        power_state=power_state,
        task_state=None,
        launched=True,
        fault=None,
        last_error=None,
    )


def _fail(known: Instance, error: StageFailed, max_attempts: int) -> Instance:
    """An error that no host can cure ends the launch; another sends it on, up to max_attempts hosts."""
    if error.abort or known.host is None:
        # When no host is left, it matters why the last one could not take it (nova's MaxRetriesExceeded).
        before = "; the last error was on " + known.last_error if known.last_error else ""
        return replace(known, vm_state="error", task_state=None, fault=str(error) + before)
    attempted = [*known.attempted_hosts, known.host]
    if len(attempted) >= max_attempts:
        message = "%s (tried: %s)" % (error, ", ".join(attempted))
        return replace(known, vm_state="error", task_state=None, host=None, attempted_hosts=attempted, fault=message)
    last = "%s: %s" % (known.host, error)
    return replace(known, task_state="scheduling", host=None, attempted_hosts=attempted, last_error=last)


def _fenced(known: Instance, error: StageFailed) -> StageFailed:
    """The error of a host on which the guest may run: no other may have its volumes, as nova's evacuate needs a fence.

    What is local is of no harm there: the ports are bound elsewhere, and the record remembers what is to be removed.
    """
    names = ", ".join(volume.name for volume in known.volumes if not volume.local)
    if not names:
        return error
    return StageFailed(
        "%s; it stays on that host, where its volume %s may be in use: run again when the host is back, or, when the "
        "host is off for good, destroy it with launch_force=true" % (error, names),
        abort=True,
        details=error.details,
    )


def _ports(known: Instance, outcome: Outcome) -> list[attachments.NetworkRequest]:
    """The ports with what the network said of them (the seed's step 13)."""
    made = {port["id"]: port for port in outcome.document.get("ports") or () if port.get("port_id")}
    return [attachments.learn_port(port, made[port.id]) if port.id in made else port for port in known.ports]


def _volumes(known: Instance, outcome: Outcome) -> list[attachments.BlockDeviceMapping]:
    """The volumes with what their service said of them (the seed's step 16)."""
    made = {volume["id"]: volume for volume in outcome.document.get("volumes") or ()}
    return [attachments.learn(volume, made.get(volume.id), OF_VOLUME) for volume in known.volumes]
