# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record keeps of a compute host: its room, its settings, its facts, and how old that knowledge is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Container, Mapping

from ..core.change import Change
from ..core.change import plan as plan_items
from ..core.convert import (
    LARGEST,
    LONGEST,
    below,
    boolean,
    labels,
    mapping,
    number,
    printable,
    sequence,
    shown,
    text,
    whole,
)  # fmt: skip
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
_TRAIT = re.compile("[A-Z][A-Z0-9_]*")  # what flavors can ask for
UNITS = ("min_unit", "max_unit", "step_size")
# What a host tells that is not kept as a fact about it.
TOLD = ("host", "name", "machine", "power_states", "cleared")


@dataclass(frozen=True)
class HostRecord:
    """One compute host: its room (vCPUs, MiB, GiB), the operator's settings, its other facts.

    room and facts are None for a host that was only named, not asked. A wanted host has the settings that are
    mentioned, a recorded one all of SETTINGS. age is in seconds since it was asked; None if it never was. machine is
    the same for two names of one machine. power_states are what it has just said of its guests, by UUID; the record
    keeps them with the instances. remains are what may be left there of instances that are elsewhere, as documents;
    cleared the UUIDs of those of which it has just said that nothing is left. silent: it was asked, and did not answer.
    fault: why the settings make no sense; those that are recorded stay.
    """

    host: str
    room: dict | None = None
    settings: dict = field(default_factory=dict)
    facts: dict | None = None
    age: int | None = None
    machine: str | None = None
    power_states: dict | None = None
    cleared: tuple = ()
    silent: bool = False
    fault: InvalidRequest | None = field(default=None, compare=False)
    remains: list = field(default_factory=list, compare=False)

    @property
    def key(self) -> str:
        """The host's name in the inventory."""
        return self.host

    @property
    def name(self) -> str:
        """The same."""
        return self.host

    def over(self, before: HostRecord | None) -> HostRecord | None:
        """The record with what the host has just said of itself, and with the settings that are mentioned.

        A host that builds says only what it has room for; its other facts stay.
        """
        if self.fault is not None and self.room is None and not self.silent:
            raise self.fault
        facts = {**((before and before.facts) or {}), **(self.facts or {})}
        asked = replace(self, facts=facts) if self.room is not None else before
        known = before.settings if before is not None else SETTINGS
        unheard = self.room is None and before is not None and before.silent
        machine = self.machine or (before and before.machine)
        stays = {"machine": machine, "silent": self.silent or unheard}
        return asked and replace(asked, settings={**known, **self.settings}, **stays)

    def to_result(self) -> dict[str, Any]:
        """The host's name, room, settings and facts; None where it was never asked."""
        told = {"facts": self.facts, "age": self.age, "remains": self.remains}
        return {"name": self.host, **(self.room or {}), **self.settings, **told}


def parse(params: dict[str, Any]) -> list[HostRecord]:
    """The hosts of params["hosts"], as params["nodes"] describe them, with the operator's settings."""
    nodes = {node["host"]: node for node in params["nodes"]}
    settings, silent = _by_name(params["settings"]), params.get("silent") or ()
    return [_with_settings(_told(name, nodes.get(name), silent), settings.get(name)) for name in params["hosts"]]


def unfit(settings: Mapping[Any, Any]) -> dict[str, str]:
    """The hosts whose settings make no sense, and why; they are not to be chosen."""
    named = parse({"hosts": list(_by_name(settings)), "nodes": [], "settings": settings})
    return {each.host: str(each.fault) for each in named if each.fault is not None}


