# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a network and a security group are, and every rule about how they come to be, change and go."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Address, ip_network
from typing import Any, Container, Iterator, Mapping

from ..core.change import Change
from ..core.convert import shown
from ..core.diff import line
from ..core.errors import Conflict, InvalidRequest, LaunchError, NotFound
from ..core.names import checked_name
from .addresses import (
    NetworkFull,
    checked_address,
    checked_cidr,
    checked_host,
    checked_ipv6_cidr,
    derived_mac,
    slaac_address,
)
from .names import DEFAULT_PROJECT, Name, gateway_port, localnet_port, name_in
from .provider import check_pool, check_provider
from .security import DEFAULT, Group

# The two kinds of things that this stage makes.
NETWORK, SECURITY_GROUP = "network", "security_group"
# Who is a network's router: every compute host for the guests that it has, or nobody. Any other is one's name.
HOST, NONE = "host", "none"
# Bytes: what Geneve leaves of an Ethernet frame, and a whole one, which goes over a wire as it is.
MTU, MTU_OF_WIRE = 1442, 1500
# Written beside an item in diffs when what is there is not as it was made.
DRIFT = "changed by someone else"

_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


@dataclass(frozen=True)
class Network:
    """A network as its definition says; all addresses are text.

    port_security is what a port gets that does not say. shared: it is one network for all projects, and project_id the
    project that made it; any other network is its project's own. router: who takes packets out of it, HOST or NONE.
    ipv6_cidr: the /64 in which ports have an IPv6 address too, which follows from their MAC address.
    physical_network: the wire of the hosts' that it is on, in frames of this vlan, or in untagged ones.
    `in_sync` is false when what the backend holds is not what it would write for this definition.
    """

    name: str
    cidr: str
    gateway: str | None
    first: str
    last: str
    dns: tuple[str, ...] = ()
    mtu: int = MTU
    dhcp: bool = True
    domain: str | None = None
    port_security: bool = True
    router: str = NONE
    in_sync: bool = True
    shared: bool = False
    project_id: str = DEFAULT_PROJECT
    ipv6_cidr: str | None = None
    physical_network: str | None = None
    vlan: int | None = None

    @property
    def full_name(self) -> Name:
        """What it is known by."""
        return name_in(self.project_id, self.name, self.shared)

    @property
    def full_router(self) -> Name | None:
        """What the router is known by that it is on; None if it is on none of ours. A router is its project's own."""
        return None if self.router in (HOST, NONE) else name_in(self.project_id, self.router)

    @property
    def ipv6_gateway(self) -> str | None:
        """The first address of ipv6_cidr, where a router is ours; any other router announces its own."""
        return str(ip_network(self.ipv6_cidr)[1]) if self.ipv6_cidr and self.router != NONE else None

    def slaac_ip(self, mac: str | None) -> str | None:
        """The IPv6 address of a port with this MAC address."""
        return slaac_address(self.ipv6_cidr, mac) if self.ipv6_cidr and mac else None

    @property
    def server(self) -> str | None:
        """The address that answers DHCP: the gateway, else the first one; None without DHCP."""
        if not self.dhcp:
            return None
        return self.gateway or str(ip_network(self.cidr)[1])

    @property
    def server_mac(self) -> str:
        """The MAC address of that, and of the gateway."""
        return derived_mac("dhcp/" + self.name, prefix="fa:16:3f")

    @property
    def gateway_port(self) -> str | None:
        """The id of the port by which every compute host is its gateway, if they are."""
        return gateway_port(self.full_name) if self.router == HOST else None

    @property
    def localnet_port(self) -> str | None:
        """The name of the port by which it is on its wire, if it is on one."""
        return localnet_port(self.full_name) if self.physical_network else None

    def definition(self) -> str:
        """The definition as one text, from which read_network() makes the network again."""
        silent = (name for name in ("shared", "ipv6_cidr", "physical_network", "vlan") if not getattr(self, name))
        elsewhere = ("name", "in_sync", "project_id", *silent)
        return json.dumps({k: v for k, v in asdict(self).items() if k not in elsewhere}, sort_keys=True)


