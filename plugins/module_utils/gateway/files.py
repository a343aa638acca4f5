# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a gateway's unit reads: texts, made of checked addresses and names of ours; pure."""

from __future__ import annotations

from ipaddress import ip_interface

from ..core.names import INTEGRATION_BRIDGE
from .model import Gateway

# The sets of the nftables table inet kvmstack, and what a gateway with IPv4 is in each (roles/compute_host).
ELEMENTS_4 = {
    "sources": '"{interface}" . {cidr}',
    "masqueraded": "{cidr}",
}
# Likewise of one with IPv6.
ELEMENTS_6 = {
    "sources6": '"{interface}" . {ipv6_cidr}',
    "masqueraded6": "{ipv6_cidr}",
}


def pid_file(interface: str) -> str:
    """Where the number of the process stands that answers for names."""
    return "/run/kvmstack-gateway-%s.pid" % interface


def files(gateway: Gateway) -> dict[str, str]:
    """The files by name."""
    return {
        "environment": _lines(
            "BRIDGE=" + INTEGRATION_BRIDGE,
            "PORT=" + gateway.port,
            "MAC=" + gateway.mac,
            "ADDRESS=" + (gateway.address or ""),
            "MTU=%d" % gateway.mtu,
            *(["IPV6_ADDRESS=" + gateway.ipv6_address] if gateway.ipv6_address else []),
        ),
        "start.nft": _elements("add", gateway),
        "stop.nft": _elements("delete", gateway),
        "dnsmasq.conf": _dnsmasq(gateway),
    }


def _elements(verb: str, gateway: Gateway) -> str:
    known = {"interface": gateway.interface, "cidr": gateway.cidr, "ipv6_cidr": gateway.ipv6_cidr}
    elements = {**(ELEMENTS_4 if gateway.address else {}), **(ELEMENTS_6 if gateway.ipv6_address else {})}
    return _lines(
        *("%s element inet kvmstack %s { %s }" % (verb, name, text.format(**known)) for name, text in elements.items())
    )


def _dnsmasq(gateway: Gateway) -> str:
    """dnsmasq(8): it asks the servers that the host itself asks."""
    domain = ["domain=" + gateway.domain, "local=/%s/" % gateway.domain] if gateway.domain else []
    return _lines(
        "interface=" + gateway.interface,
        "except-interface=lo",
        "bind-interfaces",
        "no-hosts",
        "pid-file=" + pid_file(gateway.interface),
        *domain,
        *_announcements(gateway),
    )


def _announcements(gateway: Gateway) -> list[str]:
    """dnsmasq(8) as the router of a /64. Its MTU is the interface's; with an empty option it names no servers."""
    if not gateway.ipv6_address:
        return []
    prefix = ip_interface(gateway.ipv6_address).network.network_address
    servers = "".join(",[%s]" % server for server in gateway.rdnss)
    search = ["dhcp-option=option6:domain-search," + gateway.domain] if gateway.domain else []
    return ["enable-ra", "dhcp-range=%s,ra-only,64,1h" % prefix, "dhcp-option=option6:dns-server" + servers, *search]


def _lines(*lines: str) -> str:
    return "".join(each + "\n" for each in lines)
