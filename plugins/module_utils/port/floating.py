# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Floating IPs of OVN: an address on an external network, which a router translates to a port's own; pure."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from ..core.errors import InvalidRequest, LaunchError, NotFound
from ..network.addresses import checked_address, derived_mac
from ..network.definition import Network
from ..network.names import Name
from ..router.definition import Router, check_external_ip
from ..router.model import external_of
from ..router.names import router_port
from .item import Request


class Floating(NamedTuple):
    """A port's address outside: on this external network, by this router.

    mac_address is its own there where it is distributed: the host of the port translates it. Without one the router's
    gateway does.
    """

    address: str
    network: Name
    router: Name
    mac_address: str | None = None


def resolve_floating(
    request: Request, before: Floating | None, network: Network, pool: Any, host: str | None = None
) -> Floating | None:
    """The floating IP that the port is to have: what it has if nothing is said, or if that is what is asked for.

    network is the port's, host where the port is; pool gives addresses out (pool.AddressPool).
    """
    asked = request.floating_ip
    if asked is None or asked is False:
        return _kept(request, before, pool, host) if asked is None and before else None
    router = _router(request, network, pool.current)
    external = external_of(router, pool.current.networks, request.definitions)
    _check_external_ip(external)
    _keep_for_router(router, external, pool)
    if asked is not True and asked != external.name:
        check_asked(str(asked), router, external)
        if before is None or before.address != asked:
            pool.claim(external, str(asked), "floating_ip", request.id)
        address = str(asked)
    elif before is not None and (before.network, before.router) == (external.full_name, router.full_name):
        address = before.address
    else:
        address = pool.address(external, request.id)
    mac = before.mac_address if before is not None and before.address == address else None
    return _placed(Floating(address, external.full_name, router.full_name, mac), router, external, request, host)


def gives_up(request: Request, before: Any) -> bool:
    """Whether a port is to have its floating IP no more: another port may have it in the same run."""
    have = getattr(before, "floating", None)
    asked = request.floating_ip
    return have is not None and (asked is False or (is_address(str(asked)) and asked != have.address))


def _kept(request: Request, before: Floating, pool: Any, host: str | None) -> Floating:
    """The floating IP that a port has and nothing is said of: where it is translated follows the port."""
    router, external = pool.current.routers.get(before.router), pool.current.networks.get(before.network)
    if isinstance(router, Router) and isinstance(external, Network):
        return _placed(before, router, external, request, host)
    return before


def _placed(floating: Floating, router: Router, external: Network, request: Request, host: str | None) -> Floating:
    """The floating IP, with a MAC address of its own where the port's host is to be the way to it, and can be.

    As it is, if nothing is said of which hosts can.
    """
    if request.gateways is None and router.distributed:
        return floating
    near = router.distributed and host in request.gateways.get(str(external.physical_network), ())
    mac = derived_mac("floating/%s" % floating.address, prefix="fa:16:3f") if near else None
    return floating._replace(mac_address=mac)


def check_floating(request: Request) -> None:
    """InvalidRequest if what is defined of a port's network and its router says that it can have no floating IP."""
    network = request.definitions.network(request.network)
    if not request.floating_ip or network is None:
        return
    _check_routed(network)
    router = request.definitions.router(network.router, request.project_id)
    if router is None:
        return
    _check_external(router)
    external = request.definitions.network(router.external_network)
    if external is not None:
        _check_external_ip(external)
    if external is not None and isinstance(request.floating_ip, str) and request.floating_ip != external.name:
        check_asked(request.floating_ip, router, external)


def check_asked(asked: str, router: Router, external: Network) -> None:
    """InvalidRequest unless a text that is not the external network's name is an address there."""
    if not is_address(asked):
        raise InvalidRequest(
            "floating_ip %s: the external_network of router %s is %s, and it is no address there either"
            % (asked, router.name, external.name)
        )
    check_external_ip(external, asked, "floating_ip")


def reserve_floating(request: Request, held: dict[Name, dict[str, str]], current: Any) -> None:
    """A floating IP that a port asks for is given to no other."""
    with suppress(LaunchError):
        if isinstance(request.floating_ip, str) and is_address(request.floating_ip):
            network = current.networks.get(request.full_network) or request.definitions.network(request.network)
            if not isinstance(network, Network):  # the port's own plan tells why
                return
            router = _router(request, network, current)
            held.setdefault(router.external, {}).setdefault(request.floating_ip, request.id)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    with suppress(InvalidRequest):
        return bool(checked_address(text, "floating_ip"))
    return False


def _router(request: Request, network: Network, current: Any) -> Router:
    """The router that the port's network is on: as it is there, else as it is defined."""
    _check_routed(network)
    router = current.routers.get(network.full_router)
    if isinstance(router, LaunchError):
        raise router
    router = router or request.definitions.router(network.router, network.project_id)
    if router is None:
        raise NotFound("router %s is not there: make it first, with kvmstack.launch.router" % network.router)
    _check_external(router)
    return router


def _keep_for_router(router: Router, external: Network, pool: Any) -> None:
    """A router that is not there yet is given its address before the ports behind it are."""
    mine = router_port(router.full_name, external.full_name)
    held = pool.held.setdefault(external.full_name, {})
    if router.full_name not in pool.current.routers and mine not in held.values():
        held.setdefault(router.external_ip or pool.address(external, mine), mine)


def _check_routed(network: Network) -> None:
    if network.full_router is None:
        raise InvalidRequest(
            "floating_ip: network %s is on no router: write router: NAME there, a router with an external_network"
            % network.name
        )
    if network.cidr is None:
        raise InvalidRequest(
            "floating_ip: network %s has no cidr, and a floating IP is translated to an address of IPv4: guests are "
            "reached there by their own IPv6 addresses, which router %s routes if its external_network has an "
            "ipv6_cidr" % (network.name, network.router)
        )


def _check_external_ip(external: Network) -> None:
    if external.cidr is None:
        raise InvalidRequest("floating_ip: external_network %s has no cidr to give one of" % external.name)


def _check_external(router: Router) -> None:
    if router.external is None:
        raise InvalidRequest("floating_ip: router %s has no external_network to have an address on" % router.name)