def read_network(name: str, project_id: str, definition: str) -> Network:
    """The network whose definition() this is."""
    fields = json.loads(definition)
    return Network(name=name, project_id=project_id, **{**fields, "dns": tuple(fields["dns"])})


def define_network(name: str, options: Mapping[str, Any], no_gateway: bool) -> Network:
    """The network of what is said of it, each value of its type; InvalidRequest if it makes no sense.

    Without a gateway in the options it is the first address, as neutron does; no_gateway says that there is none. The
    gateway is each compute host unless it is said who; where it is, it also answers for names. On a wire it is a
    machine there.
    """
    checked_name(name, "network")
    physical_network = check_provider(options)
    cidr = checked_cidr(options.get("cidr", ""))
    gateway = None if no_gateway else options.get("gateway", str(cidr[1]))
    pool = options.get("allocation_pool") or {"start": str(cidr[1]), "end": str(cidr[-2])}
    router = options.get("router", HOST if gateway and not physical_network else NONE)
    if router != NONE and not gateway:
        raise InvalidRequest("router: %s needs a gateway, which it is: leave one of them out" % router)
    if router not in (HOST, NONE) and options.get("shared"):
        raise InvalidRequest(
            "router: %s is its project's own, the network all projects': leave one of them out" % router
        )
    ipv6_cidr = checked_ipv6_cidr(options["ipv6_cidr"]) if options.get("ipv6_cidr") else None
    gateways = [gateway, *([str(ipv6_cidr[1])] if ipv6_cidr else [])]
    servers = options.get("dns", gateways if router == HOST else [])
    mtu, domain = options.get("mtu", MTU_OF_WIRE if physical_network else MTU), options.get("domain") or None
    if domain and not _DOMAIN.fullmatch(domain):
        raise InvalidRequest("domain %s is not a domain name" % shown(domain))
    if not 576 <= mtu <= 65535:
        raise InvalidRequest("mtu %s is not within 576 and 65535" % shown(mtu))
    if ipv6_cidr and mtu < 1280:
        raise InvalidRequest("mtu %d is too small for IPv6, which needs 1280: leave out ipv6_cidr" % mtu)
    first, last = (checked_host(cidr, pool[end], "allocation_pool.%s" % end) for end in ("start", "end"))
    if first > last:
        raise InvalidRequest("allocation_pool ends (%s) before it starts (%s)" % (last, first))
    gateway = gateway and checked_host(cidr, gateway, "gateway")
    if physical_network:
        check_pool(gateway, first, last)
    return Network(
        name=name,
        cidr=str(cidr),
        gateway=gateway and str(gateway),
        first=str(first),
        last=str(last),
        dns=tuple(str(checked_address(server, "dns")) for server in servers),
        mtu=mtu,
        dhcp=options.get("dhcp", True),
        domain=domain,
        port_security=options.get("port_security", True),
        router=router,
        shared=options.get("shared", False),
        ipv6_cidr=ipv6_cidr and str(ipv6_cidr),
        physical_network=physical_network,
        vlan=options.get("vlan"),
    )


def check_fixed_ip(network: Network, fixed_ip: str, mac: str | None = None) -> None:
    """Raise InvalidRequest unless a port of this network may have this address; mac: the port's, if it is known."""
    if ":" in fixed_ip:
        _check_slaac(network, fixed_ip, mac)
        return
    checked_host(ip_network(network.cidr), fixed_ip, "fixed_ip")
    for what, address in (("gateway", network.gateway), ("DHCP server", network.server)):
        if fixed_ip == address:
            raise InvalidRequest("fixed_ip %s is the address of network %s's %s" % (fixed_ip, network.name, what))
    first, last = IPv4Address(network.first), IPv4Address(network.last)
    if network.physical_network and not first <= IPv4Address(fixed_ip) <= last:
        raise InvalidRequest(
            "fixed_ip %s is outside the allocation_pool of network %s, %s to %s: on physical_network %s it may be "
            "another machine's" % (fixed_ip, network.name, first, last, network.physical_network)
        )


