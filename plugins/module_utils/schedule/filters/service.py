# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of what a host is and has been: in service, in a zone, not tried yet, with the volumes, on the wires."""

from __future__ import annotations

from ..host_state import HostState
from ..model import Request
from .rule import rule


@rule(applies=lambda request: False)
def all_hosts(host: HostState, request: Request) -> str | None:
    """Every host will do."""
    return None


def compute(host: HostState, request: Request) -> str | None:
    """Hosts that an operator has disabled take nothing new."""
    if host.enabled:
        return None
    return "are disabled" + (" (%s)" % host.disabled_reason if host.disabled_reason else "")


@rule(applies=lambda request: request.attempted)
def retry(host: HostState, request: Request) -> str | None:
    """A host that failed this instance in this launch is not tried again."""
    return "have failed it already" if host.host in request.attempted else None


@rule(applies=lambda request: request.pinned, shows=lambda host, request: None)
def volume(host: HostState, request: Request) -> str | None:
    """An instance goes where its existing local volumes are, and stays where its build has begun."""
    if all(place == host.host for place in request.pinned):
        return None
    return "are not where its disks are (%s)" % ", ".join(request.pinned)


@rule(applies=lambda request: request.availability_zone, shows=lambda host, request: "is in %s" % host.zone)
def availability_zone(host: HostState, request: Request) -> str | None:
    """An instance that asks for a zone goes there; a host without one is in nova's default zone, `nova`."""
    if request.availability_zone == (host.availability_zone or host.zone):
        return None
    return "are not in zone %s" % request.availability_zone


@rule(applies=lambda request: request.physical_networks, shows=lambda host, request: _wires(host))
def physical_network(host: HostState, request: Request) -> str | None:
    """A port on a provider network is up on any host, and reaches nobody where no bridge is mapped to its wire."""
    mapped = {name for name, hosts in request.wired.items() if host.host in hosts}.union(host.bridge_mappings or ())
    missing = [name for name in request.physical_networks if name not in mapped]
    return "have no bridge mapping for %s" % ", ".join(missing) if missing else None


def _wires(host: HostState) -> str:
    return "has one for %s" % (", ".join(sorted(host.bridge_mappings or {})) or "none")
