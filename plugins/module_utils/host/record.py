# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record keeps of a compute host: its room, its settings, its facts, and how old that knowledge is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidRequest

ROOM = ("vcpus", "memory_mb", "disk_gb")

# What an operator may set for a host; the defaults are nova's (nova/conf/compute.py, initial_*_allocation_ratio).
SETTINGS = {
    "enabled": True,
    "disabled_reason": None,
    "vcpus_reserved": 0,
    "memory_mb_reserved": 512,
    "disk_gb_reserved": 0,
    "cpu_allocation_ratio": 4.0,
    "ram_allocation_ratio": 1.0,
    "disk_allocation_ratio": 1.0,
}


@dataclass(frozen=True)
class HostRecord:
    """One compute host: its room (vCPUs, MiB, GiB), the operator's settings, its other facts.

    room and facts are None for a host that was only named, not asked. age is in seconds since it was
    asked; None if it never was.
    """

    host: str
    room: dict | None = None
    settings: dict | None = None
    facts: dict | None = None
    age: int | None = None

    @property
    def key(self) -> str:
        """The host's name in the inventory."""
        return self.host

    @property
    def name(self) -> str:
        """The same."""
        return self.host

    def over(self, before: HostRecord | None) -> HostRecord | None:
        """The record with what the host has just said of itself; unchanged if it said nothing."""
        if self.room is not None:
            return self
        return before

    def to_result(self) -> dict[str, Any]:
        """The host's name, room, settings and facts; None where it was never asked."""
        return {"name": self.host, **(self.room or {}), **(self.settings or {}), "facts": self.facts, "age": self.age}


def parse(params: dict[str, Any]) -> list[HostRecord]:
    """The hosts of params["hosts"], with what params["nodes"] tells of them and the operator's settings."""
    nodes = {node["host"]: node for node in params["nodes"]}
    settings = params["settings"]
    return [_told(name, nodes.get(name), settings.get(name) or {}) for name in params["hosts"]]


def _told(name: str, node: dict[str, Any] | None, settings: dict[str, Any]) -> HostRecord:
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        known = ", ".join(SETTINGS)
        raise InvalidRequest("host %s: unknown setting %s (known: %s)" % (name, ", ".join(unknown), known))
    if node is None:
        return HostRecord(name)
    facts = {key: value for key, value in node.items() if key not in (*ROOM, "host", "name")}
    return HostRecord(name, {key: node[key] for key in ROOM}, {**SETTINGS, **settings}, facts, age=0)
