# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sub-ports: ports of an instance that share the interface of another one, their parent, each by its VLAN. Pure.

The words and rules are those of neutron's trunks. One parent has a VLAN once, and a sub-port none of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..core.convert import whole
from ..core.errors import InvalidRequest
from ..network.model import Network
from .item import Request


def checked_vlan(value: Any, what: str) -> int:
    """The number of a VLAN (IEEE 802.1Q)."""
    return whole(value, what, least=1, most=4094)


def check_subport(request: Request) -> None:
    """InvalidRequest unless a port names both its parent and its VLAN there, or neither."""
    if request.parent and request.vlan is None:
        raise InvalidRequest("a sub-port of %s needs its vlan there" % request.parent)
    if request.parent and request.port:
        raise InvalidRequest("a sub-port is made on a network, and no port of yours: make their trunk in neutron")
    if request.vlan is not None and not request.parent:
        raise InvalidRequest("vlan %d: name the port whose sub-port it is, as parent" % request.vlan)
    if request.parent == request.id:
        raise InvalidRequest("it is its own parent: name the port whose sub-port it is")


def with_parents(requests: list[Request]) -> list[Request]:
    """The requests; with its fault each sub-port that its parent cannot have, as far as that one is asked for too."""
    known = {request.id: request for request in requests}
    return [_checked(request, known.get(str(request.parent))) for request in requests]


def _checked(request: Request, parent: Request | None) -> Request:
    if request.fault is not None or parent is None:
        return request
    if parent.parent:
        return _faulty(request, "its parent %s is a sub-port itself: name that one's parent" % parent.name)
    mine, theirs = (each.definitions.networks.get(str(each.network)) for each in (request, parent))
    if isinstance(mine, Network) and isinstance(theirs, Network) and mine.mtu > theirs.mtu:
        # What the guest sends by a VLAN goes through the interface that has it (neutron's rule for trunks).
        return _faulty(
            request,
            "its network %s has MTU %d, and network %s of its parent %d: give that one's at least the same"
            % (mine.name, mine.mtu, theirs.name, theirs.mtu),
        )
    return request


def _faulty(request: Request, why: str) -> Request:
    return replace(request, fault=InvalidRequest(why))
