# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages of hosts and of networks."""

from __future__ import annotations

from typing import Any, Mapping

from ..api.site import Site
from . import reading
from .render import send

NETWORK_FIELDS = (
    "cidr", "ipv6_cidr", "gateway", "router", "physical_network", "vlan", "mtu", "shared", "port_security"
)  # fmt: skip


class Hosts:
    """/ui/hosts and /ui/hosts/{host}."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """All of them."""
        found, refusals = reading.hosts(self.site)
        send(req, resp, "hosts.html", hosts=found, refusals=refusals)

    def on_get_one(self, req: Any, resp: Any, host: str) -> None:
        """One, with the claims there."""
        send(req, resp, "host.html", host=reading.host(self.site, host))


class Networks:
    """/ui/networks."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of the definitions, with their routers, and the security groups."""
        known = self.site.known
        networks = [
            {"name": name, **dict.fromkeys(NETWORK_FIELDS), **(each if isinstance(each, Mapping) else {})}
            for name, each in sorted(known["networks"].items())
        ]
        send(
            req, resp, "networks.html", networks=networks, service=known["network_service"],
            routers=sorted(known["routers"].items()), groups=sorted(known["security_groups"].items()),
        )  # fmt: skip
