# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Domains in the host's libvirt: found by the instance's UUID, started paused, resumed when OVN has their ports."""

from __future__ import annotations

import math
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, Iterable

from ..core import destroyed, directory
from ..core.change import Change
from ..core.disk import disk_errors
from ..core.errors import Conflict, LaunchError, Unavailable
from ..core.libvirt import ask_each, libvirt_errors, load, open_connection, power_state
from ..core.names import INTEGRATION_BRIDGE, instance_path
from ..core.states import POWER, RESTARTS
from ..host.hypervisor import chosen_virt_type
from . import changes, openvswitch, sizes, xml
from .lifecycle import POLL, Lifecycle
from .model import HOST, Domain, Hypervisor, Listed
from .shutdown import shut_down
from .started import Started

# Calls to libvirt at once: each start is a process to make, and mostly waiting.
WORKERS = 4


def connect(params: dict[str, Any]) -> Libvirt:
    """The host's libvirt as a backend; MissingLibrary or Unavailable if there is none."""
    libvirt = load()
    return Libvirt(libvirt, open_connection(libvirt), params)


def find(params: dict[str, Any]) -> list[Listed]:
    """The domains of this host by name: ours, or all."""
    backend = connect(params)
    with libvirt_errors(backend.libvirt):
        listed = ask_each(backend.libvirt, backend.listed, backend.connection.listAllDomains())
    return sorted((each for each in listed if each.domain or params["all"]), key=lambda each: each.name)


