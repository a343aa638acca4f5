# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks and security groups of the settings, for clients that resolve their names.

Where there is Neutron, clients ask it. Nova's own proxy to it ended with version 36; a client that knows one address
alone looks for Neutron's lists there too.
"""

from __future__ import annotations

from typing import Any

from ..asked import Asked
from ..errors import ApiError
from ..front import Front
from ..identifiers import definition_id
from ..views import definitions as view


class Proxy:
    """/os-networks, until version 36."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """All of them."""
        req.context.asked.had(36, "os-networks")
        resp.media = {"networks": [view.network(*pair) for pair in sorted(self.front.known["networks"].items())]}

    def on_get_one(self, req: Any, resp: Any, network_id: str) -> None:
        """One of them."""
        req.context.asked.had(36, "os-networks")
        for name, known in self.front.known["networks"].items():
            if definition_id("network", name, known) == network_id:
                resp.media = {"network": view.network(name, known)}
                return
        raise ApiError(404, "Network not found")


class Networks:
    """/networks, as Neutron has it."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of this name, or all."""
        asked: Asked = req.context.asked
        resp.media = {"networks": [each for each in self._all(asked) if asked.one("name") in (None, each["name"])]}

    def on_get_one(self, req: Any, resp: Any, network_id: str) -> None:
        """One of them."""
        resp.media = {"network": _one(self._all(req.context.asked), "Network", network_id)}

    def _all(self, asked: Asked) -> list[dict[str, Any]]:
        known = self.front.known["networks"]
        return [view.neutron_network(name, known[name], asked.project_id) for name in sorted(known)]


class SecurityGroups:
    """/security-groups, as Neutron has it."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of this name, or all."""
        asked: Asked = req.context.asked
        found = [each for each in self._all(asked) if asked.one("name") in (None, each["name"])]
        resp.media = {"security_groups": found}

    def on_get_one(self, req: Any, resp: Any, group_id: str) -> None:
        """One of them."""
        resp.media = {"security_group": _one(self._all(req.context.asked), "Security group", group_id)}

    def _all(self, asked: Asked) -> list[dict[str, Any]]:
        names = {"default", *self.front.known["security_groups"]}
        return [view.security_group(name, asked.project_id) for name in sorted(names)]


def _one(found: list[dict[str, Any]], kind: str, identity: str) -> dict[str, Any]:
    for each in found:
        if each["id"] == identity:
            return each
    raise ApiError(404, "%s %s could not be found." % (kind, identity))
