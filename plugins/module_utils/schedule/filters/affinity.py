# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of neighbours: server groups, and hints that name instances or an address."""

from __future__ import annotations

import ipaddress

from ..host_state import HostState
from ..model import Request
from .rule import rule


def _of_policy(policy: str):
    return lambda request: request.group is not None and request.group.policy == policy


@rule(
    applies=_of_policy("anti-affinity"),
    shows=lambda host, request: "has %d" % request.group.hosts.get(host.host, 0),
)
def server_group_anti_affinity(host: HostState, request: Request) -> str | None:
    """A host takes at most max_server_per_host members of the group, one if that is not set."""
    most = request.group.max_server_per_host or 1
    if request.group.hosts.get(host.host, 0) < most:
        return None
    return "have %d of group %s already" % (most, request.group.name)


@rule(applies=_of_policy("affinity"))
def server_group_affinity(host: HostState, request: Request) -> str | None:
    """All members of the group are on one host; the first may choose it."""
    places = request.group.hosts
    if not places or host.host in places:
        return None
    return "are not where group %s is (%s)" % (request.group.name, ", ".join(sorted(places)))


@rule(applies=lambda request: request.same_host is not None)
def same_host(host: HostState, request: Request) -> str | None:
    """The hint same_host: where one of these instances is."""
    return None if host.host in request.same_host else "have none of the instances in same_host"


@rule(applies=lambda request: request.different_host is not None)
def different_host(host: HostState, request: Request) -> str | None:
    """The hint different_host: where none of these instances is."""
    return "have an instance in different_host" if host.host in request.different_host else None


@rule(
    applies=lambda request: request.hints.get("build_near_host_ip"),
    shows=lambda host, request: "is %s" % host.facts.get("host_ip"),
)
def simple_cidr_affinity(host: HostState, request: Request) -> str | None:
    """The hints build_near_host_ip and cidr (/24 by default): hosts with an address in that network."""
    length = str(request.hints.get("cidr") or "/24")
    near = ipaddress.ip_network("%s/%s" % (request.hints["build_near_host_ip"], length.lstrip("/")), strict=False)
    address = host.facts.get("host_ip")
    if address and ipaddress.ip_address(address) in near:
        return None
    return "have no address in %s" % near
