# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a domain is, and every rule about how it may change (the seed's steps 17 and 18)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from ..core.change import Change, over
from ..core.change import plan as plan_items
from ..core.errors import Conflict, LaunchError

# The image properties that shape a domain, under OpenStack's names.
HARDWARE = ("hw_machine_type", "hw_firmware_type", "hw_cdrom_bus")

# What a result tells of the root disk.
ROOT = ("path", "format", "base", "base_format")

# Where plan() finds the host's own facts among what was read; no domain has this key.
HOST = "host"


class NameTaken(Conflict):
    """Another domain of this host has the name. Not an abort: on another host the name may be free."""

    abort = False


class PartFailed(LaunchError):
    """A port, a volume or an image of the instance failed, with that part's message and its judgement."""

    def __init__(self, message: str, abort: bool):
        super().__init__(message)
        self.abort = abort


@dataclass(frozen=True)
class Disk:
    """A disk of ours in a domain; formats come from our records, never from a look at the data.

    role is `root`, `config` or a volume's id: it marks the device as ours (libvirt's user alias).
    """

    role: str
    target: str
    path: str
    format: str = "raw"
    base: str | None = None
    base_format: str | None = None
    device: str = "disk"
    bus: str = "virtio"


@dataclass(frozen=True)
class Interface:
    """A network interface of ours. What only the host decides (mtu, bridge, checksums) is no reason to change one."""

    port_id: str
    mac_address: str | None
    tap: str
    mtu: int | None = field(default=None, compare=False)
    bridge: str = field(default="br-int", compare=False)
    checksum_offload: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Labels:
    """What a domain says about its instance; changes in place. metadata is a sorted tuple of pairs."""

    project_id: str | None = None
    user_id: str | None = None
    flavor: str | None = None
    image: str | None = None
    metadata: tuple | None = None


@dataclass(frozen=True)
class Hypervisor:
    """What the host decides for the domains made on it."""

    virt_type: str
    architecture: str = "x86_64"
    checksum_offload: bool = True


@dataclass(frozen=True)
class Domain:
    """One instance's virtual machine on this host. ram is in MiB; status is the Compute API's word.

    Fields that are not compared are made with the domain and stay until it is made anew.
    resources are the CPUs, pages and PCI devices that the scheduler gave it (schedule/fit.py), None for any.
    config_drive maps the paths in the config drive to their bytes.
    """

    uuid: str
    name: str
    labels: Labels = Labels()
    vcpus: int | None = None
    ram: int | None = None
    hardware: tuple | None = None
    root: Disk | None = None
    volumes: tuple | None = None
    interfaces: tuple | None = None
    status: str = "ACTIVE"
    drive: Disk | None = field(default=None, compare=False)
    console: str | None = field(default=None, compare=False)
    created: str | None = field(default=None, compare=False)
    virt_type: str | None = field(default=None, compare=False)
    architecture: str = field(default="x86_64", compare=False)
    cpu_model: str | None = field(default=None, compare=False)
    vnc: bool = field(default=False, compare=False)
    resources: Mapping | None = field(default=None, compare=False)
    config_drive: Mapping | None = field(default=None, compare=False, repr=False)
    fault: LaunchError | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The instance's UUID, which is the domain's."""
        return self.uuid

    def on(self, host: Hypervisor) -> Domain:
        """This domain as it would be made on that host."""
        interfaces = self.interfaces and tuple(
            replace(interface, checksum_offload=host.checksum_offload) for interface in self.interfaces
        )
        return replace(self, virt_type=host.virt_type, architecture=host.architecture, interfaces=interfaces)

    def needs_host(self, before: Any) -> bool:
        """Whether what the host decides counts: for a domain to be made, and for ports to be plugged in."""
        if self.fault is not None or isinstance(before, LaunchError):
            return False
        known = {port.port_id for port in before.interfaces or ()} if before else set()
        return before is None or any(port.port_id not in known for port in self.interfaces or ())

    def over(self, before: Domain | None) -> Domain:
        """The domain's next state: running, with the labels, volumes and ports asked for; Conflict for the rest."""
        if self.fault is not None:
            raise self.fault
        if before is None:
            return self
        _refuse_changes(self, before)
        return replace(
            before,
            labels=over(self.labels, before.labels),
            volumes=_merged(self.volumes, before.volumes, "role"),
            interfaces=_merged(self.interfaces, before.interfaces, "port_id"),
            status="ACTIVE",
            config_drive=self.config_drive,
        )

    def to_result(self) -> dict[str, Any]:
        """The domain's facts, joined to its instance by instance_uuid."""
        return {
            "uuid": self.uuid,
            "instance_uuid": self.uuid,
            "name": self.name,
            "status": self.status,
            "vcpus": self.vcpus,
            "ram": self.ram,
            "virt_type": self.virt_type,
            "project_id": self.labels.project_id,
            "flavor": self.labels.flavor,
            "image": self.labels.image,
            "metadata": dict(self.labels.metadata or ()),
            "root": self.root and {name: getattr(self.root, name) for name in ROOT},
            "volumes": [
                {"id": disk.role, "device": disk.target, "path": disk.path, "format": disk.format}
                for disk in self.volumes or ()
            ],
            "ports": [
                {"id": interface.port_id, "mac_address": interface.mac_address, "tap": interface.tap}
                for interface in self.interfaces or ()
            ],
            "console": self.console,
            "created": self.created,
        }

    def as_text(self) -> str:
        """The domain's XML, for diffs: of what is there only what is ours."""
        from . import xml  # which builds on this module

        return "<!-- %s -->\n%s" % (self.status, xml.text(xml.definition(self)))


