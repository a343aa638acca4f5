# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses that a router has on its external network: who gives them, and that nothing else has them; pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..network.addresses import derived_mac
from ..network.definition import Network
from ..network.fixed_ips import claim, free_addresses, next_free
from ..network.names import Name
from .definition import Router, check_external_ip, check_external_ipv6
from .names import router_port


class Outside(NamedTuple):
    """A router's addresses outside, of each family that its external network has."""

    external_ip: str | None = None
    external_ipv6: str | None = None


NOWHERE = Outside()


def give(router: Router, external: Network, before: Any, held: dict[Name, dict[str, str]], full_name: Name) -> Outside:
    """The router's addresses: those asked for, else those it has; else the lowest free one, and what follows from it.

    before: the router's Item as it is, if it is there. held: what is in use by network, and by whom; these are then the
    router's. Of IPv6 it is what follows from its MAC address, as a guest's.
    """
    taken, mine = held.setdefault(external.full_name, {}), router_port(full_name, external.full_name)
    external_ip = _external_ip(router, external, before, taken, mine) if external.cidr else None
    check_external_ipv6(external, router.external_ipv6)
    if external.ipv6_cidr is None:
        return Outside(external_ip)
    external_ipv6 = router.external_ipv6 or str(external.slaac_ip(external_mac(external_ip)))
    return Outside(external_ip, claim(external, "external_ipv6", external_ipv6, taken, mine))


def external_mac(address: str | None) -> str:
    """The MAC address of the router that has this address outside."""
    return derived_mac("router/%s" % address, prefix="fa:16:3f")


def _external_ip(router: Router, external: Network, before: Any, taken: dict[str, str], mine: str) -> str:
    same = before is not None and before.definition.external == router.external
    address = router.external_ip or (before.external_ip if same else None)
    if address is None:
        address = next_free(external, free_addresses(external, taken))
    elif not same or address != before.external_ip:
        check_external_ip(external, address, "external_ip")
    return claim(external, "external_ip", address, taken, mine)
