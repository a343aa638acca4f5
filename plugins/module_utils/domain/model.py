# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a domain is, and every rule about how it may change (the seed's steps 17 and 18)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping

from ..core.change import Change, over
from ..core.change import plan as plan_items
from ..core.errors import Conflict, LaunchError
from . import changes
from .device import Disk

# What a result tells of the root disk, and of a volume.
ROOT = ("path", "format", "base", "base_format")
VOLUME = ("source", "path", "format")

# Where plan() finds the host's own facts among what was read; no domain has this key.
HOST = "host"


@dataclass(frozen=True)
class Labels:
    """What a domain says about its instance; changes in place. metadata is a sorted tuple of pairs."""

    project_id: str | None = None
    user_id: str | None = None
    flavor: str | None = None
    image: str | None = None
    metadata: tuple | None = None
    project_name: str | None = None
    user_name: str | None = None


@dataclass(frozen=True)
class Hypervisor:
    """What the host decides for the domains made on it."""

    virt_type: str
    architecture: str = "x86_64"
    checksum_offload: bool = True


@dataclass(frozen=True)
class Domain:
    """One instance's virtual machine on this host. ram is in MiB; status is the Compute API's word.

    It boots from its root disk, else from the volume that says so. disk is the flavor's, in GiB.
    name is the instance's; namesake: another domain of the host had it, so that libvirt knows this one by a longer one.
    Fields that are not compared are made with the domain and stay until it is made anew.
    allocation are the CPUs, pages and PCI devices that the scheduler gave it (schedule/hardware/fit.py), None for any.
    record_id is the identity of the record that the instance is in; None for one that does not say.
    config_drive maps the paths in the config drive to their bytes; user_data_digest is the SHA-256 of the user data
    that it is to have and nobody gives, which is that of the drive before it.
    rebuild_id is the rebuild that it waits for, and makes it anew; of one that there is, the last that is done.
    autostart: whether it comes back with its host.
    restart: how one that runs is to start anew, a value of RESTARTS; no domain that there is has it.
    hardware is what flavor and image make of it (hardware.py), as pairs. unmakeable is why there is no such domain; one
    that there is goes on.
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
    autostart: bool = True
    restart: str | None = None
    rebuild_id: str | None = None
    record_id: str | None = None
    namesake: bool = field(default=False, compare=False)
    drive: Disk | None = field(default=None, compare=False)
    disk: int | None = field(default=None, compare=False)
    console: str | None = field(default=None, compare=False)
    created: str | None = field(default=None, compare=False)
    virt_type: str | None = field(default=None, compare=False)
    architecture: str = field(default="x86_64", compare=False)
    cpu_model: str | None = field(default=None, compare=False)
    vnc: bool = field(default=False, compare=False)
    allocation: Mapping | None = field(default=None, compare=False)
    config_drive: Mapping | None = field(default=None, compare=False, repr=False)
    user_data_digest: str | None = field(default=None, compare=False)
    fault: LaunchError | None = field(default=None, compare=False)
    unmakeable: LaunchError | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The instance's UUID, which is the domain's."""
        return self.uuid

    @property
    def domain_name(self) -> str:
        """What libvirt knows it by: names are unique on a host, those of instances only in a project."""
        return longer_name(self.name, self.uuid) if self.namesake else self.name

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
        known = {changes.port(each) for each in before.interfaces or ()} if before else set()
        return (
            before is None
            or self.replaces(before)
            or any(changes.port(each) not in known for each in self.interfaces or ())
        )

    def replaces(self, before: Domain | None) -> bool:
        """Whether a rebuild makes anew the domain that there is."""
        return before is not None and self.rebuild_id is not None and self.rebuild_id != before.rebuild_id

    def check_record(self, record_id: str | None) -> None:
        """Conflict if what exists with this domain's UUID is of another record than the one that asks."""
        if self.record_id and record_id and self.record_id != record_id:
            raise Conflict(
                "domain %s has uuid %s and belongs to another record (%s): launch or destroy it with the database "
                "that has this record" % (self.name, self.uuid, record_id)
            )

    def over(self, before: Domain | None) -> Domain:
        """The domain's next state: running or off, with the labels, volumes and ports asked for; else Conflict."""
        if self.fault is not None:
            raise self.fault
        if before is None or self.replaces(before):
            if self.unmakeable is not None:
                raise self.unmakeable
            return replace(self, restart=None, allocation=self.allocation or (before and before.allocation))
        changes.refuse(self, before)
        volumes = changes.merge(self.volumes, before.volumes, changes.volume)
        interfaces = changes.merge(self.interfaces, before.interfaces, changes.port)
        restart = None if before.status == "SHUTOFF" else self.restart
        if restart or "SHUTOFF" in (before.status, self.status):
            volumes = changes.renew(volumes, self.volumes)
            interfaces = changes.renew_mtus(interfaces, self.interfaces)
        volumes = changes.grow(volumes, self.volumes, before.volumes)
        return replace(
            before,
            labels=over(self.labels, before.labels),
            record_id=self.record_id or before.record_id,
            volumes=changes.set_sizes(volumes, {}) if self.status == "SHUTOFF" else volumes,
            interfaces=interfaces,
            status=self.status,
            autostart=self.autostart,
            restart=restart,
            config_drive=self.config_drive,
        )

    def to_result(self) -> dict[str, Any]:
        """The domain's facts, joined to its instance by instance_uuid."""
        return {
            "uuid": self.uuid,
            "instance_uuid": self.uuid,
            "name": self.name,
            "record_id": self.record_id,
            "status": self.status,
            "vcpus": self.vcpus,
            "ram": self.ram,
            "disk": self.disk,
            "allocation": self.allocation,
            "virt_type": self.virt_type,
            "project_id": self.labels.project_id,
            "flavor": self.labels.flavor,
            "image": self.labels.image,
            "metadata": dict(self.labels.metadata or ()),
            "root": self.root and {name: getattr(self.root, name) for name in ROOT},
            "volumes": [
                {"id": disk.role, **{name: getattr(disk, name) for name in VOLUME}, "device": disk.target}
                for disk in self.volumes or ()
            ],
            "ports": [
                {"id": port.role, "port_id": port.port_id, "mac_address": port.mac_address, "tap": port.tap}
                for port in self.interfaces or ()
            ],
            "console": self.console,
            "created": self.created,
        }


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
        return {"name": self.name, "uuid": self.uuid, "status": self.status, **known, "ours": self.domain is not None}


def longer_name(name: str, uuid: str) -> str:
    """The name of a domain whose instance's name another domain of the host has."""
    return "%s-%s" % (name, uuid[:8])


def plan(wanted: list[Domain], current: Mapping[str, Any], state: str) -> list[Change]:
    """Pair wanted domains with those that exist; what is new takes the host's facts, or fails as they do."""
    host = current.get(HOST)
    if isinstance(host, LaunchError):
        wanted = [replace(item, fault=host) if item.needs_host(current.get(item.key)) else item for item in wanted]
    elif host is not None:
        wanted = [item.on(host) for item in wanted]
    return [replace(change, notes=_notes(change)) for change in plan_items(wanted, current, state)]


def _notes(change: Change) -> tuple[str, ...]:
    """What of a change reaches the guest later."""
    sides = (change.before, change.after)
    if change.after is not None and change.wanted.replaces(change.before):
        return ()
    if change.error is not None or None in sides or any(side.restart or side.status == "SHUTOFF" for side in sides):
        return ()
    return changes.waiting(change.wanted, change.before)
