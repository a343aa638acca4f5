# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be said of a network on a wire that the hosts have, one of neutron's provider networks; pure."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any, Iterable, Mapping

from ..core.errors import Conflict, InvalidRequest
from ..core.names import checked_name


def check_provider(options: Mapping[str, Any]) -> str | None:
    """The name of the wire that a network's options ask for, None if they ask for none; InvalidRequest if it makes no
    sense.

    Others are on the wire as well, who ask nobody here for an address: so it is said which ones are ours to give.
    """
    physical_network = options.get("physical_network") or None
    if physical_network is None:
        if options.get("vlan"):
            raise InvalidRequest("vlan %d is of a wire: say its physical_network" % options["vlan"])
        return None
    checked_name(physical_network, "physical_network")
    if options.get("cidr") and not options.get("allocation_pool"):
        raise InvalidRequest(
            "physical_network %s has other machines' addresses too: say in an allocation_pool, {start: ..., end: ...}, "
            "which ones are for instances" % physical_network
        )
    if options.get("router") not in (None, "none"):
        raise InvalidRequest(
            "router: %s is not for physical_network %s, whose gateway is a machine there: leave router out"
            % (options["router"], physical_network)
        )
    return physical_network


def check_pool(gateway: Any, first: Any, last: Any) -> None:
    """InvalidRequest if the gateway is among the addresses that a wire's instances are given."""
    if gateway is not None and first <= gateway <= last:
        raise InvalidRequest(
            "gateway %s is within the allocation_pool, %s to %s: it is a machine on the wire, choose the pool beside it"
            % (gateway, first, last)
        )


def wire(network: Any) -> str:
    """Where a network's frames go, in words."""
    if not network.physical_network:
        return "on no physical_network"
    return "on %s, %s" % (network.physical_network, "vlan %d" % network.vlan if network.vlan else "untagged")


def check_neighbours(network: Any, existing: Any, others: Iterable[Any]) -> None:
    """Conflict if a network comes to addresses on a wire that another one gives out there: neither knows to whom.

    existing is the network as it is there, if it is; what that gives out already is not asked for anew.
    """
    pool = _addresses(network)
    if existing is not None and wire(existing) == wire(network) and len(_both(pool, _addresses(existing))) == len(pool):
        return
    for other in others:
        shared = _both(pool, _addresses(other))
        if other.full_name != network.full_name and wire(other) == wire(network) and shared:
            addresses = [IPv4Address(end) for end in (shared[0], shared[-1])]
            theirs = "network %s of project %s" % (other.name, other.project_id)
            raise Conflict.telling(
                "network %s is %s, where %s gives out %s to %s as well, and neither would know what the other has "
                "given: let all projects define one network with shared: true (remove one that is not shared first), "
                "or give each an allocation_pool of its own",
                facts=(network.name, wire(network), theirs, *addresses),
                public=(network.name, "on a wire", "another network", *addresses),
            )


def _addresses(network: Any) -> range:
    """The addresses that a network gives out, as numbers; those of IPv6 follow from the ports' MAC addresses."""
    if network.cidr is None:
        return range(0)
    return range(int(IPv4Address(network.first)), int(IPv4Address(network.last)) + 1)


def _both(one: range, other: range) -> range:
    """The numbers that are in both."""
    return range(max(one.start, other.start), min(one.stop, other.stop))
