# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record keeps of a compute host: its room, its settings, its facts, and how old that knowledge is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import InvalidRequest
from ..core.names import numbers

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
    "availability_zone": None,
    "aggregates": [],
    "units": {},
    "traits": [],
    "metrics": {},
    "cpu_dedicated_set": None,
}
UNITS = ("min_unit", "max_unit", "step_size")


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
        """The record with what the host has just said of itself; of one that said nothing only its settings change."""
        if self.room is not None:
            return self
        return before and replace(before, settings={**before.settings, **(self.settings or {})})

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
    _check_groupings(name, settings)
    if node is None:
        return HostRecord(name, settings=settings)
    facts = {key: value for key, value in node.items() if key not in (*ROOM, "host", "name")}
    return HostRecord(name, {key: node[key] for key in ROOM}, {**SETTINGS, **settings}, facts, age=0)


def _check_groupings(name: str, settings: dict[str, Any]) -> None:
    """Aggregates are mappings with a name and perhaps metadata; units limit one claim of a kind of room."""
    try:
        numbers(settings.get("cpu_dedicated_set") or "")
        traits = list(settings.get("traits") or [])
        [float(value) for value in (settings.get("metrics") or {}).values()]
        if not all(isinstance(trait, str) for trait in traits):
            raise TypeError
    except (AttributeError, TypeError, ValueError):
        raise InvalidRequest(
            "host %s: cpu_dedicated_set is a text such as 4-15,20, traits a list of names, metrics a mapping of numbers"
            % name
        ) from None
    for aggregate in settings.get("aggregates") or []:
        if not isinstance(aggregate, dict) or not aggregate.get("name") or set(aggregate) - {"name", "metadata"}:
            raise InvalidRequest("host %s: aggregate %r, it must be a mapping of name and metadata" % (name, aggregate))
        if not isinstance(aggregate.get("metadata", {}), dict):
            raise InvalidRequest("host %s: aggregate %s: metadata must be a mapping" % (name, aggregate["name"]))
    for kind, limits in (settings.get("units") or {}).items():
        if kind not in ROOM or not isinstance(limits, dict) or set(limits) - set(UNITS):
            raise InvalidRequest(
                "host %s: units of %s: %r, it must be one of %s with %s"
                % (name, kind, limits, ", ".join(ROOM), ", ".join(UNITS))
            )
        for unit, value in limits.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidRequest("host %s: units of %s: %s is %r, it must be 1 or more" % (name, kind, unit, value))
