# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is attached to an instance, its ports and volumes: what they are, who is who from run to run, what may change.

The types are nova's objects.NetworkRequest and objects.BlockDeviceMapping: a wish first, then, with its identity and
what its stage has learned, what the record keeps. None means not mentioned, or not known yet. One that a running
instance is to lose is `leaving` until its stage has taken it back.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Container, Iterable, Iterator, Mapping, Sequence

from ..core.change import over
from ..core.names import port_id

# What a volume is made with and keeps.
MADE_WITH = ("type", "snapshot", "boot")
# What is said of a port beside its network and its address.
SAID = ("security_groups", "port_security", "allowed_address_pairs", "qos", "floating_ip")
# What a port has only once, and keeps.
OWN = ("fixed_ip", "mac_address")
# What is learned of a port that there is, and what the network says of it beside.
OF_PORT = ("mac_address", "fixed_ip")
NETWORK_INFO = ("port_id", "floating_ip_address", "cidr", "gateway", "dns", "mtu", "dhcp", "domain")
NETWORK_INFO += ("ipv6_address", "ipv6_cidr", "ipv6_gateway", "physical_network", "router")
NETWORK_INFO += ("network_id", "network_name", "subnet_id")


@dataclass(frozen=True)
class NetworkRequest:
    """A port of an instance: on a network, or one of the user's own (port). network_info: what its stage found out.

    fixed_ips are all its addresses where there are several; fixed_ip is the first of them. A wish has its sub-ports in
    it; in the record each is a port of its own that names its parent, and follows it.
    """

    network: str | None = None
    port: str | None = None
    fixed_ip: str | None = None
    fixed_ips: list | None = None
    security_groups: list | None = None
    port_security: bool | None = None
    allowed_address_pairs: list | None = None
    qos: list | None = None
    floating_ip: Any = None
    subports: list | None = None
    parent: str | None = None
    vlan: int | None = None
    id: str | None = None
    name: str | None = None
    instance_uuid: str | None = None
    mac_address: str | None = None
    network_info: dict | None = None
    leaving: bool = False

    @property
    def public_id(self) -> str | None:
        """What the network service calls it, or until it has made it the record."""
        return (self.network_info or {}).get("port_id") or self.port or self.id

    @property
    def local(self) -> bool:
        """No compute host keeps a port."""
        return False

    def detaching(self) -> NetworkRequest:
        """The port that its instance is to lose."""
        return replace(self, leaving=True)


@dataclass(frozen=True)
class BlockDeviceMapping:
    """A volume of an instance. size in GiB, None for one that exists; service: who keeps it, file for compute hosts.

    host is where a local volume waits for its instance, None for one that is wherever its instance is. made: a local
    one that an instance has had, so that it is never made anew.
    """

    id: str
    name: str
    size: int | None = None
    delete_on_termination: bool = False
    service: str = "file"
    format: str | None = None
    type: str | None = None
    image: str | None = None
    snapshot: str | None = None
    boot: bool | None = None
    device: str | None = None
    host: str | None = None
    instance_uuid: str | None = None
    volume_id: str | None = None
    attachment_id: str | None = None
    made: bool | None = None
    leaving: bool = False

    @property
    def public_id(self) -> str:
        """What its service calls it, or until it has made it the record."""
        return self.volume_id or self.id

    @property
    def local(self) -> bool:
        """Whether a compute host keeps it; of the others their service keeps the record, and a quota of its own."""
        return self.service == "file"

    def detaching(self) -> BlockDeviceMapping:
        """The volume that its instance is to lose; it stays, whatever was to be with its instance."""
        return replace(self, leaving=True, delete_on_termination=False)


def to_data(parts: Iterable[Any]) -> list[dict[str, Any]]:
    """Ports or volumes as documents and the record's rows have them."""
    return [asdict(part) for part in parts]


