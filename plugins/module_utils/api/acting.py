# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The actions of a server: whether one makes sense now, and what it writes; in nova's words where it does not."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ..core.states import RESTARTS
from ..record import events, server_extras
from ..record.database import now
from . import asking, consoles, reading, rebuilding, resetting, security_groups
from .accepting import Accepting
from .context import RequestContext
from .errors import ApiError
from .model import Server
from .policies import UNLOCK_OVERRIDE
from .site import Site

# What of a body is an action's own.
Body = Any


def act(site: Site, context: RequestContext, server_id: str, action: str, body: Body) -> dict[str, Any] | None:
    """Do what an action says, or ask for it, and give its answer, where it has one at once; what there is no such thing
    of is refused in words."""
    if action not in ACTIONS:
        reading.one(site, context, server_id)
        raise _beyond(action)
    return ACTIONS[action](site, context, server_id, body)


def _beyond(action: str) -> ApiError:
    """Why nothing comes of an action: 400 for what is none, 501 where nova says that a driver cannot, else 409."""
    if action in CANNOT:
        return cannot(CANNOT[action], action)
    return ApiError(400, "There is no such action: %.80s" % action)


def cannot(status: int, what: str) -> ApiError:
    """That nova's API has something which this one has not."""
    return ApiError(status, "%s: this API cannot do it: see its documentation for what it can." % what)


def _power(state: str, word: str) -> Callable[[Site, RequestContext, str, Body], None]:
    """Start or stop a server that is the other and rests; ApiError 409 for one that does not."""

    def act_(site: Site, context: RequestContext, server_id: str, body: Body) -> None:
        server = asking.changeable(site, context, server_id)
        asking.check_rests(server, word)
        if (server.instance.status == "SHUTOFF") == (state == "stopped"):  # also where its host is silent
            raise asking.in_state(server, word, "vm_state", server.instance.vm_state)
        Accepting(site, context, word).change(server, asking.as_it_is(server, state=state))

    return act_


def reboot(site: Site, context: RequestContext, server_id: str, body: Body) -> None:
    """Start a server anew: SOFT one that runs; HARD also one that does not, or that is still asked to (nova's
    ALLOW_SOFT_REBOOT, ALLOW_HARD_REBOOT and ALLOW_REBOOT)."""
    server = asking.changeable(site, context, server_id)
    hard = body["type"].upper() == "HARD"
    if not (hard and server.task_state in RESTARTS.values()):
        asking.check_rests(server, "reboot")
    if not hard and server.instance.status != "ACTIVE":
        raise asking.in_state(server, "reboot", "vm_state", server.instance.vm_state)
    state = "reset" if hard else "restarted"
    Accepting(site, context, "reboot").change(server, asking.as_it_is(server, state=state))


def lock(site: Site, context: RequestContext, server_id: str, body: Body) -> None:
    """Let nobody but administrators change a server. Its project locks it once, another's administrator over that."""
    server = reading.one(site, context, server_id)
    owner = server.instance.project_id == context.project_id
    if server.locked and owner:
        return
    reason = body.get("locked_reason") if isinstance(body, dict) and context.version >= 73 else None
    _note(site, context, server, "lock", {"locked_by": "owner" if owner else "admin", "locked_reason": reason})


def unlock(site: Site, context: RequestContext, server_id: str, body: Body) -> None:
    """Let a server be changed again; ApiError 403 where an administrator has locked it, and who asks is none."""
    server = reading.one(site, context, server_id)
    if server.locked_by == "admin":
        context.identity.needs(UNLOCK_OVERRIDE, server.instance.project_id)
    _note(site, context, server, "unlock", {"locked_by": None, "locked_reason": None})


def _note(site: Site, context: RequestContext, server: Server, word: str, values: Mapping[str, Any]) -> None:
    """Keep something of a server, as an action that is done at once."""
    database = site.database

    def write(connection) -> None:
        moment = now(connection)
        server_extras.write(database, connection, server.id, dict(values))
        who = (context.request_id, context.identity.user_id)
        events.start_action(database, connection, server.id, word, *who, moment)
        events.finish_action(database, connection, server.instance, word, moment)

    database.write(write)


def _delete(site: Site, context: RequestContext, server_id: str, body: Body) -> None:
    """There is no other way to delete here."""
    asking.delete(site, context, server_id)


ACTIONS: dict[str, Callable[[Site, RequestContext, str, Body], Any]] = {
    "os-getConsoleOutput": consoles.output,
    "os-stop": _power("stopped", "stop"),
    "os-start": _power("started", "start"),
    "reboot": reboot,
    "rebuild": rebuilding.rebuild,
    "lock": lock,
    "unlock": unlock,
    "forceDelete": _delete,
    "os-resetState": resetting.reset_state,
    "addSecurityGroup": security_groups.add,
    "removeSecurityGroup": security_groups.remove,
}

# What nova's servers can do and these cannot, by the status that says so.
CANNOT = {
    **dict.fromkeys(
        (
            "changePassword", "confirmResize", "createBackup", "createImage",
            "evacuate", "migrate", "os-migrateLive", "os-resetNetwork",
            "injectNetworkInfo", "pause", "rescue", "resize", "restore", "resume", "revertResize",
            "shelve", "shelveOffload", "suspend", "trigger_crash_dump", "unpause", "unrescue", "unshelve",
            "addFloatingIp", "removeFloatingIp", "addFixedIp", "removeFixedIp",
        ),
        409,
    ),
    **dict.fromkeys(
        (
            "os-getVNCConsole", "os-getSPICEConsole", "os-getRDPConsole", "os-getSerialConsole",
        ),
        501,
    ),
}  # fmt: skip
