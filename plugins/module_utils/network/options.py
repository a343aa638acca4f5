# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What definitions of networks, routers and rules may say, by the converters of the values. Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Mapping

from ..core.convert import boolean, choice, label, mapping, sequence, text, whole


def _pool(value: Any, what: str) -> dict[str, str]:
    """The first and the last address that ports are given."""
    ends = mapping(value, what, ("start", "end"))
    return {end: text(ends.get(end), "%s: %s" % (what, end)) for end in ("start", "end")}


def _routes(value: Any, what: str) -> list[dict[str, str]]:
    """Ways to other networks."""
    routes = []
    for place, each in enumerate(sequence(value, what)):
        route = mapping(each, "%s[%d]" % (what, place), ("destination", "nexthop"))
        routes.append(
            {key: text(route.get(key), "%s[%d]: %s" % (what, place, key)) for key in ("destination", "nexthop")}
        )
    return routes


def _texts(value: Any, what: str) -> list[str]:
    return [text(each, what) for each in sequence(value, what)]


NETWORK_OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "cidr": text,
    "ipv6_cidr": text,
    "ipv6_gateway": text,
    "gateway": text,
    "dns": _texts,
    "mtu": whole,
    "allocation_pool": _pool,
    "dhcp": boolean,
    "domain": text,
    "port_security": boolean,
    "router": text,
    "shared": boolean,
    "physical_network": text,
    "vlan": partial(whole, least=1, most=4094),
}
ROUTER_OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "external_network": text,
    "snat": boolean,
    "distributed": boolean,
    "external_ip": text,
    "external_ipv6": text,
    "routes": _routes,
}
RULE_OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "direction": partial(choice, choices=("ingress", "egress")),
    "protocol": label,
    "port": label,
    "icmp_type": partial(whole, least=0, most=255),
    "icmp_code": partial(whole, least=0, most=255),
    "remote": text,
    "ethertype": partial(choice, choices=("IPv4", "IPv6")),
}


def converted(options: Mapping[str, Callable], said: Mapping[str, Any]) -> dict[str, Any]:
    """What is mentioned, each as the type that it stands for."""
    return {key: options[key](value, key) for key, value in said.items() if value is not None}
