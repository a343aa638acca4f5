# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Floating IPs: which one a port is to have. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from ...core.errors import Conflict, InvalidRequest, NotFound
from ..item import Request
from .names import choose


@dataclass(frozen=True)
class Floating:
    """A floating IP; without an id it is to be made. `ours` is the id of our port that it was made for, if it was."""

    network_id: str
    id: str | None = None
    address: str | None = None
    ours: str | None = None
    port_id: str | None = field(default=None, compare=False)


def resolve_floating(request: Request, before: Floating | None, current: Any) -> Floating | None:
    """The floating IP that the port is to have: what it has if nothing is said, or if that is what is asked for."""
    asked = request.floating_ip
    if asked is None or asked is False:
        return before if asked is None else None
    if asked is True and before is not None:
        return before
    if asked is True or any(asked in (network.id, network.name) for network in current.externals):
        network = _external(asked, current)
        if before is not None and before.network_id == network.id:
            return before
        return _stray(request, network.id, current) or Floating(network.id, ours=request.id)
    return _existing(str(asked), before, current)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def held_by(port_id: str | None, floatings: Any) -> Floating | None:
    """The floating IP that a port has; one that we made, if there are several."""
    held = [floating for floating in floatings if port_id and floating.port_id == port_id]
    return min(held, key=lambda floating: (floating.ours is None, str(floating.id)), default=None)


def stray(identity: str, floatings: Any) -> Floating | None:
    """A floating IP that was made for a port of ours and that no port has."""
    return next((floating for floating in floatings if floating.ours == identity and not floating.port_id), None)


def _stray(request: Request, network_id: str, current: Any) -> Floating | None:
    found = stray(request.id, current.floatings)
    return found if found is not None and found.network_id == network_id else None


def _external(asked: Any, current: Any) -> Any:
    """The external network that is asked for; True is the only one."""
    if asked is not True:
        return choose("network", asked, [(each.id, each.name, each) for each in current.externals])
    if not current.externals:
        raise NotFound("floating_ip: the user sees no external network; `openstack network list --external`")
    if len(current.externals) > 1:
        names = ", ".join(sorted("%s (%s)" % (network.name, network.id) for network in current.externals))
        raise InvalidRequest("floating_ip: there are several external networks, name one: %s" % names)
    return current.externals[0]


def _existing(asked: str, before: Floating | None, current: Any) -> Floating:
    """The project's own floating IP of that address or id, if it is free."""
    floating = next((each for each in current.floatings if asked in (each.address, each.id)), None)
    if floating is None:
        raise NotFound(
            "floating_ip %s: neither an external network that the user sees, nor a floating IP of this project; "
            "`openstack network list --external` and `openstack floating ip list` show what there is" % asked
        )
    if floating.port_id and (before is None or floating.id != before.id):
        raise Conflict("floating IP %s belongs to port %s: free it there first" % (floating.address, floating.port_id))
    return floating
