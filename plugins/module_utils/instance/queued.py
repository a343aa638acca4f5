# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A request that is left to a worker: what the record is to have of it now, and what the worker is asked; pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping

from ..core.change import Change
from ..core.errors import Conflict, InvalidRequest, LaunchError
from ..core.states import ACTIONS, REBUILDING
from . import model, plan


@dataclass(frozen=True)
class Queued:
    """What a worker is still to do for an instance: its entry there, and its user data."""

    entry: dict[str, Any] = field(repr=False)
    user_data: str | None = field(default=None, repr=False)

    @property
    def absent(self) -> bool:
        """Whether the instance is to be deleted."""
        return self.entry.get("state") == "absent"


@dataclass(frozen=True)
class Asking(Change):
    """A change that a worker is asked for, word being nova's for it. The row of an instance that a run drives stays as
    it is."""

    asks: Queued | None = None
    word: str = ""

    @property
    def changed(self) -> bool:
        """Whether the record has something else than before, the request of a worker among it."""
        return self.error is None and (self.asks is not None or self.writes)

    @property
    def writes(self) -> bool:
        """Whether the instance's row changes."""
        return self.before != self.after


def planner(asked: Mapping[str, Queued]) -> Callable:
    """The plan of the instances that these are asked for, by name."""

    def planned(wanted: list[Any], current: plan.Recorded, state: str) -> list[Asking]:
        unhurried = {name: replace(each, lease=None) for name, each in current.instances.items()}
        changes = plan.plan(wanted, replace(current, instances=unhurried), state)
        return [_asking(each, current, asked.get(each.key)) for each in changes]

    return planned


def _asking(change: Change, current: plan.Recorded, asked: Queued | None) -> Asking:
    before, waiting, after = current.instances.get(change.key), current.queued.get(change.key), change.after
    error = change.error or _refusal(waiting, asked)
    if error:
        return Asking(change.wanted, before, before, error, change.notes)
    driven = before is not None and before.lease is not None and before.lease.busy
    asked = asked if driven else _recorded(asked, after)
    again = waiting == asked and (driven or not _begins_rebuild(before, after))
    if driven or again:
        after = before
    faulty = after is not None and after.fault is not None and after.vm_state == "error"
    rests = change.after is None or (change.after == before and before.task_state is None)
    asks = None if faulty or again or (waiting is None and rests) else asked
    return Asking(change.wanted, before, after, None, change.notes, asks, _word(change, before))


def _begins_rebuild(before: model.Instance | None, after: model.Instance | None) -> bool:
    """Whether the row tells of a rebuild that it has not told of: what waits beside may say the same in all else."""
    return None not in (before, after) and before.rebuild_id != after.rebuild_id


def _recorded(asked: Queued, after: model.Instance | None) -> Queued:
    """What is asked for where the row says that the instance is to be rebuilt: that all is as the row says.

    So a worker that comes when that is done does not do it again.
    """
    if after is None or after.task_state != REBUILDING:
        return asked
    return replace(asked, entry={**asked.entry, "state": after.target_state})


def _refusal(waiting: Queued | None, asked: Queued | None) -> LaunchError | None:
    """Why a worker is not asked; nothing takes the place of a delete."""
    if asked is None:
        return InvalidRequest("its entry makes no sense alone")
    return Conflict(plan.BEING_DELETED) if waiting is not None and waiting.absent and not asked.absent else None


def _word(change: Change, before: model.Instance | None) -> str:
    """Nova's word for what is asked for, also where a run drives the instance; update where nova has none."""
    if getattr(change.wanted, "absent", False):
        return "delete"
    if before is None or not before.launched:
        return "create"
    return ACTIONS.get(change.after.task_state or "", "update")
