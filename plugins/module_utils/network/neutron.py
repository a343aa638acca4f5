# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks and security groups of Neutron's: they are its own, and nothing is made or removed here. Pure.

Whether they are there, and whether the user may use them, the stage port sees by the user's token.
"""

from __future__ import annotations

from typing import Any, Mapping

from ..core.change import Change
from ..core.errors import InvalidRequest
from .model import Request


class Networks:
    """Nothing is read, and nothing can be pending."""

    def read(self, wanted: list[Request]) -> None:
        """Nothing."""

    def apply(self, changes: list[Change]) -> dict[str, Any]:
        """Nothing."""
        return {}


def connect(params: Mapping[str, Any]) -> Networks:
    """What says nothing."""
    return Networks()


def plan(wanted: list[Request], current: Any, state: str) -> list[Change]:
    """Keep every item; they are not ours to remove."""
    if state == "absent":
        raise InvalidRequest("Neutron's networks and security groups are not removed here: use openstack.cloud")
    return [Change(request, request, request) for request in wanted]
