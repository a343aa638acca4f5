# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bridge on a wire is, and every rule about how it comes to be and goes: no host is cut off by it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Iterator, Mapping

from ..core.change import Change
from ..core.diff import line
from ..core.errors import Conflict, LaunchError
from ..core.names import INTEGRATION_BRIDGE

# How `ip` calls the master of what is in a bridge of the kernel's datapath.
OVS_MASTER = "ovs-system"


@dataclass(frozen=True)
class Bridge:
    """A bridge that is mapped to a wire, and the interface by which it gets there, if it is us who put that into it.

    datapath_type: system, the kernel's, or netdev. `in_sync` is false when not all of it is as it was made.
    """

    physical_network: str
    bridge: str
    interface: str | None
    datapath_type: str
    in_sync: bool = True

    @property
    def key(self) -> str:
        return self.physical_network

    @property
    def name(self) -> str:
        return self.physical_network

    def to_result(self) -> dict[str, Any]:
        """The bridge as the user gets it."""
        return {"name": self.name, **{key: value for key, value in asdict(self).items() if key != "in_sync"}}


def as_text(bridge: Bridge, _whole: bool) -> str:
    """What a diff shows of it."""
    drift = {} if bridge.in_sync else {"drift": "not as it was made"}
    fields = {"bridge": bridge.bridge, "interface": bridge.interface, "datapath_type": bridge.datapath_type, **drift}
    return line("physical_network " + bridge.name, fields)


@dataclass(frozen=True)
class Switch:
    """A bridge that Open vSwitch has: whether we made it, and its ports, those that we put in and those of others."""

    datapath_type: str
    ours: bool = False
    our_ports: frozenset[str] = frozenset()
    other_ports: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Link:
    """An interface of the host: its addresses, what it belongs to (a bond, a bridge), and what it lies over."""

    up: bool = True
    addresses: tuple[str, ...] = ()
    master: str | None = None
    lower: str | None = None


@dataclass(frozen=True)
class Current:
    """What a host has: what was made of ours, all mappings, bridges and links, and the interfaces of default routes.

    kept_up are the interfaces that a unit of ours brings up at boot.
    """

    made: Mapping[str, Bridge] = field(default_factory=dict)
    mappings: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, Switch] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    routes: frozenset[str] = frozenset()
    kept_up: frozenset[str] = frozenset()


def plan(wanted: list[Bridge], current: Current, state: str) -> list[Change]:
    """Every wanted bridge as it is and is to be; those that we made and nobody wants any more go."""
    names = {bridge.key for bridge in wanted}
    gone = [Change(made, made, None) for key, made in sorted(current.made.items()) if key not in names]
    return [*gone, *(_change(bridge, current) for bridge in wanted)]


def _change(bridge: Bridge, current: Current) -> Change:
    before = current.made.get(bridge.key)
    if before is not None:
        before = replace(before, in_sync=is_there(before, current))
    if before == bridge:
        return Change(bridge, before, bridge)
    try:
        _check_bridge(bridge, current)
        if bridge.interface:
            _check_interface(bridge.interface, {bridge.bridge, *([before.bridge] if before else [])}, current)
    except LaunchError as error:
        return Change(bridge, before, before, error)
    return Change(bridge, before, bridge)


def is_there(bridge: Bridge, current: Current) -> bool:
    """Whether all of it is as it is made."""
    switch, link = current.switches.get(bridge.bridge), current.links.get(bridge.interface or "", Link(up=False))
    if switch is None or switch.datapath_type != bridge.datapath_type:
        return False
    wired = bridge.interface is None or (
        bridge.interface in switch.our_ports | switch.other_ports and link.up and bridge.interface in current.kept_up
    )
    return wired and current.mappings.get(bridge.key) == bridge.bridge


def _check_bridge(bridge: Bridge, current: Current) -> None:
    """Conflict if the bridge is for something else."""
    switch, mapped = current.switches.get(bridge.bridge), current.mappings.get(bridge.key)
    if bridge.bridge == INTEGRATION_BRIDGE:
        raise Conflict("bridge %s is OVN's own: choose another name, such as br-ex" % bridge.bridge)
    if mapped not in (None, bridge.bridge) and bridge.key not in current.made:
        raise Conflict(
            "it is mapped to bridge %s already, and not by us: say that bridge, or take it out of Open vSwitch's "
            "external_ids:ovn-bridge-mappings" % mapped
        )
    if switch is None and bridge.bridge in current.links:
        raise Conflict("%s is an interface of this host, not a bridge of Open vSwitch's" % bridge.bridge)
    if switch is not None and not switch.ours and switch.datapath_type != bridge.datapath_type:
        raise Conflict(
            "bridge %s has the datapath_type %s, and OVN's bridges have %s: no frame goes from one to the other"
            % (bridge.bridge, switch.datapath_type, bridge.datapath_type)
        )


def _check_interface(interface: str, bridges: set[str], current: Current) -> None:
    """Conflict if the interface is for something else than these bridges, above all for the way to this host itself."""
    if interface not in current.links:
        raise Conflict("interface %s is not there: `ip link` shows which ones are" % interface)
    for name, switch in current.switches.items():
        if name not in bridges and interface in switch.our_ports | switch.other_ports:
            raise Conflict("interface %s is a port of bridge %s: take it out there first" % (interface, name))
    for name in _stack(interface, current.links):
        above = "" if name == interface else " (%s over it)" % name
        if current.links[name].addresses:
            raise Conflict(_cut_off(interface, above, "has the address %s" % current.links[name].addresses[0]))
        if name in current.routes:
            raise Conflict(_cut_off(interface, above, "has the default route"))
    master = current.links[interface].master
    if master not in (None, OVS_MASTER):
        raise Conflict("interface %s belongs to %s: take one that is free, or %s itself" % (interface, master, master))


def _cut_off(interface: str, above: str, why: str) -> str:
    return (
        "interface %s%s %s, and in the bridge nobody would reach this host by it: take an interface without one; or "
        "make the bridge yourself, with the address on it, and leave interface out" % (interface, above, why)
    )


def _stack(interface: str, links: Mapping[str, Link]) -> Iterator[str]:
    """The interface and all that lies over it: its bond or bridge, VLANs of it, and so on.

    The two ends of a pair (veth) are each other's link: neither lies over the other.
    """
    found, left = set(), [interface]
    while left:
        name = left.pop()
        if name in found or name not in links or name == OVS_MASTER:
            continue
        found.add(name)
        yield name
        left += [other for other, link in sorted(links.items()) if link.lower == name and links[name].lower != other]
        left += [links[name].master] if links[name].master else []
