# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks and security groups of the settings, for clients that resolve their names.

Where there is Neutron, clients ask it. Nova's own proxy to it ended with version 36; a client that knows one address
alone looks for Neutron's lists there too.
"""

from __future__ import annotations

from typing import Any

from ..context import RequestContext
from ..errors import ApiError
from ..identifiers import definition_id
from ..site import Site
from ..views import definitions as view


class Proxy:
    """/os-networks, until version 36."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """All of them."""
        req.context.nova.had(36, "os-networks")
        resp.media = {"networks": [view.network(*pair) for pair in sorted(self.site.known["networks"].items())]}

    def on_get_one(self, req: Any, resp: Any, network_id: str) -> None:
        """One of them."""
        req.context.nova.had(36, "os-networks")
        for name, known in self.site.known["networks"].items():
            if definition_id("network", name, known) == network_id:
                resp.media = {"network": view.network(name, known)}
                return
        raise ApiError(404, "Network not found")


class Networks:
    """/networks, as Neutron has it."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of this name, or all."""
        context: RequestContext = req.context.nova
        resp.media = {"networks": [each for each in self._all(context) if context.one("name") in (None, each["name"])]}

    def on_get_one(self, req: Any, resp: Any, network_id: str) -> None:
        """One of them."""
        resp.media = {"network": _one(self._all(req.context.nova), "Network", network_id)}

    def _all(self, context: RequestContext) -> list[dict[str, Any]]:
        known = self.site.known["networks"]
        return [view.neutron_network(name, known[name], context.project_id) for name in sorted(known)]


class SecurityGroups:
    """/security-groups, as Neutron has it."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of this name, or all."""
        context: RequestContext = req.context.nova
        found = [each for each in self._all(context) if context.one("name") in (None, each["name"])]
        resp.media = {"security_groups": found}

    def on_get_one(self, req: Any, resp: Any, group_id: str) -> None:
        """One of them."""
        resp.media = {"security_group": _one(self._all(req.context.nova), "Security group", group_id)}

    def _all(self, context: RequestContext) -> list[dict[str, Any]]:
        names = {"default", *self.site.known["security_groups"]}
        return [view.security_group(name, context.project_id) for name in sorted(names)]


def _one(found: list[dict[str, Any]], kind: str, identity: str) -> dict[str, Any]:
    for each in found:
        if each["id"] == identity:
            return each
    raise ApiError(404, "%s %s could not be found." % (kind, identity))