def from_data(kind: type, parts: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The ports or volumes of such data; what a stage has added to them beside is left out."""
    names = {field.name for field in fields(kind)}
    return [kind(**{name: value for name, value in part.items() if name in names}) for part in parts]


def boot_volume(volumes: Iterable[BlockDeviceMapping] | None) -> BlockDeviceMapping | None:
    """The volume that the instance boots from; None if it has a root disk."""
    return next((volume for volume in volumes or () if volume.boot and not volume.leaving), None)


def ports(wanted: Any, identity: str, before: Sequence[NetworkRequest] | None) -> list[NetworkRequest]:
    """The wanted ports with their ids and names, laid over those of the record, whose MAC and address stay."""
    known, said, listed = before or (), wanted.ports or [], []
    asked = _subports(said, None)
    taken = {port.id for port in known}
    parents = _identify(asked, _subports(known, None), wanted.name, identity, taken)
    for port, parent in zip(asked, parents):
        have = _subports(known, parent.id)
        mine = _wished(port, said)
        if mine is None:
            named = [each for each in have if not each.leaving]
        else:
            mine = [replace(each, parent=parent.id) for each in mine]
            named = _identify(mine, have, wanted.name, identity, taken)
        listed += [replace(parent, subports=None), *named]
    return listed


def _identify(
    asked: Sequence[NetworkRequest], known: Sequence[NetworkRequest], instance: str, identity: str, taken: set[str]
) -> list[NetworkRequest]:
    """Ports, or the sub-ports of one, over those of the record that they are; new ones get an id that is not taken."""
    identified = []
    for port, have in zip(asked, _recognize(asked, known)):
        identified.append(_over(port, have) if have else _name(port, instance, identity, taken))
        taken.add(identified[-1].id)
    return identified


def _wished(port: NetworkRequest, said: Iterable[NetworkRequest]) -> list[NetworkRequest] | None:
    """The sub-ports that a port is to have; None where nothing is said of them.

    One that is taken from the record, as the Compute API does to add to what there is, has its own beside it.
    """
    return _subports(said, port.id) if port.subports is None and port.id is not None else port.subports


def _subports(known: Iterable[NetworkRequest], parent: str | None) -> list[NetworkRequest]:
    """The sub-ports of a port; without one the ports that are none."""
    return [port for port in known if port.parent == parent]


def _over(port: NetworkRequest, known: NetworkRequest) -> NetworkRequest:
    """What the port of the record becomes; without port security it has neither groups nor address pairs any more."""
    after = over(port, known)
    if port.port_security is False:
        return replace(after, security_groups=port.security_groups, allowed_address_pairs=port.allowed_address_pairs)
    return after


def _recognize(asked: Sequence[NetworkRequest], known: Iterable[NetworkRequest]) -> list[NetworkRequest | None]:
    """For each port that is asked for the one of the record that it is; None for a new one.

    One that was taken from the record is known by its id, others by what is said of them: by an address, which no other
    has, else by everything that is said. A place in the list tells only between those that nothing tells apart. Only
    then is one to have another address; one that is leaving goes with its own.
    """
    left, found = sorted(known, key=lambda port: port.leaving), [None] * len(asked)
    for is_same in (_is_it, _has_address, _has_vlan, _has_all, _may_be, lambda asked, known: not known.leaving):
        for index, port in enumerate(asked):
            if found[index] is None:
                same = [each for each in left if (each.network, each.port) == (port.network, port.port)]
                found[index] = next((each for each in same if is_same(port, each)), None)
                left = [each for each in left if each is not found[index]]
    return found


def _is_it(asked: NetworkRequest, known: NetworkRequest) -> bool:
    return asked.id is not None and asked.id == known.id


def _has_address(asked: NetworkRequest, known: NetworkRequest) -> bool:
    return any(getattr(asked, name) is not None and getattr(asked, name) == getattr(known, name) for name in OWN)


def _has_vlan(asked: NetworkRequest, known: NetworkRequest) -> bool:
    return _may_be(asked, known) and asked.vlan is not None and asked.vlan == known.vlan


def _has_all(asked: NetworkRequest, known: NetworkRequest) -> bool:
    said = {name: getattr(asked, name) for name in SAID if getattr(asked, name) is not None}
    return _may_be(asked, known) and all(getattr(known, name) == value for name, value in said.items())


def _may_be(asked: NetworkRequest, known: NetworkRequest) -> bool:
    """Whether no address tells them apart."""
    return all(getattr(asked, name) is None or getattr(known, name) is None for name in OWN)


def _name(port: NetworkRequest, instance: str, identity: str, taken: Container[str]) -> NetworkRequest:
    """A new port with its id and its name: of those on one network, the first that is free."""
    kind, name = ("network", port.network) if port.network else ("port", port.port)
    ids = ((number, port_id(identity, kind, name, number)) for number in itertools.count())
    number, mine = next((number, each) for number, each in ids if each not in taken)
    label = "%s-%s%s" % (instance, name, "-%d" % number if number else "")
    return replace(port, id=mine, name=label, instance_uuid=identity)


def volumes(wanted: Any, identity: str, before: Sequence[BlockDeviceMapping] | None) -> list[BlockDeviceMapping]:
    """The wanted volumes as disks of this instance: vdb and so on, each where it was; vda is the one to boot from."""
    known = {volume.id: volume for volume in before or ()}
    taken = {volume.device for volume in known.values()}
    free = ("vd" + chr(letter) for letter in range(ord("b"), ord("z")))
    identified = []
    for asked in wanted.volumes or ():
        volume = replace(asked, instance_uuid=identity)
        if asked.id not in known:
            device = "vda" if asked.boot else next(name for name in free if name not in taken)
            volume = replace(volume, device=device)
        identified.append(over(volume, known.get(asked.id)))
    return identified


def exchange(asked: list[Any], before: Sequence[Any]) -> list[Any]:
    """What a running instance is to have, and what it is to lose; a volume that is detached is never deleted."""
    staying = {part.id for part in asked}
    return asked + [part.detaching() for part in before if part.id not in staying]


def fixed_changes(wanted: Any, before: Any) -> list[str]:
    """Every change of an attached port or volume that a running guest cannot take, for people."""
    changes = []
    for port, have in _pairs(wanted.ports or (), before.ports):
        for name in OWN if have else ():
            now, other = getattr(have, name), getattr(port, name)
            if now and other and now != other:
                changes.append("networks (%s: %s, now %s)" % (port.network, other, now))
    if wanted.volumes is not None:
        changes += _fixed_volume_changes(wanted.volumes, before.volumes)
    return changes


def _pairs(
    asked: Sequence[NetworkRequest], known: Sequence[NetworkRequest]
) -> Iterator[tuple[NetworkRequest, NetworkRequest | None]]:
    """Every port that is asked for, and its sub-ports, with that of the record that each is; None for a new one."""
    tops = _subports(asked, None)
    for port, have in zip(tops, _recognize(tops, _subports(known, None))):
        yield port, have
        subports = _wished(port, asked) or ()
        yield from zip(subports, _recognize(subports, _subports(known, have.id) if have else ()))


def _fixed_volume_changes(wanted: Iterable[BlockDeviceMapping], before: Iterable[BlockDeviceMapping]) -> list[str]:
    asked = {volume.id: volume for volume in wanted}
    changes = []
    for have in before:
        volume = asked.get(have.id)
        if volume is None:
            if have.boot:
                changes.append("volumes (%s is what it boots from)" % have.name)
            continue
        if volume.size and volume.size < (have.size or 0):
            changes.append("volumes (%s %d GiB, now %d GiB)" % (have.name, volume.size, have.size))
        for key in MADE_WITH:
            mentioned, has = getattr(volume, key), getattr(have, key)
            if mentioned is not None and mentioned != has:
                changes.append("volumes (%s %s %s, now %s)" % (have.name, key, mentioned, has))
    return changes


def learn(part: Any, made: Mapping[str, Any] | None, keys: Iterable[str]) -> Any:
    """The part with what its stage has found out about it."""
    return replace(part, **{key: made[key] for key in keys if made.get(key) is not None}) if made else part


def learn_port(port: NetworkRequest, made: Mapping[str, Any]) -> NetworkRequest:
    """The port with its MAC and address, and what else the network says of it."""
    info = {key: made[key] for key in NETWORK_INFO if made.get(key) is not None}
    return replace(learn(port, made, OF_PORT), network_info=info)


def without_detached(parts: Iterable[Any], existing: set[str]) -> list[Any]:
    """The parts without those that were leaving and have left: taken back by their stage, or kept by nothing."""
    return [part for part in parts if not part.leaving or (part.id in existing and not part.local)]
