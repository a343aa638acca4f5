# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a network and a security group are, and every rule about how they come to be, change and go."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, Mapping

from ..core.change import Change, pair
from ..core.diff import line
from ..core.errors import Conflict, LaunchError, NotFound
from .definition import NONE, Network
from .names import DEFAULT_PROJECT, Name, name_in
from .provider import check_neighbours, wire
from .security import DEFAULT, Group, unspoken

# The two kinds of things that this stage makes.
NETWORK, SECURITY_GROUP = "network", "security_group"
# Written beside an item in diffs when what is there is not as it was made.
DRIFT = "changed by someone else"
ADVICE = "remove them, or define a network of another name"


@dataclass(frozen=True)
class Item:
    """A network or a security group as it is or is to be.

    One that is not kept goes when the last port leaves it. record_id is the record of instances that it was first made
    for. ports are some of those that use it, groups those whose rules speak of it. used: whether
    anything uses it, where a query asks for that.
    """

    definition: Network | Group
    keep: bool = True
    record_id: str | None = None
    ports: tuple[str, ...] = field(default=(), compare=False)
    groups: tuple[Name, ...] = field(default=(), compare=False)
    used: bool | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return NETWORK if isinstance(self.definition, Network) else SECURITY_GROUP

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def in_sync(self) -> bool:
        return self.definition.in_sync

    def to_result(self) -> dict[str, Any]:
        """The item as the user gets it."""
        known = {"kind": self.kind, "name": self.name, "keep": self.keep, "record_id": self.record_id}
        used = {} if self.used is None else {"used": self.used}
        return {**known, "project_id": self.definition.project_id, **describe(self.definition), **used}

    def as_text(self) -> str:
        """The item for a diff."""
        shown = {**self.to_result(), **({} if self.in_sync else {DRIFT: True})}
        return json.dumps(shown, indent=2, sort_keys=True) + "\n"


def as_text(item: Item, whole: bool) -> str:
    """What a diff shows of a network or a security group."""
    if whole:
        return item.as_text()
    drift = {} if item.in_sync else {"drift": DRIFT}
    name = "%s %s" % (item.kind.replace("_", " "), item.name)
    return line(name, {**describe(item.definition), **drift})


@dataclass(frozen=True)
class Request:
    """A network or a security group that is asked for. Without a definition it is one that is there.

    shared: the network that all projects share is meant, not the project's own. `fault` says why it makes no sense.
    """

    kind: str
    name: str
    definition: Network | Group | None = None
    keep: bool = True
    record_id: str | None = None
    project_id: str = DEFAULT_PROJECT
    shared: bool = False
    fault: LaunchError | None = field(default=None, compare=False)

    @property
    def full_name(self) -> Name:
        """What it is known by."""
        return name_in(self.project_id, self.name, self.shared)

    @property
    def key(self) -> str:
        return key_of(self.kind, self.full_name)

    def to_result(self) -> dict[str, Any]:
        """What is known of an item that was not made."""
        known = {name: getattr(self, name) for name in ("kind", "name", "keep", "record_id", "project_id")}
        return {**known, **(describe(self.definition) if self.definition else {})}


@dataclass(frozen=True)
class Current:
    """What is there, by key. A LaunchError stands for what is not ours to touch.

    held maps a network's full name to its addresses in use, and each to the port that has it. on_wires are the networks
    on the physical networks that are asked for, by full name.
    """

    items: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[Name, Mapping[str, str]] = field(default_factory=dict)
    on_wires: Mapping[Name, Network] = field(default_factory=dict)


def key_of(kind: str, name: Name) -> str:
    """What an item is known by: networks and groups have names of their own, which hold no slash."""
    return "/".join([kind, *([] if name.project == DEFAULT_PROJECT else [name.project]), name.name])


def describe(definition: Network | Group) -> dict[str, Any]:
    """The fields of a result that a definition tells."""
    if isinstance(definition, Group):
        return {"rules": [rule.words() for rule in definition.rules]}
    names = (
        "cidr",
        "ipv6_cidr",
        "gateway",
        "ipv6_gateway",
        "mtu",
        "dhcp",
        "domain",
        "port_security",
        "router",
        "shared",
    )
    names += ("physical_network", "vlan")
    pool = {"start": definition.first, "end": definition.last} if definition.cidr else None
    return {**{name: getattr(definition, name) for name in names}, "dns": list(definition.dns), "allocation_pool": pool}


def plan(wanted: list[Request], current: Current, state: str) -> list[Change]:
    """Pair every item that is asked for with the one that exists."""
    going = _removable(wanted, current) if state == "absent" else set()
    on_wires = dict(current.on_wires)

    def after(request: Request, before: Item | None) -> Item | None:
        return (
            _resolve(request, before, current, on_wires) if state == "present" else _remainder(request, before, going)
        )

    return [pair(request, request.fault or current.items.get(request.key), after) for request in wanted]