def _check_slaac(network: Network, fixed_ip: str, mac: str | None) -> None:
    """The only IPv6 address of a port is the one that its guest gives itself."""
    if network.ipv6_cidr is None:
        raise InvalidRequest("fixed_ip %s is IPv6, and network %s has no ipv6_cidr" % (fixed_ip, network.name))
    own = network.slaac_ip(mac)
    if own not in (None, fixed_ip):
        raise InvalidRequest(
            "fixed_ip %s: the IPv6 address of a port on network %s follows from its MAC address (EUI-64): with %s it "
            "is %s; leave it out, or say another mac_address" % (fixed_ip, network.name, mac, own)
        )
    checked_host(ip_network(network.ipv6_cidr), fixed_ip, "fixed_ip")


def free_addresses(network: Network, taken: Container[str]) -> Iterator[str]:
    """The addresses of the network's pool that are free, lowest first; NetworkFull after the last.

    `taken` may grow while this runs.
    """
    first, last = (int(IPv4Address(end)) for end in (network.first, network.last))
    for number in range(first, last + 1):
        address = str(IPv4Address(number))
        if address not in taken and address not in (network.gateway, network.server):
            yield address
    raise NetworkFull(
        "network %s (%s) has no free address left: all %d from %s to %s are taken; remove ports that are no longer "
        "needed, widen its allocation_pool, or use another network"
        % (network.name, network.cidr, last - first + 1, network.first, network.last)
    )


@dataclass(frozen=True)
class Item:
    """A network or a security group as it is or is to be.

    One that is not kept goes when the last port leaves it. record_id is the record of instances that it was first made
    for. ports are some of those that use it, groups those whose rules speak of it. used: whether
    anything uses a network, where a query asks for that.
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

    held maps a network's full name to its addresses in use, and each to the port that has it.
    """

    items: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[Name, Mapping[str, str]] = field(default_factory=dict)


def key_of(kind: str, name: Name) -> str:
    """What an item is known by: networks and groups have names of their own, which hold no slash."""
    return "/".join([kind, *([] if name.project == DEFAULT_PROJECT else [name.project]), name.name])


def describe(definition: Network | Group) -> dict[str, Any]:
    """The fields of a result that a definition tells."""
    if isinstance(definition, Group):
        return {"rules": [rule.words() for rule in definition.rules]}
    names = ("cidr", "ipv6_cidr", "gateway", "mtu", "dhcp", "domain", "port_security", "router", "shared")
    names += ("physical_network", "vlan")
    pool = {"start": definition.first, "end": definition.last}
    return {**{name: getattr(definition, name) for name in names}, "dns": list(definition.dns), "allocation_pool": pool}


def plan(wanted: list[Request], current: Current, state: str) -> list[Change]:
    """Pair every item that is asked for with the one that exists."""
    going = _removable(wanted, current) if state == "absent" else set()
    changes = []
    for request in wanted:
        before = current.items.get(request.key)
        error = request.fault or (before if isinstance(before, LaunchError) else None)
        if error is not None:
            changes.append(Change(request, None, None, error))
            continue
        try:
            after = _resolve(request, before, current) if state == "present" else _remainder(request, before, going)
        except LaunchError as reason:
            changes.append(Change(request, before, before, reason))
            continue
        changes.append(Change(request, before, after))
    return changes


def _resolve(request: Request, before: Item | None, current: Current) -> Item:
    """The item as it is to be: as defined, else as it is there, else neutron's default group."""
    definition = request.definition or (before and before.definition)
    if definition is None and (request.kind, request.name) == (SECURITY_GROUP, "default"):
        definition = replace(DEFAULT, project_id=request.project_id)
    if definition is None:
        raise NotFound("%s %s is neither defined nor there: define it" % (request.kind.replace("_", " "), request.name))
    if before is not None and before.definition.project_id != request.project_id:
        return _check_shared(definition, before)
    if before is not None and isinstance(definition, Network):
        _check_network(definition, before, current.held.get(request.full_name, {}))
    if isinstance(definition, Group):
        for remote in sorted(definition.full_remotes):
            existing = current.items.get(key_of(SECURITY_GROUP, remote))
            if isinstance(existing, LaunchError):
                raise existing
    return Item(
        definition=replace(definition, in_sync=True),
        keep=request.keep or bool(before and before.keep),
        record_id=(before and before.record_id) or request.record_id,
    )


