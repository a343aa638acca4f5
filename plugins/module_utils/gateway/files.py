# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a gateway's unit reads: texts, made of checked addresses and names of ours; pure."""

from __future__ import annotations

from .model import Gateway

# The sets of the nftables table inet kvmstack, and what a gateway is in each (roles/compute_host).
ELEMENTS = {
    "gateways": '"{interface}"',
    "sources": '"{interface}" . {cidr}',
    "masqueraded": "{cidr}",
}


def pid_file(interface: str) -> str:
    """Where the number of the process stands that answers for names."""
    return "/run/kvmstack-gateway-%s.pid" % interface


def files(gateway: Gateway, bridge: str) -> dict[str, str]:
    """The files by name. bridge: the integration bridge."""
    return {
        "environment": _lines(
            "BRIDGE=" + bridge,
            "PORT=" + gateway.port,
            "MAC=" + gateway.mac,
            "ADDRESS=" + gateway.address,
            "MTU=%d" % gateway.mtu,
        ),
        "start.nft": _elements("add", gateway),
        "stop.nft": _elements("delete", gateway),
        "dnsmasq.conf": _dnsmasq(gateway),
    }


def _elements(verb: str, gateway: Gateway) -> str:
    known = {"interface": gateway.interface, "cidr": gateway.cidr}
    return _lines(
        *("%s element inet kvmstack %s { %s }" % (verb, name, text.format(**known)) for name, text in ELEMENTS.items())
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
    )


def _lines(*lines: str) -> str:
    return "".join(each + "\n" for each in lines)
