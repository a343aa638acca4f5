# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an administrator says that a server is: its record says so at once; what it is, its host says at the next look.

(nova/api/openstack/compute/admin_actions.py, `_reset_state`.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from ..core.states import ACTIONS
from ..instance.model import Instance
from . import asking, reading
from .accepting import Accepting
from .context import RequestContext
from .site import Site

WORD = "resetState"
FAULT = "its state was reset to error before it had been launched"


def reset_state(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> None:
    """Have a server be in error, or active, and nothing be done for it. The next launch of one in error makes it as it
    is asked for. ApiError 409 for one that a run drives, or with which a worker is to do something; that is being
    deleted, of which a part may be gone; or that is to be active and never ran.
    """
    server = reading.one(site, context, server_id)
    state = body["state"]
    waits = server.task_state is not None and server.pending in ACTIONS.values()
    if waits or server.task_state == "deleting":
        raise asking.in_state(server, WORD, "task_state", server.task_state)
    if state == "active" and not server.instance.launched:
        raise asking.in_state(server, WORD, "vm_state", server.instance.vm_state)
    Accepting(site, context, WORD).amend(server, _active if state == "active" else _in_error)


def _active(before: Instance) -> Instance:
    return replace(before, vm_state="active", task_state=None, fault=None)


def _in_error(before: Instance) -> Instance:
    """Of one that was launched no launch has failed, and none is to be told that one has."""
    fault = None if before.launched else before.fault or FAULT
    return replace(before, vm_state="error", task_state=None, fault=fault)
