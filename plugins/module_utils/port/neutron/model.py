# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every rule about how a port of neutron's comes to be and may change (the seed's steps 10 to 13). Pure.

Networks and security groups are neutron's own, and it gives out the addresses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable

from ...core.change import Change, first, pair
from ...core.errors import Conflict, InvalidRequest, LaunchError
from ...network.addresses import derived_mac
from ..item import Request, allowed_pairs
from .floating import resolve_floating
from .item import Current, Group, Network, Port, sorted_groups
from .names import choose

# What only neutron knows of a port that there is.
KNOWN = ("adopted", "port_id", "status", "owner", "trunk_id")


def plan(wanted: list[Request], current: Current, state: str) -> list[Change]:
    """Pair every wanted port with the one that exists. A user's own port becomes the instance's by an update."""
    given: dict[str, str] = {}
    parents = {request.parent for request in wanted}

    def after(request: Request, before: Port | None) -> Port | None:
        if state != "present":
            return None
        trunk = request.id in parents or bool(before and before.trunk)
        return replace(_resolve(request, before, current, given), trunk=trunk)

    return [_plan(request, request.fault or _ours(request, current), current, state, after) for request in wanted]


def _plan(request: Request, before: Any, current: Current, state: str, after: Callable) -> Change:
    """One port's change, of the user's own port where the request names one."""
    if state != "present" or not request.port or isinstance(before, LaunchError):
        return pair(request, before, after)
    try:
        offered = _find_offered(request, before, current)
    except LaunchError as error:
        return Change(request, before, before, error)
    return pair(request, offered, after)


def _ours(request: Request, current: Current) -> Port | Conflict | None:
    """The port with our mark, or the Conflict that it is another device's by now."""
    before = current.ports.get(request.key)
    if before is not None and before.device not in ("", request.instance_uuid):
        return Conflict(
            "port %s has our mark but belongs to device %s (%s): not touched; detach it there, or remove its mark"
            % (before.port_id, before.device, before.owner)
        )
    return before


def _find_offered(request: Request, before: Port | None, current: Current) -> Port:
    """The user's own port that a request names, as it is now; Conflict if it may not be taken."""
    named = [port for port in current.offered if request.port in (port.port_id, port.name)]
    if before is not None and (not named or any(port.port_id == before.port_id for port in named)):
        return before
    if before is not None:
        raise Conflict(
            "the instance has port %s and cannot change to %s: remove it first" % (before.port_id, request.port)
        )
    port = choose("port", str(request.port), [(each.port_id, each.name, each) for each in current.offered])
    if port.project_id != current.project_id:
        raise Conflict.telling(
            "port %s belongs to %s, not to this one",
            facts=(request.port, "project %s" % port.project_id),
            public=(request.port, "another project"),
        )
    if port.device not in ("", request.instance_uuid) or (not port.device and port.owner):
        raise Conflict(
            "port %s is in use by %s (%s): give another, or detach it there first"
            % (request.port, port.device or "no device", port.owner)
        )
    if port.id not in ("", request.id):
        raise Conflict("port %s is the launcher's, as %s: name the network instead" % (request.port, port.id))
    return replace(port, id=request.id, name=request.name)


def _resolve(request: Request, before: Port | None, current: Current, given: dict[str, str]) -> Port:
    """The port as it is to be."""
    network = _network(request, before, current)
    secured = first(request.port_security, before and before.port_security, network.port_security)
    parent = request.parent or (before and before.parent)
    host = before and before.host
    # One without a MAC address is the port's own, which neutron then writes there.
    own_mac = before.mac_address if before else request.mac_address
    port = Port(
        id=request.id,
        name=request.name,
        # Neutron has a sub-port where its parent is.
        device="" if parent else request.instance_uuid,
        host=host if parent else first(request.host, host),
        parent=parent,
        vlan=request.vlan or (before and before.vlan),
        instance=request.instance_uuid,
        network=network,
        mac_address=_mac(request, before, network),
        fixed_ip=_lasting("fixed_ip", request, before),
        security_groups=_groups(request, before, secured, current),
        port_security=secured,
        allowed_address_pairs=allowed_pairs(request, before, secured, own_mac),
        floating=resolve_floating(request, before and before.floating, current),
        project_id=current.project_id,
        **{name: getattr(before, name) for name in (KNOWN if before else ())},
    )
    _claim(port, given)
    return port


def _claim(port: Port, given: dict[str, str]) -> None:
    """What the port is given is no other's of this request: Conflict if it is."""
    for what in filter(None, (port.port_id, port.floating and port.floating.id)):
        if given.setdefault(what, port.id) != port.id:
            raise Conflict("%s is asked for by another port of this request too" % what)


def _network(request: Request, before: Port | None, current: Current) -> Network:
    """The port's network, where the user may have a port (nova's checks: external and without a subnet are not)."""
    if before is not None and request.network in (None, before.network.id, before.network.name):
        return before.network
    if before is not None:
        raise Conflict(
            "the port is on network %s and cannot move to %s: remove it first" % (before.network.name, request.network)
        )
    network = choose("network", str(request.network), [(each.id, each.name, each) for each in current.networks])
    if not (network.own or network.shared):
        raise Conflict(
            "network %s is neither this project's nor shared with it: no port can be made there" % request.network
        )
    if not network.subnets:
        raise InvalidRequest("network %s has no subnet: its ports would have no address" % request.network)
    return network


def _groups(request: Request, before: Port | None, secured: bool, current: Current) -> tuple[Group, ...]:
    """The port's security groups: those asked for, else those it has, else the project's default one."""
    if not secured:
        if request.security_groups:
            raise InvalidRequest("a port without port security can have no security groups")
        return ()
    if request.security_groups is None and before is not None and before.port_security:
        return before.security_groups
    names = ("default",) if request.security_groups is None else request.security_groups
    known = [(group.id, group.name, group) for group in current.groups]
    return sorted_groups({choose("security group", name, known) for name in names})


def _lasting(what: str, request: Request, before: Port | None) -> str | None:
    """An address that, once there, stays; None of a new port is for neutron to choose."""
    asked, existing = getattr(request, what), before and getattr(before, what)
    if asked and before and asked != existing:
        raise Conflict("%s is %s and cannot become %s: remove the port first" % (what, existing, asked))
    return asked or existing


def _mac(request: Request, before: Port | None, network: Network) -> str | None:
    """The MAC address. That of a new port follows from our id, so that neutron refuses to make the port twice."""
    mac = _lasting("mac_address", request, before)
    return mac or (None if before or user_asks(request, network) else derived_mac(request.id))


def user_asks(request: Request, network: Network) -> bool:
    """Whether neutron has to be asked by the user: on a network of others it may refuse what only its owner may say."""
    values = (request.mac_address, request.fixed_ip, request.port_security, request.allowed_address_pairs)
    return not network.own and any(value is not None for value in values)
