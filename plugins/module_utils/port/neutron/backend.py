# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports of neutron's: each is made, changed and removed by itself, several at once."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable, Mapping

from ...cloud.session import connect as connect_cloud
from ...core.change import Change
from ...core.errors import LaunchError, NotFound, Unavailable
from ...core.parallel import map_parallel
from . import rows, trunk
from .create import make
from .floating import Floating
from .item import Current, Port, label
from .names import mark
from .view import View

# Seconds between two looks at the ports' status, from the first to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0


def connect(params: Mapping[str, Any]) -> Neutron:
    """Neutron as the user and as the launcher see it."""
    return Neutron(params, View(connect_cloud(dict(params))))


class Neutron:
    """Reads and changes the ports of a project."""

    def __init__(self, params: Mapping[str, Any], view: View):
        self.params = params
        self.view = view
        self.ports: dict[str, Port] = {}

    def read(self, wanted: list[Any]) -> Current:
        """What is there, as far as the wanted ports are concerned."""
        sound = [request for request in wanted if request.fault is None]
        current = self.view.current(sound, self.params.get("state", "present"))
        self.ports = dict(current.ports)
        return current

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Make the changes; then, if that is asked for, wait until the ports that there are are ACTIVE."""
        kept = trunk.leave(self.view, changes)
        ready = [change for change in changes if change.key not in kept]
        outcome = {**kept, **dict(zip((change.key for change in ready), map_parallel(self._finish, ready)))}
        outcome.update(trunk.join(self.view, ready, {**self.view.made, **outcome}))
        if self.params.get("wait") and self.params.get("state", "present") == "present":
            self._await(outcome)
        return outcome

    def find(self, params: Mapping[str, Any]) -> list[Port]:
        """Our ports, of these instances, names and networks; None does not narrow."""
        ports = self.view.find(params["instance_uuids"])
        if params["names"] is not None:
            ports = [port for port in ports if port.name in params["names"]]
        if params["networks"] is not None:
            ports = [port for port in ports if {port.network.name, port.network.id} & set(params["networks"])]
        return sorted(ports, key=lambda port: (port.name, port.id))

    def _finish(self, change: Change) -> Port:
        """One port as it is when its change is done."""
        if change.after is None:
            return self._remove(change.before)
        if change.before is None:
            port = make(self.view, change, self._update)
        else:
            port = self._update(change, change.before, change.after)
        floating = self._exchange(change.before and change.before.floating, change.after.floating, port)
        return _check_bound(replace(port, floating=floating))

    def _update(self, change: Change, before: Port, after: Port) -> Port:
        """Change what the user may with the user's rights, then whose the port is and where, with the launcher's."""
        path, what = "ports/%s" % before.port_id, label(after)
        if after.adopted and not before.marked:
            # The mark comes first: what has it is found again, and given back.
            self.view.launcher.put("%s/tags/%s" % (path, mark(after.id)), None, what)
        after = trunk.make_trunk(self.view, before, after)
        body = rows.user_changes(before, after)
        if body:
            self.view.user.put(path, {"port": body}, what)
        body = rows.launcher_changes(change.wanted, before, after)
        if not body:
            return after
        row = self.view.launcher.put(path, {"port": body}, what)["port"]
        return rows.as_asked(self.view.port(row), after)

    def _exchange(self, before: Floating | None, after: Floating | None, port: Port) -> Floating | None:
        """Take the port's floating IP from it, and give it the one that it is to have."""
        if before is not None and before != after:
            self._release(before, port)
        if after is None or after == before:
            return after
        body = {"port_id": port.port_id}
        if port.fixed_ip and ":" not in port.fixed_ip:
            body["fixed_ip_address"] = port.fixed_ip
        what = "floating IP of %s" % label(port)
        if after.id:
            row = self.view.user.put("floatingips/%s" % after.id, {"floatingip": body}, what)
        else:
            body.update(floating_network_id=after.network_id, description=mark(port.id))
            row = self.view.user.post("floatingips", {"floatingip": body}, what)
        return rows.floating(row["floatingip"])

    def _release(self, floating: Floating, port: Port) -> None:
        """Remove a floating IP that we made for the port; take any other only from it."""
        path, what = "floatingips/%s" % floating.id, "floating IP %s of %s" % (floating.address, label(port))
        if floating.ours == port.id:
            _ignore_missing(lambda: self.view.user.delete(path, what))
        else:
            _ignore_missing(lambda: self.view.user.put(path, {"floatingip": {"port_id": None}}, what))

    def _remove(self, port: Port) -> Port:
        """Remove a port that we made; give one that was lent back as it came."""
        path, what = "ports/%s" % port.port_id, label(port)
        if port.floating is not None:
            self._release(port.floating, port)
        if port.adopted:
            if port.device or port.host:
                _ignore_missing(lambda: self.view.launcher.put(path, {"port": rows.GIVEN_BACK}, what))
            _ignore_missing(lambda: self.view.launcher.delete("%s/tags/%s" % (path, mark(port.id)), what))
        elif port.port_id:
            _ignore_missing(lambda: self.view.launcher.delete(path, what))
        return port

    def _await(self, outcome: dict[str, Any]) -> None:
        """Wait until the ports are ACTIVE; Unavailable for those that are not in time."""
        ports = {**self.ports, **outcome}
        waiting = {key: port for key, port in ports.items() if isinstance(port, Port) and port.status != "ACTIVE"}
        ends, pause = time.monotonic() + self.params["timeout"], FIRST_PAUSE
        try:
            while waiting and self._still(waiting, outcome) and time.monotonic() + pause < ends:
                time.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        except LaunchError as error:
            outcome.update(dict.fromkeys(waiting, error))
            return
        for key in waiting:
            outcome[key] = _not_active(outcome[key], self.params["timeout"])

    def _still(self, waiting: dict[str, Port], outcome: dict[str, Any]) -> bool:
        """Look once; whether any port is still not ACTIVE."""
        statuses = self.view.statuses([str(port.port_id) for port in waiting.values()])
        for key, port in list(waiting.items()):
            outcome[key] = replace(port, status=statuses.get(str(port.port_id)))
            if outcome[key].status == "ACTIVE":
                del waiting[key]
        return bool(waiting)


def _ignore_missing(remove: Callable) -> None:
    """Remove something that may be gone already."""
    with suppress(NotFound):
        remove()


def _check_bound(port: Port) -> Port:
    """The port, unless its host cannot take it."""
    if port.bound:
        return port
    raise Unavailable(
        "%s: host %s cannot take it (binding failed): neutron knows no live OVN chassis or agent of that name, or none "
        "that reaches the network; `openstack network agent list --host %s` must show one that is alive, and "
        "external_ids:hostname in the host's Open vSwitch must be that very name" % (label(port), port.host, port.host),
        public="%s: its host cannot take it (binding failed)" % label(port),
    )


def _not_active(port: Port, seconds: int) -> Unavailable:
    """Why a port is still not ACTIVE."""
    return Unavailable(
        "%s (%s) is %s after %d s on host %s: see there that an interface of Open vSwitch has "
        "external_ids:iface-id=%s, and that ovn-controller runs"
        % (label(port), port.port_id, port.status or "gone", seconds, port.host, port.port_id),
        public="%s (%s) is %s after %d s" % (label(port), port.port_id, port.status or "gone", seconds),
    )
