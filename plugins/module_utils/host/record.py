# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the record keeps of a compute host: its room, its settings, its facts, and how old that knowledge is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Container, Mapping

from ..core.change import Change
from ..core.change import plan as plan_items
from ..core.errors import InvalidRequest
from .settings import ROOM, SETTINGS, settings_of

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
