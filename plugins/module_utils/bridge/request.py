# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which bridges a host is to have on its wires; pure."""

from __future__ import annotations

from typing import Any, Mapping

from .mappings import bridge_mappings
from .model import Bridge


def parse(params: Mapping[str, Any]) -> list[Bridge]:
    """The bridges of params["mappings"]; InvalidRequest if these make no sense, before anything is touched."""
    datapath_type = params.get("datapath_type") or "system"
    return [
        Bridge(name, each["bridge"], each.get("interface"), datapath_type)
        for name, each in bridge_mappings(params["mappings"], "mappings").items()
    ]
