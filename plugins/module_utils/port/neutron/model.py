# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every rule about how a port of neutron's comes to be and may change (the seed's steps 10 to 13). Pure.

Networks and security groups are neutron's own, and it gives out the addresses.
"""

from __future__ import annotations

from dataclasses import replace

from ...core.change import Change, first
from ...core.errors import Conflict, InvalidRequest, LaunchError
from ...network.addresses import derived_mac
from ..item import Request, allowed_pairs
from .floating import resolve_floating
from .item import Current, Group, Network, Port, sorted_groups
from .names import choose


def plan(wanted: list[Request], current: Current, state: str) -> list[Change]:
    """Pair every wanted port with the one that exists. A user's own port becomes the instance's by an update."""
    changes = []
    given: dict[str, str] = {}
    parents = {request.parent for request in wanted}
    for request in wanted:
        if request.fault is not None:
            changes.append(Change(request, None, None, request.fault))
            continue
        before = current.ports.get(request.key)
        try:
            _check_ours(request, before)
        except LaunchError as error:
            changes.append(Change(request, None, None, error))
            continue
        try:
            if state == "present":
                before = _find_offered(request, before, current) if request.port else before
                after = _resolve(request, before, current, given)
                trunk = request.id in parents or bool(before and before.trunk)
                changes.append(Change(request, before, replace(after, trunk=trunk)))
            else:
                changes.append(Change(request, before, None))
        except LaunchError as error:
            changes.append(Change(request, before, before, error))
    return changes


def _check_ours(request: Request, before: Port | None) -> None:
    """Conflict if a port with our mark is another device's by now."""
    if before is not None and before.device not in ("", request.instance_uuid):
        raise Conflict(
            "port %s has our mark but belongs to device %s (%s): not touched; detach it there, or remove its mark"
            % (before.port_id, before.device, before.owner)
        )


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
        raise Conflict("port %s belongs to project %s, not to this one" % (request.port, port.project_id))
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
    port = Port(
        id=request.id,
        name=request.name,
        # Neutron has a sub-port where its parent is.
        device="" if parent else request.instance_uuid,
        host=(before and before.host) if parent else first(request.host, before and before.host),
        parent=parent,
        vlan=request.vlan or (before and before.vlan),
        instance=request.instance_uuid,
        network=network,
        mac_address=_mac(request, before, network),
        fixed_ip=_lasting("fixed_ip", request, before),
        security_groups=_groups(request, before, secured, current),
        port_security=secured,
        # One without a MAC address is the port's own, which neutron then writes there.
        allowed_address_pairs=allowed_pairs(
            request, before, secured, before.mac_address if before else request.mac_address
        ),
        project_id=current.project_id,
    )
    if before is not None:
        known = ("adopted", "port_id", "status", "owner", "trunk_id")
        port = replace(port, **{name: getattr(before, name) for name in known})
    port = replace(port, floating=resolve_floating(request, before and before.floating, current))
    for what in filter(None, (port.port_id, port.floating and port.floating.id)):
        if given.setdefault(what, request.id) != request.id:
            raise Conflict("%s is asked for by another port of this request too" % what)
    return port


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
