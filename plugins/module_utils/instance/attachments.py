# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is attached to an instance, its ports and volumes: what they are, who is who from run to run, what may change.

The types are nova's objects.NetworkRequest and objects.BlockDeviceMapping: a wish first, then, with its identity and
what its stage has learned, what the record keeps. None means not mentioned, or not known yet. One that a running
instance is to lose is `leaving` until its stage has taken it back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Iterable, Mapping, Sequence

from ..core.change import over
from ..core.names import port_id

# What a volume is made with and keeps.
MADE_WITH = ("type", "snapshot", "boot")


@dataclass(frozen=True)
class NetworkRequest:
    """A port of an instance: on a network, or one of the user's own (port). network_info: what its stage found out."""

    network: str | None = None
    port: str | None = None
    fixed_ip: str | None = None
    security_groups: list | None = None
    port_security: bool | None = None
    allowed_address_pairs: list | None = None
    floating_ip: Any = None
    id: str | None = None
    name: str | None = None
    instance_uuid: str | None = None
    mac_address: str | None = None
    network_info: dict | None = None
    leaving: bool = False

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

    host is where a local volume waits for its instance, None for one that is wherever its instance is.
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
    leaving: bool = False

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
    return next((volume for volume in volumes or () if volume.boot), None)


def ports(wanted: Any, identity: str, before: Sequence[NetworkRequest] | None) -> list[NetworkRequest]:
    """The wanted ports with their ids and names, laid over those of the record, whose MAC and address stay."""
    known = {port.id: port for port in before or ()}
    identified, seen = [], {}
    for asked in wanted.ports or ():
        on = asked.network or "port/%s" % asked.port
        index = seen[on] = seen.get(on, -1) + 1
        label = "%s-%s%s" % (wanted.name, asked.network or asked.port, "-%d" % index if index else "")
        port = replace(asked, id=port_id(identity, on, index), name=label, instance_uuid=identity)
        identified.append(over(port, known.get(port.id)))
    return identified


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
    known = {port.id: port for port in before.ports}
    changes = []
    for port in ports(wanted, before.uuid, None) if wanted.ports is not None else ():
        have = known[port.id].fixed_ip if port.id in known else None
        if have and port.fixed_ip and port.fixed_ip != have:
            changes.append("networks (%s: %s, now %s)" % (port.network, port.fixed_ip, have))
    if wanted.volumes is not None:
        changes += _fixed_volume_changes(wanted.volumes, before.volumes)
    return changes


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


def without_detached(parts: Iterable[Any], existing: set[str]) -> list[Any]:
    """The parts without those that were leaving and have left: taken back by their stage, or kept by nothing."""
    return [part for part in parts if not part.leaving or (part.id in existing and not part.local)]