def _resolve(request: Request, before: Item | None, current: Current, on_wires: dict[Name, Network]) -> Item:
    """The item as it is to be.

    on_wires are the networks on wires as they are, and those of this plan as they are to be.
    """
    definition = _definition(request, before)
    if before is not None and before.definition.project_id != request.project_id:
        return _check_shared(definition, before)
    if isinstance(definition, Group):
        _check_remotes(definition, current)
    elif before is not None:
        _check_network(definition, before, current.held.get(request.full_name, {}))
    if isinstance(definition, Network) and definition.physical_network:
        check_neighbours(definition, before and before.definition, on_wires.values())
        on_wires[request.full_name] = definition
    return Item(
        definition=replace(definition, in_sync=True),
        keep=request.keep or bool(before and before.keep),
        record_id=(before and before.record_id) or request.record_id,
    )


def _definition(request: Request, before: Item | None) -> Network | Group:
    """As defined, else as it is there, else neutron's default group."""
    definition = request.definition or (before and before.definition)
    if definition is None and (request.kind, request.name) == (SECURITY_GROUP, "default"):
        return replace(DEFAULT, project_id=request.project_id)
    if definition is None:
        raise NotFound("%s %s is neither defined nor there: define it" % (request.kind.replace("_", " "), request.name))
    return definition


def _check_remotes(group: Group, current: Current) -> None:
    """Conflict if a group that the rules speak of is not ours."""
    for remote in sorted(group.full_remotes):
        existing = current.items.get(key_of(SECURITY_GROUP, remote))
        if isinstance(existing, LaunchError):
            raise existing


def _check_shared(network: Network, before: Item) -> Item:
    """The network of another project that shares it: as it is, or a Conflict."""
    existing = before.definition
    if describe(network) == describe(existing):
        return before
    pairs = [(key, value, describe(network)[key]) for key, value in describe(existing).items()]
    differing = ", ".join("%s %s, not %s" % (key, have, asked) for key, have, asked in pairs if have != asked)
    raise Conflict.telling(
        "network %s is shared by %s, and has %s: define it as it is, or one of another name",
        facts=(network.name, "project %s" % existing.project_id, differing),
        public=(network.name, "another project", differing),
    )


def _check_network(network: Network, before: Item, held: Mapping[str, str]) -> None:
    """Conflict if the network's ports stand in the way of its new definition."""
    existing = before.definition
    for what, address in (("gateway", network.gateway), ("DHCP server", network.server)):
        if address not in (existing.gateway, existing.server) and address in held:
            raise Conflict.telling(
                "network %s: the %s's address %s belongs to %s",
                facts=(network.name, what, address, "port %s" % held[address]),
                public=(network.name, what, address, "a port"),
            )
    if before.ports:
        # Of a shared network they may be other projects'.
        texts = zip(*(_kept_by_ports(existing, network, ports) for ports in (", ".join(before.ports), "of instances")))
        for reason in texts:
            raise Conflict(*("network %s %s" % (network.name, each) for each in reason))


def _kept_by_ports(existing: Network, network: Network, ports: str) -> Iterator[str]:
    """Why what is to change of a network stays as it is while it has these ports."""
    if existing.cidr != network.cidr:
        cidrs = (each.cidr or "without a cidr" for each in (existing, network))
        yield "is %s and cannot become %s while it has ports (%s): %s" % (*cidrs, ports, ADVICE)
    if existing.ipv6_cidr not in (None, network.ipv6_cidr):
        yield "has ipv6_cidr %s, in which guests have made their addresses: it stays while there are ports (%s)" % (
            existing.ipv6_cidr,
            ports,
        )
    if existing.full_router not in (None, network.full_router):
        yield "is on router %s, and stays there while it has ports (%s), which go out by it" % (existing.router, ports)
    wires = [wire(each) for each in (existing, network)]
    if wires[0] != wires[1]:
        yield "is %s and cannot be %s while it has ports (%s), which would lose whom they speak with: %s" % (
            *wires,
            ports,
            ADVICE,
        )
    if existing.router != NONE and existing.gateway not in (None, network.gateway):
        yield "has gateway %s, and its ports (%s) go out by it: %s" % (existing.gateway, ports, ADVICE)


def _removable(wanted: list[Request], current: Current) -> set[Name]:
    """The names of the groups that can go together: no port uses them, nor the rules of a group that stays."""
    asked = {request.full_name: current.items.get(request.key) for request in wanted if request.kind == SECURITY_GROUP}
    unused = {name for name, item in asked.items() if isinstance(item, Item) and not item.ports}
    return unspoken(unused, lambda name: set(asked[name].groups))


def _remainder(request: Request, before: Item | None, going: set[Name]) -> None:
    """What remains of the item: nothing; or a Conflict if something uses it, or another project only shares it."""
    if before is None:
        return
    if before.definition.project_id != request.project_id:
        owner = "project %s" % before.definition.project_id
        words = "network %s is %s's, which shares it"
        raise Conflict.telling(words, facts=(before.name, owner), public=(before.name, "another project"))
    what = "%s %s" % (before.kind.replace("_", " "), before.name)
    if before.ports:
        ports = ", " + ", ".join(before.ports)
        raise Conflict.telling("%s is used by ports%s: remove them first", facts=(what, ports), public=(what, ""))
    users = sorted(set(before.groups) - going - {before.definition.full_name})
    if users:
        names = ", ".join(map(str, users))
        raise Conflict("%s is used by the rules of %s: change or remove these first" % (what, names))
