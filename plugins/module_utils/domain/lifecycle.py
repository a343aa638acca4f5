# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How one domain comes, changes and goes; at the end of its coming it is paused and waits for its ports."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Callable
from xml.etree.ElementTree import Element

from ..core.change import Change
from ..core.disk import make_directory, remove
from ..core.errors import Unavailable
from ..core.names import NAMESPACE, instance_path
from . import iso, xml
from .model import Domain, Interface

# Seconds between two looks, and those a guest has to let go of a device (nova's device_detach_timeout).
POLL = 0.05
DETACH_TIMEOUT = 20


@dataclass(frozen=True)
class Started:
    """A domain that waits for its ports: what resumes it, and what takes back what this run did to it."""

    change: Change
    handle: Any
    ports: tuple
    undo: Callable[[], None]

    def waits_for(self, plugged: dict[str, str]) -> list[Interface]:
        """The interfaces that OVN has not wired yet."""
        return [port for port in self.ports if plugged.get(port.tap) != port.port_id]


class Lifecycle:
    """The domains of a libvirt connection, one at a time. libvirt's own errors go through."""

    def __init__(self, libvirt: Any, connection: Any, state_path: str):
        self.libvirt = libvirt
        self.connection = connection
        self.state_path = state_path

    def lookup(self, find: Callable, identity: str) -> Any:
        """A domain by UUID or name, as `find` does it; None if there is none."""
        try:
            return find(identity)
        except self.libvirt.libvirtError as error:
            if error.get_error_code() == self.libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def create(self, change: Change) -> Started:
        """Write the config drive, define the domain and start it paused."""
        domain = replace(change.after, created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        unaddressed = [port.port_id for port in domain.interfaces or () if not port.mac_address]
        if unaddressed:
            raise Unavailable("port %s has no MAC address: run the port stage first" % ", ".join(unaddressed))
        self._write_drive(domain)
        handle = self.connection.defineXML(xml.text(xml.definition(domain)))
        try:
            self._start(handle)
        except self.libvirt.libvirtError:
            self._undefine(handle)
            raise

        def undo() -> None:
            handle.destroy()
            self._undefine(handle)

        return Started(change, handle, domain.interfaces or (), undo)

    def update(self, change: Change) -> Started:
        """Make the changes that a domain can take while it runs, and start it if it does not."""
        before, after = change.before, change.after
        handle = self.connection.lookupByUUIDString(after.uuid)
        live = before.status != "SHUTOFF"
        if after.labels != before.labels:
            kind, flags = self.libvirt.VIR_DOMAIN_METADATA_ELEMENT, self.libvirt.VIR_DOMAIN_AFFECT_CONFIG
            flags |= self.libvirt.VIR_DOMAIN_AFFECT_LIVE if live else 0
            mark = xml.text(xml.unprefixed(xml.mark(after)))
            handle.setMetadata(kind, mark, xml.PREFIX, NAMESPACE, flags)
        self._exchange(handle, before.volumes, after.volumes, xml.disk, live)
        self._exchange(handle, before.interfaces, after.interfaces, xml.interface, live)
        return self._woken(change, handle)

    def _start(self, handle: Any) -> None:
        """Start a domain paused; libvirt may still be at it for a run that was killed."""
        try:
            handle.createWithFlags(self.libvirt.VIR_DOMAIN_START_PAUSED)
        except self.libvirt.libvirtError as error:
            if error.get_error_code() != self.libvirt.VIR_ERR_OPERATION_INVALID or not handle.isActive():
                raise

    def _exchange(self, handle: Any, before: tuple | None, after: tuple | None, element: Callable, live: bool) -> None:
        """Detach the devices that are to go and attach those that are new."""
        for device in before or ():
            if device not in (after or ()):
                self._detach(handle, element(device).find("alias").get("name"), live)
        for device in after or ():
            if device not in (before or ()):
                self._attach(handle, element(device), live)

    def _attach(self, handle: Any, device: Element, live: bool) -> None:
        """Put a device into the stored and into the running domain; either may have it already."""
        libvirt, alias = self.libvirt, device.find("alias").get("name")
        if not _has(handle, alias, libvirt.VIR_DOMAIN_XML_INACTIVE):
            handle.attachDeviceFlags(xml.text(device), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        if live and not _has(handle, alias):
            handle.attachDeviceFlags(xml.text(device), libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def _detach(self, handle: Any, alias: str, live: bool) -> None:
        """Take a device out of the stored and out of the running domain; either may lack it already."""
        libvirt = self.libvirt
        if _has(handle, alias, libvirt.VIR_DOMAIN_XML_INACTIVE):
            handle.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        if not live:
            return
        handle.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        deadline = time.monotonic() + DETACH_TIMEOUT
        while _has(handle, alias):
            if time.monotonic() > deadline:
                raise Unavailable(
                    "the guest did not let go of device %s in %d s: unmount it there and run again"
                    % (alias, DETACH_TIMEOUT)
                )
            time.sleep(POLL)

    def _woken(self, change: Change, handle: Any) -> Started:
        """A domain of before on its way to running; it waits for the ports that are new to it."""
        before, after = change.before, change.after
        ports = after.interfaces or ()
        if before.status == "SHUTOFF":
            if after.drive and not os.path.exists(after.drive.path):
                self._write_drive(after)
            self._start(handle)
            return Started(change, handle, ports, handle.destroy)
        if before.status == "ACTIVE":
            ports = tuple(port for port in ports if port not in (before.interfaces or ()))
        return Started(change, handle, ports, lambda: None)

    def delete(self, change: Change) -> Domain:
        """Remove the domain and our files; the root disk is the image stage's."""
        handle = self.lookup(self.connection.lookupByUUIDString, change.key)
        if handle is not None:
            persistent = handle.isPersistent()
            if handle.isActive():
                handle.destroy()
            if persistent:
                self._undefine(handle)
        directory = instance_path(self.state_path, change.key)
        iso.remove_remains(os.path.join(directory, "config.iso"))
        remove(*(os.path.join(directory, name) for name in self.own_files(change.wanted)))
        with suppress(OSError):  # the root disk may still be there, or nothing was
            os.rmdir(directory)
        return replace(change.before, status="DELETED")

    def _undefine(self, handle: Any) -> None:
        libvirt = self.libvirt
        flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        handle.undefineFlags(flags | getattr(libvirt, "VIR_DOMAIN_UNDEFINE_TPM", 0))

    def _write_drive(self, domain: Domain) -> None:
        make_directory(os.path.dirname(domain.drive.path))
        iso.write(domain.drive.path, domain.config_drive or {})

    def own_files(self, item: Domain) -> list[str]:
        """What of ours is in the instance's directory: config drive and console log, and what virtlogd rolled over."""
        try:
            names = os.listdir(instance_path(self.state_path, item.uuid))
        except FileNotFoundError:
            return []
        return [name for name in names if name.startswith(("config.iso", "console.log"))]


def _has(handle: Any, alias: str, flags: int = 0) -> bool:
    """Whether a domain has a device of ours."""
    return xml.has_alias(handle.XMLDesc(flags), alias)
