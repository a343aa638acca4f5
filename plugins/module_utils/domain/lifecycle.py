# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How one domain comes, changes and goes; at the end of its coming it is paused and waits for its ports."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable, Iterable
from xml.etree.ElementTree import Element

from ..core import directory
from ..core.change import Change
from ..core.convert import json_object
from ..core.disk import locked, make_directory, remove
from ..core.errors import Conflict, Unavailable
from ..core.libvirt import ask_each
from ..core.names import instance_path
from . import devices, drive, iso, metadata, sizes, xml
from .device import Disk
from .elements import text
from .model import Domain
from .mounts import Mounts
from .secrets import Secrets
from .started import Started
from .timeout import TimedOut, call_with_timeout

# Seconds between two looks, those a guest has to let go of a device, and those after which it is asked again: one that
# is still booting does not hear it (nova asks 8 times, every 20 s).
POLL = 0.05
DETACH_TIMEOUT = 40
DETACH_REPEAT = 2

# Seconds that QEMU has to open a domain's disks. Ceph answers, or fails, long before if /etc/ceph/ceph.conf says so.
START_TIMEOUT = 120
ATTACH_TIMEOUT = 30


class Lifecycle:
    """The domains of a libvirt connection, one at a time. libvirt's own errors go through."""

    def __init__(self, libvirt: Any, connection: Any, params: dict[str, Any]):
        self.libvirt = libvirt
        self.connection = connection
        self.state_path = params["state_path"]
        self.mounts = Mounts(self.state_path, self._sources)
        self._secrets = Secrets(libvirt, connection, json_object(params.get("volume_secrets"), "volume_secrets"))

    def lookup(self, uuid: str) -> Any:
        """A domain; None if there is none."""
        try:
            return self.connection.lookupByUUIDString(uuid)
        except self.libvirt.libvirtError as error:
            if error.get_error_code() == self.libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def create(self, change: Change) -> Started | Domain:
        """Write the config drive, define the domain and, unless it is to be off, start it paused."""
        domain = replace(change.after, created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        for device in (*(domain.volumes or ()), *(domain.interfaces or ())):
            device.check()
        self._write_owner(domain)
        drive.write(domain)
        self._provide(domain.volumes)
        try:
            handle = self._define(domain)
        except self.libvirt.libvirtError:
            self._secrets.forget(domain.volumes)
            raise
        if domain.status == "SHUTOFF":
            return domain

        def undo() -> None:
            if handle.isActive():
                handle.destroy()
            self._undefine(handle)
            self._secrets.forget(domain.volumes)

        try:
            self._start(handle)
        except (self.libvirt.libvirtError, Unavailable):
            undo()
            raise
        return Started(change, handle, domain.interfaces or (), undo)

    def rebuild(self, change: Change) -> Started | Domain:
        """Take a domain away and make it anew; Conflict where another run has done that since this one looked."""
        after = change.after
        if directory.read(self.state_path, after.uuid).rebuild_id == after.rebuild_id:
            raise Conflict("another run has done this rebuild: run again")
        self.take_away(change)
        return self.create(replace(change, before=None))

    def _define(self, domain: Domain) -> Any:
        """Define a domain under its instance's name, or under the longer one if another domain has that."""
        try:
            return self.connection.defineXML(text(xml.definition(domain)))
        except self.libvirt.libvirtError as error:
            if error.get_error_code() != self.libvirt.VIR_ERR_OPERATION_FAILED:
                raise
            return self.connection.defineXML(text(xml.definition(replace(domain, namesake=True))))

    def update(self, change: Change) -> Started | Domain:
        """Make the changes that a domain can take as it is, running or off, and start it if it is to run."""
        before, after = change.before, change.after
        handle = self.connection.lookupByUUIDString(after.uuid)
        live = before.status != "SHUTOFF"
        if (after.labels, after.record_id) != (before.labels, before.record_id):
            self._label(handle, after, live)
        self._write_owner(replace(after, rebuild_id=None))
        volumes = sizes.grow(self.libvirt, handle, before.volumes, after.volumes)
        fresh = [disk for disk in after.volumes or () if not live or disk not in (volumes or ())]
        self._provide(fresh)
        if not live:
            volumes = self._renew(handle, volumes, after.volumes)
            self._renew_mtus(handle, before.interfaces, after.interfaces)
        try:
            self._exchange(handle, volumes, after.volumes, devices.disk, live)
        finally:
            had = (*(before.volumes or ()), *fresh)
            self._secrets.forget(disk for disk in had if not _has(handle, devices.alias(disk)))
        self._exchange(handle, before.interfaces, after.interfaces, devices.interface, live)
        if after.status == "SHUTOFF":
            handle.setAutostart(False)
            return after
        return self._wake(change, handle)

    def _renew(self, handle: Any, before: tuple | None, after: tuple | None) -> tuple:
        """Let the stored domain reach its volumes as they are reached now; gives what it then has."""
        now = {disk.role: disk for disk in after or ()}
        for disk in before or ():
            if now.get(disk.role, disk) != disk:
                handle.updateDeviceFlags(text(devices.disk(now[disk.role])), self.libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        return tuple(now.get(disk.role, disk) for disk in before or ())

    def _renew_mtus(self, handle: Any, before: tuple | None, after: tuple | None) -> None:
        """Let the stored domain's interfaces have the MTUs of now, and stay where they are in the guest."""
        now = {port.role: port.mtu for port in after or ()}
        for port in before or ():
            mtu = now.get(port.role, port.mtu)
            if mtu != port.mtu:
                stored = xml.find_device(handle.XMLDesc(self.libvirt.VIR_DOMAIN_XML_INACTIVE), devices.alias(port))
                devices.set_mtu(stored, mtu)
                handle.updateDeviceFlags(text(stored), self.libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def _label(self, handle: Any, domain: Domain, live: bool) -> None:
        """Let a domain say anew what it says about its instance."""
        kind, flags = self.libvirt.VIR_DOMAIN_METADATA_ELEMENT, self.libvirt.VIR_DOMAIN_AFFECT_CONFIG
        flags |= self.libvirt.VIR_DOMAIN_AFFECT_LIVE if live else 0
        for namespace, block in metadata.blocks(domain).items():
            prefix = metadata.PREFIXES[namespace]
            handle.setMetadata(kind, text(metadata.unprefixed(block)), prefix, namespace, flags)

    def _provide(self, disks: Iterable[Disk] | None) -> None:
        """What the host needs for disks before QEMU opens them."""
        for disk in disks or ():
            if disk.mount:
                self.mounts.mount(disk.mount)
            self._secrets.provide(disk)

    def _sources(self) -> list[str]:
        """The files that all domains of this host are made of, ours or not, running or not."""
        flags = (0, self.libvirt.VIR_DOMAIN_XML_INACTIVE)

        def files(handle: Any) -> list[str]:
            return [file for each in flags for file in xml.files(handle.XMLDesc(each))]

        return sum(ask_each(self.libvirt, files, self.connection.listAllDomains()), [])

    def _start(self, handle: Any) -> None:
        """Start a domain paused; libvirt may still be at it for a run that was killed."""
        try:
            call_with_timeout(START_TIMEOUT, handle.createWithFlags, self.libvirt.VIR_DOMAIN_START_PAUSED)
        except TimedOut:
            with suppress(self.libvirt.libvirtError):
                handle.destroy()
            raise Unavailable(
                "it did not start in %d s: see that the storage of its volumes answers" % START_TIMEOUT
            ) from None
        except self.libvirt.libvirtError as error:
            if error.get_error_code() != self.libvirt.VIR_ERR_OPERATION_INVALID or not handle.isActive():
                raise

    def _exchange(self, handle: Any, before: tuple | None, after: tuple | None, element: Callable, live: bool) -> None:
        """Detach the devices that are to go and attach those that are new."""
        for device in before or ():
            if device not in (after or ()):
                self._detach(handle, devices.alias(device), live)
        for device in after or ():
            if device not in (before or ()):
                device.check()
                self._attach(handle, element(device), live)

    def _attach(self, handle: Any, device: Element, live: bool) -> None:
        """Put a device into the stored and into the running domain, both or none; either may have it already."""
        libvirt, alias, flags = self.libvirt, device.find("alias").get("name"), 0
        if not _has(handle, alias, libvirt.VIR_DOMAIN_XML_INACTIVE):
            flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
        if live and not _has(handle, alias):
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        try:
            if flags:
                call_with_timeout(ATTACH_TIMEOUT, handle.attachDeviceFlags, text(device), flags)
        except TimedOut:
            if live and not _has(handle, alias):
                raise Unavailable(
                    "device %s was not attached in %d s: see that its storage answers, and run again: "
                    "libvirt goes on trying" % (alias, ATTACH_TIMEOUT)
                ) from None

    def _detach(self, handle: Any, alias: str, live: bool) -> None:
        """Take a device out of the stored and out of the running domain; either may lack it already."""
        libvirt = self.libvirt
        if _has(handle, alias, libvirt.VIR_DOMAIN_XML_INACTIVE):
            handle.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        if not live:
            return
        reason, repeat = "unmount it there and run again", time.monotonic()
        deadline = repeat + DETACH_TIMEOUT
        while _has(handle, alias):
            if time.monotonic() >= repeat:
                repeat += DETACH_REPEAT
                try:
                    handle.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
                except libvirt.libvirtError as error:
                    reason = str(error)  # it may be on its way out already
            elif time.monotonic() > deadline:
                raise Unavailable("the guest did not let go of device %s in %d s: %s" % (alias, DETACH_TIMEOUT, reason))
            else:
                time.sleep(POLL)

    def _wake(self, change: Change, handle: Any) -> Started:
        """Start a domain that is off; one that is to run waits for the ports that are new to it."""
        before, after = change.before, change.after
        ports = after.interfaces or ()
        if before.status == "SHUTOFF":
            if after.drive and not os.path.exists(after.drive.path):
                drive.write(after)
            self._start(handle)
            return Started(change, handle, ports, handle.destroy)
        if before.status == "ACTIVE":
            ports = tuple(port for port in ports if port not in (before.interfaces or ()))
        return Started(change, handle, ports, lambda: None)

    def take_away(self, change: Change) -> None:
        """Turn a guest off at once, and undefine its domain."""
        handle = self.lookup(change.key)
        if handle is not None:
            persistent = handle.isPersistent()
            if handle.isActive():
                handle.destroy()
            if persistent:
                self._undefine(handle)
        self._secrets.forget(change.before.volumes)

    def delete(self, change: Change) -> Domain:
        """Remove the domain and our files; the root disk is the image stage's."""
        self.take_away(change)
        path = instance_path(self.state_path, change.key)
        iso.remove_remains(os.path.join(path, "config.iso"))
        remove(*(os.path.join(path, name) for name in self.own_files(change.wanted)))
        directory.remove_if_unused(path)
        return replace(change.before, status="DELETED")

    def _undefine(self, handle: Any) -> None:
        libvirt = self.libvirt
        flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        handle.undefineFlags(flags | getattr(libvirt, "VIR_DOMAIN_UNDEFINE_TPM", 0))

    def _write_owner(self, domain: Domain) -> None:
        """Say in the instance's directory whose it is, and which rebuild is done: no other run lays a new disk then."""
        owner = (domain.uuid, domain.name, domain.record_id, domain.labels.project_id, domain.rebuild_id)
        path = instance_path(self.state_path, domain.uuid)
        make_directory(path)
        with locked(path):
            directory.write(self.state_path, directory.Owner(*owner))

    def own_files(self, item: Domain) -> list[str]:
        """What of ours is in the instance's directory: config drive and console log, and what virtlogd rolled over.

        The word of whose the directory is goes with the last disk.
        """
        try:
            names = os.listdir(instance_path(self.state_path, item.uuid))
        except FileNotFoundError:
            return []
        last = () if any(name.startswith("root.") for name in names) else (directory.FILE,)
        return [name for name in names if name.startswith(("config.iso", "console.log", *last))]


def _has(handle: Any, alias: str, flags: int = 0) -> bool:
    """Whether a domain has a device of ours."""
    return xml.find_device(handle.XMLDesc(flags), alias) is not None
