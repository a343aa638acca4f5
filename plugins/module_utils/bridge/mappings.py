# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which bridge a host has on each wire, and by which interface it gets there: compute_host_bridge_mappings; pure."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..core.convert import below, mapping, shown, text
from ..core.errors import InvalidRequest
from ..core.names import checked_name

# What Linux takes for an interface's name (IFNAMSIZ), without what means something to ovs-vsctl or systemd.
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")


def bridge_mappings(value: Any, what: str) -> dict[str, dict[str, str]]:
    """By the wire's name, the physical_network of networks, its bridge, and its interface where one is said."""
    mappings = {
        checked_name(name, "%s: physical_network" % what): _mapping(each, below(what, name))
        for name, each in mapping(value, what).items()
    }
    for key in ("bridge", "interface"):
        used = [each[key] for each in mappings.values() if key in each]
        twice = sorted({name for name in used if used.count(name) > 1})
        if twice:
            raise InvalidRequest("%s: %s %s is of one wire only" % (what, key, twice[0]))
    return mappings


def _mapping(value: Any, what: str) -> dict[str, str]:
    said: Mapping[str, Any] = mapping(value, what, ("bridge", "interface"))
    named = ["bridge", *(["interface"] if said.get("interface") else [])]
    return {key: _interface(said.get(key), below(what, key)) for key in named}


def _interface(value: Any, what: str) -> str:
    if not _INTERFACE.fullmatch(text(value, what)):
        raise InvalidRequest(
            "%s: %s: use 1 to 15 letters, digits, '.', '_' or '-', beginning with a letter or digit"
            % (what, shown(value))
        )
    return value
