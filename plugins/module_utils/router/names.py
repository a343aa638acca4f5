# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a router's ports are known by; pure."""

from __future__ import annotations

import json
import uuid

from ..core.names import NAMESPACE
from ..network.names import Name


def router_port(router: Name, network: Name) -> str:
    """The id of the port by which a router is on a network."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([NAMESPACE, "router", *router, *network])))
