# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest that there is beside what a request says of it: where they differ, and what its parts are; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterator, Mapping, NamedTuple

from ..image.model import Image
from .attachments import BlockDeviceMapping
from .model import Instance

# What of an image tells the file that a root disk lies over.
ORIGIN = ("name", "url", "checksum", "disk_format")


class Guest(NamedTuple):
    """A domain of ours, on its host, with what else there is of its instance.

    ports: its own, None where nobody looked. volumes: all of its host, by id.
    """

    host: str
    domain: Mapping[str, Any]
    ports: list[Mapping[str, Any]] | None
    volumes: Mapping[str, Mapping[str, Any]]
    has_directory: bool

    @property
    def uuid(self) -> str:
        """Its instance's UUID."""
        return self.domain["uuid"]

    @property
    def record_id(self) -> str | None:
        """The record that its mark names."""
        return self.domain.get("record_id")


def differences(asked: Instance, guest: Guest) -> list[str]:
    """Where the guest is not as it is asked for, for people."""
    return [*_hardware(asked, guest), *_ports(asked, guest), *_volumes(asked, guest)]


def _hardware(asked: Instance, guest: Guest) -> Iterator[str]:
    """How the guest's hardware differs from what is asked for."""
    flavor, image = asked.flavor or {}, asked.image or {}
    compared = {"vcpus": "vcpus", "ram": "ram", "disk": "disk", "flavor": "name"}
    sides = [(key, guest.domain.get(key), flavor.get(name)) for key, name in compared.items()]
    for key, has, wants in [*sides, ("image", guest.domain.get("image"), image.get("name"))]:
        if has is not None and has != wants:
            yield "%s is %s, not %s" % (key, has, wants)
    base = (guest.domain.get("root") or {}).get("base")
    if base and not Image(None, **{key: image.get(key) for key in ORIGIN}).is_base(base):
        yield "its root disk lies over %s, which is not made from image %s" % (base, image.get("name"))
    if not guest.has_directory:
        yield "its host lacks the directory with its root disk"


def _ports(asked: Instance, guest: Guest) -> Iterator[str]:
    """How its ports differ from those that are asked for."""
    if guest.ports is None or any(port.network is None for port in asked.ports):
        yield "only ports of the embedded network service can be taken over"
        return
    made = {port["id"]: port for port in guest.ports}
    if set(made) != {port.id for port in asked.ports}:
        has = ", ".join(sorted(port["network"] for port in made.values())) or "none"
        yield "networks are %s, not %s" % (has, ", ".join(sorted(str(port.network) for port in asked.ports)) or "none")
    for port in asked.ports:
        seat = [(made.get(port.id, {}).get(key), getattr(port, key)) for key in ("parent", "vlan")]
        if port.id in made and any(has != wants for has, wants in seat):
            yield "the port on %s is %s, not %s" % (port.network, *(_seat(*each) for each in zip(*seat)))
        address = made.get(port.id, {}).get("fixed_ip")
        if address and port.fixed_ip not in (None, address):
            yield "fixed_ip on %s is %s, not %s" % (port.network, address, port.fixed_ip)


def _seat(parent: str | None, vlan: int | None) -> str:
    """How a guest has a port, in words."""
    return "an interface" if parent is None else "sub-port %s of port %s" % (vlan, parent)


def _volumes(asked: Instance, guest: Guest) -> Iterator[str]:
    """How its volumes differ from those that are asked for. A larger size is for a launch to make."""
    if not all(volume.local for volume in asked.volumes):
        yield "only volumes in files of compute hosts can be taken over"
        return
    attached = {disk["id"]: disk for disk in guest.domain["volumes"]}
    mine = {_identity(volume, guest): volume for volume in asked.volumes}
    if set(attached) != set(mine):
        has = ", ".join(sorted(guest.volumes.get(each, {}).get("name") or each for each in attached)) or "none"
        yield "volumes are %s, not %s" % (has, ", ".join(sorted(volume.name for volume in asked.volumes)) or "none")
        return
    for identity, volume in mine.items():
        found = guest.volumes.get(identity)
        if found is None:
            yield "volume %s is not on its host" % volume.name
        elif volume.size and volume.size < (found["size"] or 0):
            yield "volume %s has %d GiB, not %d" % (volume.name, found["size"], volume.size)
        elif volume.size and volume.format != found["format"]:
            yield "volume %s is %s, not %s" % (volume.name, found["format"], volume.format)


def _identity(volume: BlockDeviceMapping, guest: Guest) -> str:
    """The id of a volume that is asked for; of one that was made otherwise, that of the attached one of its name."""
    attached = [disk["id"] for disk in guest.domain["volumes"]]
    named = [each for each in attached if guest.volumes.get(each, {}).get("name") == volume.name]
    return volume.id if volume.id in attached or not named else named[0]


def as_found(volume: BlockDeviceMapping, guest: Guest) -> BlockDeviceMapping:
    """A volume that is asked for, as it is."""
    identity = _identity(volume, guest)
    device = next(disk["device"] for disk in guest.domain["volumes"] if disk["id"] == identity)
    found = guest.volumes[identity]
    return replace(volume, id=identity, size=found["size"], format=found["format"], device=device, made=True)
