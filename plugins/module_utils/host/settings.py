# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator may set for a compute host: every setting, its default, and the converter of its values; pure."""

from __future__ import annotations

import re
from typing import Any, Callable

from ..bridge.mappings import bridge_mappings
from ..core.convert import (
    LARGEST,
    LONGEST,
    boolean,
    labels,
    mapping,
    number,
    numbers_by_key,
    printable,
    sequence,
    shown,
    text,
    whole,
)
from ..core.errors import InvalidRequest
from ..core.names import numbers

ROOM = ("vcpus", "memory_mb", "disk_gb")
# The defaults are nova's (nova/conf/compute.py, initial_*_allocation_ratio).
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
    "bridge_mappings": {},
}
_TRAIT = re.compile("[A-Z][A-Z0-9_]*")  # what flavors can ask for
UNITS = ("min_unit", "max_unit", "step_size")


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
    "metrics": numbers_by_key,
    "cpu_dedicated_set": _cpus,
    "bridge_mappings": bridge_mappings,
}