@dataclass(frozen=True)
class Listed:
    """A domain as domain_info lists it; a foreign one has only what libvirt says of every domain."""

    name: str
    uuid: str
    status: str
    domain: Domain | None = None

    def to_result(self) -> dict[str, Any]:
        """The domain's facts, and whether it is one of ours."""
        known = self.domain.to_result() if self.domain else {}
        return {**known, "name": self.name, "uuid": self.uuid, "status": self.status, "ours": self.domain is not None}


def plan(wanted: list[Domain], current: Mapping[str, Any], state: str) -> list[Change]:
    """Pair wanted domains with those that exist; what is new takes the host's facts, or fails as they do."""
    host = current.get(HOST)
    if isinstance(host, LaunchError):
        wanted = [replace(item, fault=host) if item.needs_host(current.get(item.key)) else item for item in wanted]
    elif host is not None:
        wanted = [item.on(host) for item in wanted]
    return plan_items(wanted, current, state)


def _refuse_changes(wanted: Domain, before: Domain) -> None:
    """Conflict naming every field that differs and that cannot change while the domain exists."""
    sides = [("name", wanted.name, before.name)]
    sides += [("flavor.vcpus", wanted.vcpus, before.vcpus), ("flavor.ram", wanted.ram, before.ram)]
    if wanted.hardware is not None:
        asked, have = dict(wanted.hardware), dict(before.hardware or ())
        sides += [("image.properties." + key, asked.get(key, ""), have.get(key, "")) for key in HARDWARE]
    if wanted.root is not None and before.root is not None:
        sides += [("image", wanted.root.base, before.root.base), ("root disk", wanted.root.path, before.root.path)]
    for volume, have in _pairs(wanted.volumes, before.volumes, "role"):
        for name in ("target", "path", "format"):
            sides.append(("volume %s: %s" % (volume.role, name), getattr(volume, name), getattr(have, name)))
    for port, have in _pairs(wanted.interfaces, before.interfaces, "port_id"):
        sides.append(("port %s: mac_address" % port.port_id, port.mac_address, have.mac_address))
    fixed = ["%s (%s, now %s)" % side for side in sides if side[1] is not None and side[1] != side[2]]
    if fixed:
        raise Conflict(
            "%s cannot be changed while the instance exists: restore the old value, or destroy the instance first"
            % "; ".join(fixed)
        )


def _pairs(wanted: tuple | None, before: tuple | None, identity: str) -> list[tuple]:
    """The devices that are on both sides."""
    known = {getattr(device, identity): device for device in before or ()}
    return [(device, known[getattr(device, identity)]) for device in wanted or () if getattr(device, identity) in known]


def _merged(wanted: tuple | None, before: tuple | None, identity: str) -> tuple | None:
    """The devices that stay, as they are, and then the new ones; None wanted leaves all as they are."""
    if wanted is None:
        return before
    asked = {getattr(device, identity) for device in wanted}
    known = {getattr(device, identity) for device in before or ()}
    kept = tuple(device for device in before or () if getattr(device, identity) in asked)
    return kept + tuple(device for device in wanted if getattr(device, identity) not in known)
