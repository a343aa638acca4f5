# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be said of a network on a wire that the hosts have, one of neutron's provider networks; pure."""

from __future__ import annotations

from typing import Any, Mapping

from ..core.errors import InvalidRequest
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
    if not options.get("allocation_pool"):
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
