# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server: an instance as the API tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Mapping

from ..core.states import REBUILDING, RESTARTS, TASKS
from ..instance.model import Instance, status_of


@dataclass(frozen=True)
class Server:
    """An instance with all that the API tells of it beside: when, in which zone, by which request; whether its host is
    silent; what is kept of it for the API's clients (extras); its last fault; the action that is still to be done."""

    instance: Instance
    created_at: datetime
    updated_at: datetime
    launched_at: datetime | None = None
    deleted_at: datetime | None = None
    request_id: str | None = None
    zone: str | None = None
    silent: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)
    fault: Mapping[str, Any] | None = None
    pending: str | None = None

    @property
    def id(self) -> str:
        """The instance's UUID."""
        return self.instance.uuid

    @property
    def status(self) -> str:
        """As nova calls it; UNKNOWN where its host does not answer."""
        return status(self.instance.vm_state, self.instance.power_state, self.silent, self.instance.task_state)

    @property
    def locked_by(self) -> str | None:
        """Who has locked it, its owner or an administrator (nova's locked_by); None where nobody has."""
        return self.extras.get("locked_by")

    @property
    def locked(self) -> bool:
        """Whether only administrators may change it."""
        return self.locked_by is not None

    @property
    def task_state(self) -> str | None:
        """What is being done, or is to be done, for it.

        One that is being made has its own: it can be ACTIVE, and told to stop, before its request is out of the queue.
        """
        return TASKS.get(self.pending or "", self.instance.task_state)


# What one is called that runs and is to start anew (nova/api/openstack/common.py).
RESTARTING = {RESTARTS["restarted"]: "REBOOT", RESTARTS["reset"]: "HARD_REBOOT"}


def status(vm_state: str, power_state: str | None, silent: bool, task_state: str | None) -> str:
    """A server's status: its instance's, or that it starts anew, or is made anew whatever it was."""
    if task_state == REBUILDING:
        return "REBUILD"
    known = status_of(vm_state, power_state, silent)
    return RESTARTING.get(task_state or "", known) if vm_state == "active" and not silent else known
