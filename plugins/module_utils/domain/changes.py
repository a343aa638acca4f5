# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a domain may change while it exists: its devices come and go, what it is made of stays; pure."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Callable, Mapping

from ..core.errors import Conflict
from .device import Disk, Interface

# The image properties that a domain is held to, under OpenStack's names.
HARDWARE = ("hw_machine_type", "hw_firmware_type", "hw_cdrom_bus")


def volume(disk: Disk) -> str:
    """What tells the volumes of a domain apart."""
    return disk.role


def port(interface: Interface) -> tuple[str, str]:
    """The same for its ports: one that its service made anew has to be plugged in anew."""
    return interface.role, interface.port_id


def merge(wanted: tuple | None, before: tuple | None, identity: Callable) -> tuple | None:
    """The devices that stay, as they are, and then the new ones; None wanted leaves all as they are."""
    if wanted is None:
        return before
    asked = {identity(device) for device in wanted}
    known = {identity(device) for device in before or ()}
    kept = tuple(device for device in before or () if identity(device) in asked)
    return kept + tuple(device for device in wanted if identity(device) not in known)


def renew(volumes: tuple | None, wanted: tuple | None) -> tuple | None:
    """Volumes as they are reached now, for a domain that is off; a running one keeps the connections it has."""
    now = {disk.role: disk for disk in wanted or () if disk.source}
    return volumes and tuple(now.get(disk.role, disk) for disk in volumes)


def renew_mtus(interfaces: tuple | None, wanted: tuple | None) -> tuple | None:
    """Interfaces with the MTUs of now, for a domain that is off: a guest learns it at its start."""
    now = {port(interface): interface.mtu for interface in wanted or () if interface.mtu}
    return interfaces and tuple(replace(each, mtu=now.get(port(each), each.mtu)) for each in interfaces)


def waiting(wanted: Any, before: Any) -> tuple[str, ...]:
    """What reaches the guest of a running domain only at its next start, for people."""
    pairs = zip(before.interfaces or (), renew_mtus(before.interfaces, wanted.interfaces) or ())
    return tuple(
        "its interface %s has MTU %s, and %s from its next start on: stop it, then start it"
        % (have.mac_address, have.mtu or "of its bridge", now.mtu)
        for have, now in pairs
        if have.mtu != now.mtu
    )


def set_sizes(volumes: tuple | None, sizes: Mapping[str, int | None]) -> tuple | None:
    """The volumes with their sizes, by role."""
    return volumes and tuple(replace(disk, size=sizes.get(disk.role)) for disk in volumes)


def grow(volumes: tuple | None, wanted: tuple | None, before: tuple | None) -> tuple | None:
    """Volumes as large as their service says, if the guest sees less; never smaller.

    What a domain that is off sees, nobody asks: it opens its volumes anew.
    """
    asked, seen = ({disk.role: disk.size for disk in side or ()} for side in (wanted, before))
    larger = {role: size and max(size, asked.get(role) or 0) for role, size in seen.items()}
    return set_sizes(volumes, {**asked, **larger})


def refuse(wanted: Any, before: Any) -> None:
    """Conflict naming every field of a domain that differs and that cannot change while it exists."""
    sides = [("name", wanted.name, before.name)]
    sides += [("flavor.vcpus", wanted.vcpus, before.vcpus), ("flavor.ram", wanted.ram, before.ram)]
    if wanted.hardware is not None:
        asked, have = dict(wanted.hardware), dict(before.hardware or ())
        sides += [("image.properties." + key, asked.get(key, ""), have.get(key, "")) for key in HARDWARE]
    if wanted.root is not None and before.root is not None:
        sides += [("image", wanted.root.base, before.root.base), ("root disk", wanted.root.path, before.root.path)]
    if wanted.volumes is not None:
        sides.append(("boot disk", _booting(wanted) or "none", _booting(before) or "none"))
    for disk, have in _pairs(wanted.volumes, before.volumes):
        sides += [("volume %s: %s" % (disk.role, name), *both) for name, *both in _sides(disk, have)]
    for interface, have in _pairs(wanted.interfaces, before.interfaces):
        sides.append(("port %s: mac_address" % interface.role, interface.mac_address, have.mac_address))
    fixed = ["%s (%s, now %s)" % side for side in sides if side[1] is not None and side[1] != side[2]]
    if fixed:
        raise Conflict(
            "%s cannot be changed while the instance exists: restore the old value, or destroy the instance first"
            % "; ".join(fixed)
        )


def _sides(wanted: Disk, have: Disk) -> list[tuple]:
    """What makes a volume another one. By which servers or which mount it is reached does not."""
    sources = (wanted.source, have.source)
    if wanted.mount:
        sources = tuple(source and os.path.basename(source) for source in sources)
    serials = (wanted.serial, have.serial) if wanted.serial and have.serial else ("", "")
    return [
        ("target", wanted.target, have.target),
        ("source", *sources),
        ("format", wanted.format, have.format),
        # QEMU knows 20 characters of it, and older domains have no more.
        ("volume_id", *(serial[:20] for serial in serials)),
    ]


def _booting(domain: Any) -> str | None:
    """The role of the disk that a domain boots from."""
    if domain.root is not None:
        return domain.root.role
    return next((disk.role for disk in domain.volumes or () if disk.boot), None)


def _pairs(wanted: tuple | None, before: tuple | None) -> list[tuple]:
    """The devices that are on both sides."""
    known = {device.role: device for device in before or ()}
    return [(device, known[device.role]) for device in wanted or () if device.role in known]