def _by_name(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """The settings by host; those under YAML's 7 or yes are an InvalidRequest, as that is no name."""
    wrong = {str(key): InvalidRequest("settings: the key %s is not a text: put it in quotes" % key)
             for key in settings if not isinstance(key, str)}  # fmt: skip
    return {**settings, **wrong}


def _told(name: str, node: dict[str, Any] | None, silent: Container[str]) -> HostRecord:
    if node is None:
        return HostRecord(name, silent=name in silent)
    facts = {key: value for key, value in node.items() if key not in (*ROOM, *TOLD)}
    states, gone = node.get("power_states"), tuple(node.get("cleared") or ())
    return HostRecord(name, {key: node[key] for key in ROOM}, {}, facts, 0, node.get("machine"), states, gone)


def _with_settings(told: HostRecord, settings: Any) -> HostRecord:
    """The host with the settings that are mentioned, each of its type, or with why they make no sense."""
    try:
        if isinstance(settings, InvalidRequest):
            raise settings
        return replace(told, settings={} if settings is None else settings_of(settings, "settings"))
    except InvalidRequest as error:
        return replace(told, fault=error)


def plan(wanted: list[HostRecord], current: Mapping[str, HostRecord], state: str) -> list[Change]:
    """As every plan; a name of a machine that has several in the inventory is noted."""
    changes = plan_items(wanted, current, state)
    names: dict[str, list[str]] = {}
    for change in changes:
        machine = change.after and change.after.machine
        if machine:
            names.setdefault(machine, []).append(change.wanted.host)
    several = {name: called for called in names.values() if len(called) > 1 for name in called}
    return [replace(each, notes=_names_told(several[each.key])) if each.key in several else each for each in changes]


def _names_told(names: list[str]) -> tuple[str, ...]:
    return (
        "%s are one machine by libvirt's UUID of the host and its machine-id: it counts once, under one of its names; "
        "take the other out of the inventory" % " and ".join(sorted(names)),
    )


def settings_of(settings: Any, what: str) -> dict[str, Any]:
    """The settings that are mentioned, each of its type; null is the default again."""
    return {
        key: SETTINGS[key] if value is None else CONVERTERS[key](value, "%s: %s" % (what, key))
        for key, value in mapping(settings, what, SETTINGS).items()
    }


def _amount(value: Any, what: str) -> int:
    return whole(value, what, least=0, most=LARGEST)


def _ratio(value: Any, what: str) -> float:
    return number(value, what, least=0, most=LARGEST)


def _reason(value: Any, what: str) -> str:
    return text(value, what, longest=LONGEST)


def _aggregates(value: Any, what: str) -> list[dict[str, Any]]:
    """Mappings with a name and perhaps metadata."""
    return [_aggregate(each, "%s[%d]" % (what, index)) for index, each in enumerate(sequence(value, what))]


def _aggregate(value: Any, what: str) -> dict[str, Any]:
    aggregate = mapping(value, what, ("name", "metadata"))
    metadata = aggregate.get("metadata")
    return {
        "name": printable(aggregate.get("name"), "%s: name" % what),
        "metadata": {} if metadata is None else labels(metadata, "%s: metadata" % what),
    }


def _units(value: Any, what: str) -> dict[str, dict[str, int]]:
    """The limits of one claim of a kind of room."""
    return {kind: _limits(limits, "%s: %s" % (what, kind)) for kind, limits in mapping(value, what, ROOM).items()}


def _limits(value: Any, what: str) -> dict[str, int]:
    limits = mapping(value, what, UNITS)
    return {unit: whole(limit, "%s: %s" % (what, unit), least=1, most=LARGEST) for unit, limit in limits.items()}


def _traits(value: Any, what: str) -> list[str]:
    traits = [text(each, "%s[%d]" % (what, index)) for index, each in enumerate(sequence(value, what))]
    for trait in traits:
        if not _TRAIT.fullmatch(trait):
            raise InvalidRequest(
                "%s: %s is no trait: write capitals, digits and _, such as CUSTOM_SSD" % (what, shown(trait))
            )
    return traits


def _metrics(value: Any, what: str) -> dict[str, float]:
    return {name: number(each, below(what, name)) for name, each in mapping(value, what).items()}


def _cpus(value: Any, what: str) -> str:
    cpus = printable(value, what)
    try:
        numbers(cpus)
    except ValueError:
        raise InvalidRequest("%s: %s is not a list of CPUs such as 4-15,20" % (what, shown(cpus))) from None
    return cpus


CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "enabled": boolean,
    "disabled_reason": _reason,
    "vcpus_reserved": _amount,
    "memory_mb_reserved": _amount,
    "disk_gb_reserved": _amount,
    "cpu_allocation_ratio": _ratio,
    "ram_allocation_ratio": _ratio,
    "disk_allocation_ratio": _ratio,
    "availability_zone": printable,
    "aggregates": _aggregates,
    "units": _units,
    "traits": _traits,
    "metrics": _metrics,
    "cpu_dedicated_set": _cpus,
}
