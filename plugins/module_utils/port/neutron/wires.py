# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The physical networks that networks of Neutron are on, and the hosts that have a bridge there.

Both are told to who has the right, by default to an admin: a network's provider:physical_network, and what agents say
of their bridge mappings. What is not told is not known, and nothing goes by it. So it is where Neutron is away: who
launches hears that from the stage port, which gives each instance its fault.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Iterable, Mapping

from ...cloud.session import connect as connect_cloud
from ...core.errors import NotFound, Refused, Unavailable
from ...core.parallel import run_parallel
from .view import View

# Where the agents of OVN, and those of the drivers openvswitch and linuxbridge, say what they reach.
MAPPINGS = ("bridge-mappings", "bridge_mappings", "interface_mappings")
# What means that nothing is told.
UNTOLD = (NotFound, Refused, Unavailable)


@dataclass(frozen=True)
class Wire:
    """A network; physical_network and the hosts that reach it are None where they are not known, or there is none."""

    name: str
    id: str
    physical_network: str | None = None
    hosts: list[str] | None = None

    def to_result(self) -> dict[str, Any]:
        """The network as the user gets it."""
        return asdict(self)


def find(params: Mapping[str, Any]) -> list[Wire]:
    """The networks that the user sees of these names and ids, by their names; None names none."""
    with suppress(*UNTOLD):
        return _wires(View(connect_cloud(dict(params))), params["names"] or [])
    return []


def _wires(view: View, names: list[str]) -> list[Wire]:
    seen = {row["id"]: row["name"] for row in view.named("networks", names)}
    rows, agents = run_parallel([lambda: _networks(view, sorted(seen)), lambda: _agents(view) if seen else []])
    on = {row["id"]: row.get("provider:physical_network") or None for row in rows}
    hosts = hosts_of(agents)
    wires = [Wire(name, each, on.get(each), hosts.get(str(on.get(each)))) for each, name in seen.items()]
    return sorted(wires, key=lambda wire: (wire.name, wire.id))


def hosts_of(agents: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The hosts by the physical networks that their agents have a bridge or an interface on."""
    found: dict[str, set[str]] = {}
    for agent in agents:
        configurations = agent.get("configurations") or {}
        for mappings in filter(None, (configurations.get(key) for key in MAPPINGS)):
            # OVN's are a text, physnet1:br-ex,physnet2:br-two; the others' a mapping.
            pairs = mappings.split(",") if isinstance(mappings, str) else mappings
            for name in (pair.partition(":")[0].strip() for pair in pairs):
                found.setdefault(name, set()).add(agent["host"])
    return {name: sorted(hosts) for name, hosts in found.items()}


def _networks(view: View, ids: list[str]) -> list[Mapping[str, Any]]:
    fields = ["id", "provider:physical_network"]
    return view.launcher.list("networks", "networks", "networks", id=ids, fields=fields)


def _agents(view: View) -> list[Mapping[str, Any]]:
    with suppress(*UNTOLD):
        return view.launcher.list("agents", "agents", "agents", fields=["host", "configurations"])
    return []
