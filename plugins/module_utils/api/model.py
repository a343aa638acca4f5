# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server: an instance as the API tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Mapping

from ..core.documents import POWER
from ..instance.model import Instance, status_of

# What is still to be done for a server, by the task state that tells it (nova/compute/task_states.py). One that is
# being made has its own: it can be ACTIVE, and told to stop, before its request is out of the queue.
TASKS = {"delete": "deleting", "stop": "powering-off", "start": "powering-on"}


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
        return status(self.instance.vm_state, self.instance.power_state, self.silent)

    @property
    def task_state(self) -> str | None:
        """What is being done, or is to be done, for it."""
        return TASKS.get(self.pending or "", self.instance.task_state)


def status(vm_state: str, power_state: str | None, silent: bool) -> str:
    """A server's status; nobody knows what has become of a guest whose host does not answer."""
    known = status_of(vm_state, power_state)
    return "UNKNOWN" if silent and known in POWER.values() else known