class Libvirt:
    """A compute host's domains."""

    def __init__(self, libvirt: Any, connection: Any, params: dict[str, Any]):
        self.libvirt = libvirt
        self.connection = connection
        self._lifecycle = Lifecycle(libvirt, connection, params)
        self._params = params

    def read(self, wanted: Iterable[Domain]) -> dict[str, Any]:
        """What exists, by UUID; for what is new, the host's own facts beside it under HOST."""
        current = {}
        for item in wanted:
            try:
                with libvirt_errors(self.libvirt):
                    current[item.key] = self._read(item)
            except LaunchError as error:
                current[item.key] = error
        fresh = [item for item in wanted if item.needs_host(current[item.key])]
        if fresh and self._params["state"] == "present":
            current[HOST] = self._host(any(item.interfaces for item in fresh))
        return current

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Carry out all changes: turn off, all at once, what is to be off or to start anew; change and define what is
        off or stays on; start the others paused, all of them, then wait and resume.
        """
        changes, failed = self._turn_off(changes)
        mounts, after = self._lifecycle.mounts, [change.after for change in changes if change.after]
        needed = any(disk.mount for domain in after for disk in domain.volumes or ())
        with mounts.held(needed), ThreadPoolExecutor(WORKERS) as pool:
            outcome = dict(zip([change.key for change in changes], pool.map(self._begin, changes)))
        started = [each for each in outcome.values() if isinstance(each, Started)]
        outcome.update(self._resume(started))
        with suppress(self.libvirt.libvirtError, LaunchError, OSError):  # what stays mounted goes at the next run
            mounts.sweep()
        return {key: each for key, each in {**outcome, **failed}.items() if each is not None}

    def _turn_off(self, pending: list[Change]) -> tuple[list[Change], dict[str, LaunchError]]:
        """The changes with those guests off that are to be; by key the errors of those that do not go off."""
        stopping = {each.key: each.after.restart == RESTARTS["reset"] for each in pending if _turns_off(each)}
        with libvirt_errors(self.libvirt):
            handles = {key: self.connection.lookupByUUIDString(key) for key in stopping}
        errors: dict[str, Exception] = {}
        for at_once, timeout in ((True, 0), (False, self._params["shutdown_timeout"])):
            mine = {key: handle for key, handle in handles.items() if stopping[key] == at_once}
            errors.update(shut_down(self.libvirt, mine, timeout))
        failed = {key: Unavailable("it could not be turned off: %s" % error) for key, error in errors.items()}
        going_on = [each for each in pending if each.key not in failed]
        return [_off(each) if each.key in handles else each for each in going_on], failed

    def listed(self, handle: Any) -> Listed:
        """Any domain of this host."""
        status = self._status(handle)
        domain = xml.parse(handle.XMLDesc(), status)
        known = domain and replace(domain, autostart=bool(handle.autostart()))
        return Listed(handle.name(), handle.UUIDString(), status, known)

    def _read(self, item: Domain) -> Any:
        """The item's domain as it is; a LaunchError in its place if that is not ours to touch."""
        absent = self._params["state"] == "absent"
        handle = self._lifecycle.lookup(item.uuid)
        if handle is not None:
            found = self.listed(handle).domain
            if found is None:
                return Conflict(
                    "domain %s has uuid %s and is not ours: its metadata lacks our mark. Remove it, or restore the mark"
                    % (handle.name(), item.uuid)
                )
            item.check_record(found.record_id)
            seen = {} if found.status == "SHUTOFF" else sizes.read(handle, item.volumes, found.volumes)
            done = directory.read(self._params["state_path"], item.uuid).rebuild_id
            return replace(found, volumes=changes.set_sizes(found.volumes, seen), rebuild_id=done)
        directory.check(self._params["state_path"], item.uuid, item.record_id)
        return replace(item, status="DELETED") if absent and self._lifecycle.own_files(item) else None

    def _status(self, handle: Any) -> str:
        """The domain's state in the Compute API's words."""
        return POWER[power_state(self.libvirt, handle)]

    def _host(self, plugs: bool) -> Hypervisor | LaunchError:
        """What this host decides for new domains; plugs: whether any of them has a port."""
        try:
            architecture = platform.machine()
            virt_type = chosen_virt_type(self.libvirt, self.connection, self._params["virt_type"], architecture)
            userspace = plugs and openvswitch.datapath_type(INTEGRATION_BRIDGE) == "netdev"
        except LaunchError as error:
            return error
        # In the userspace datapath nobody completes a checksum that the guest leaves to the host: TCP would fail.
        return Hypervisor(virt_type, architecture, checksum_offload=not userspace)

    def _begin(self, change: Change) -> Any:
        """One change up to the point where it is done (a Domain, None) or waits for its ports (Started)."""
        path = instance_path(self._params["state_path"], "")
        try:
            with disk_errors(path), libvirt_errors(self.libvirt):
                anew = change.after is not None and change.wanted.replaces(change.before)
                return getattr(self._lifecycle, "rebuild" if anew else change.action)(change)
        except LaunchError as error:
            return error

    def _resume(self, started: list[Started]) -> dict[str, Any]:
        """Resume every domain as soon as OVN has wired its ports; take back the starts of those it never wires.

        Open vSwitch may be slow to answer while many are plugged into it: that is an error at the end only.
        """
        outcome = {}
        deadline = time.monotonic() + self._params["vif_plugging_timeout"]
        while True:
            plugged, silent = self._plugged(started)
            for each in [each for each in started if not each.waits_for(plugged)]:
                outcome[each.change.key] = self._finish(each)
                started.remove(each)
            if not started:
                return outcome
            if time.monotonic() > deadline:
                for each in started:
                    outcome[each.change.key] = self._give_up(each, silent or self._not_wired(each, plugged))
                return outcome
            time.sleep(POLL)

    def _plugged(self, started: list[Started]) -> tuple[dict[str, str], LaunchError | None]:
        """The interfaces that are wired, as far as any is waited for; none, and why, where nobody tells."""
        try:
            return (openvswitch.plugged() if any(each.ports for each in started) else {}), None
        except LaunchError as error:
            return {}, error

    def _finish(self, each: Started) -> Domain | LaunchError:
        """Let a domain run that does not, and read it again."""
        try:
            with libvirt_errors(self.libvirt):
                wake = {"PAUSED": each.handle.resume, "SUSPENDED": each.handle.pMWakeup}.get(self._status(each.handle))
                if wake:
                    self._check_awaited(each.change.key)
                    wake()
                known = {disk.role: disk.size for disk in each.change.after.volumes or ()}
                each.handle.setAutostart(True)
                domain = self.listed(each.handle).domain
                return replace(domain, volumes=changes.set_sizes(domain.volumes, known))
        except LaunchError as error:
            return self._give_up(each, error)

    def _check_awaited(self, uuid: str) -> None:
        """Unavailable when nobody waits for this guest any more: another host may have it, or it has been destroyed."""
        destroyed.check(self._params["state_path"], uuid)
        if time.monotonic() > (self._params.get("deadline") or math.inf):
            raise Unavailable("it was not ready before its controller stopped waiting: see launch_build_timeout")

    def _not_wired(self, each: Started, plugged: dict[str, str]) -> Unavailable:
        ports = ", ".join("%s (%s)" % (port.port_id, port.tap) for port in each.waits_for(plugged))
        return Unavailable(
            "OVN on host %s did not wire port %s in %d s: see that ovn-controller runs and is connected "
            "there, and that the port is bound to that host (requested-chassis is its system-id or its hostname)"
            % (platform.node(), ports, self._params["vif_plugging_timeout"]),
            public="its host did not wire port %s in %d s" % (ports, self._params["vif_plugging_timeout"]),
        )

    def _give_up(self, each: Started, error: LaunchError) -> LaunchError:
        """Take back what this run did to a domain that cannot run, so that another host may have it."""
        try:
            each.undo()
        except self.libvirt.libvirtError as failure:
            return type(error)("%s; and taking it back failed: %s" % (error, failure))
        return error


def _turns_off(change: Change) -> bool:
    """Whether a guest that is on is to be off, for good or until it is started anew."""
    before, after = change.before, change.after
    ends = bool(before and after) and before.status != "SHUTOFF" and not change.wanted.replaces(before)
    return ends and (after.status == "SHUTOFF" or after.restart is not None)


def _off(change: Change) -> Change:
    """What is left of a change when its guest is off; what it sees of its volumes then, nobody asks."""
    before = replace(change.before, status="SHUTOFF", volumes=changes.set_sizes(change.before.volumes, {}))
    return replace(change, before=before)
