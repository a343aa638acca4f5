# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making a port of neutron's.

One request a port, several at once. Neutron also takes many ports in one request, but when it refuses one of these it
loses the addresses that it had chosen for the others (21.0.0: create_port_bulk allocates them before its `try`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from ...core.change import Change
from ...core.errors import Conflict
from . import rows
from .item import Port, label
from .model import user_asks
from .view import View


def make(view: View, change: Change, update: Callable) -> Port:
    """The port, made by the launcher's account and at once bound to its host.

    Where neutron may refuse the user what is asked for, the user's own account makes it, and the launcher's binds it.
    update(change, before, after) changes a port that is there.
    """
    by_user = user_asks(change.wanted, change.after.network)
    existing, known = _post_once(view, view.user if by_user else view.launcher, change, by_user)
    after = replace(
        change.after, port_id=existing.port_id, mac_address=existing.mac_address, fixed_ip=existing.fixed_ip
    )
    unfinished = known or by_user or after.trunk
    return update(change, existing, after) if unfinished else rows.as_asked(existing, after)


def _post_once(view: View, api: Any, change: Change, by_user: bool) -> tuple[Port, bool]:
    """A port that was made just now, or was known already.

    When its MAC address is in use, then by the port itself, made by a request whose answer was lost; or, once in many
    millions, by another port, and neutron chooses one.
    """
    after = change.after
    try:
        return _post(view, api, change, after, by_user), False
    except Conflict as error:
        if change.wanted.mac_address or not after.mac_address or after.mac_address not in str(error):
            raise
    existing = view.again(change.wanted)
    return (
        (existing, True) if existing else (_post(view, api, change, replace(after, mac_address=None), by_user), False)
    )


def _post(view: View, api: Any, change: Change, after: Port, by_user: bool) -> Port:
    body = {"port": rows.creation(change.wanted, after, by_user)}
    return view.port(api.post("ports", body, label(after))["port"])