def _check_shared(network: Network, before: Item) -> Item:
    """The network of another project that shares it: as it is, or a Conflict."""
    existing = before.definition
    if describe(network) == describe(existing):
        return before
    pairs = [(key, value, describe(network)[key]) for key, value in describe(existing).items()]
    differing = ", ".join("%s %s, not %s" % (key, have, asked) for key, have, asked in pairs if have != asked)
    raise Conflict(
        "network %s is shared by project %s, and has %s: define it as it is, or one of another name"
        % (network.name, existing.project_id, differing)
    )


def _check_network(network: Network, before: Item, held: Mapping[str, str]) -> None:
    """Conflict if the network's ports stand in the way of its new definition."""
    existing = before.definition
    if existing.cidr != network.cidr and before.ports:
        raise Conflict(
            "network %s is %s and cannot become %s while it has ports (%s): remove them, or define a network of "
            "another name" % (network.name, existing.cidr, network.cidr, ", ".join(before.ports))
        )
    if existing.ipv6_cidr not in (None, network.ipv6_cidr) and before.ports:
        raise Conflict(
            "network %s has ipv6_cidr %s, in which guests have made their addresses: it stays while there are ports "
            "(%s)" % (network.name, existing.ipv6_cidr, ", ".join(before.ports))
        )
    if existing.full_router not in (None, network.full_router) and before.ports:
        raise Conflict(
            "network %s is on router %s, and stays there while it has ports (%s), which go out by it"
            % (network.name, existing.router, ", ".join(before.ports))
        )
    wires = [_wire(each) for each in (existing, network)]
    if wires[0] != wires[1] and before.ports:
        raise Conflict(
            "network %s is %s and cannot be %s while it has ports (%s), which would lose whom they speak with: remove "
            "them, or define a network of another name" % (network.name, *wires, ", ".join(before.ports))
        )
    for what, address in (("gateway", network.gateway), ("DHCP server", network.server)):
        if address not in (existing.gateway, existing.server) and address in held:
            raise Conflict(
                "network %s: the %s's address %s belongs to port %s" % (network.name, what, address, held[address])
            )


def _wire(network: Network) -> str:
    """Where the network's frames go, in words."""
    if not network.physical_network:
        return "on no physical_network"
    return "on %s, %s" % (network.physical_network, "vlan %d" % network.vlan if network.vlan else "untagged")


def _removable(wanted: list[Request], current: Current) -> set[Name]:
    """The names of the groups that can go together: no port uses them, nor the rules of a group that stays."""
    asked = {request.full_name: current.items.get(request.key) for request in wanted if request.kind == SECURITY_GROUP}
    going = {name for name, item in asked.items() if isinstance(item, Item) and not item.ports}
    while True:
        staying = {name for name in going if set(asked[name].groups) - going - {name}}
        if not staying:
            return going
        going -= staying


def _remainder(request: Request, before: Item | None, going: set[Name]) -> None:
    """What remains of the item: nothing; or a Conflict if something uses it, or another project only shares it."""
    if before is None:
        return
    if before.definition.project_id != request.project_id:
        raise Conflict("network %s is project %s's, which shares it" % (before.name, before.definition.project_id))
    what = "%s %s" % (before.kind.replace("_", " "), before.name)
    if before.ports:
        raise Conflict("%s is used by ports, %s: remove them first" % (what, ", ".join(before.ports)))
    users = sorted(set(before.groups) - going - {before.definition.full_name})
    if users:
        names = ", ".join(map(str, users))
        raise Conflict("%s is used by the rules of %s: change or remove these first" % (what, names))
