# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas: what a change adds to a project's use, and whether that is allowed. What is refused is not recorded."""

from __future__ import annotations

from typing import Any

from ..core.convert import mapping, whole
from ..core.errors import QuotaExceeded

RESOURCES = ("instances", "cores", "ram", "volumes", "gigabytes")
UNLIMITED = -1
NOTHING = dict.fromkeys(RESOURCES, 0)


def limits(quotas: Any) -> dict[str, int]:
    """The limits that are set, by resource; InvalidRequest names what is not one. null is none."""
    said = {resource: value for resource, value in mapping(quotas, "quotas", RESOURCES).items() if value is not None}
    known = {
        resource: whole(value, "quotas: %s (%d: no limit)" % (resource, UNLIMITED), least=UNLIMITED)
        for resource, value in said.items()
    }
    return {resource: limit for resource, limit in known.items() if limit != UNLIMITED}


def increase(before: Any, after: Any, volumes: dict[str, dict]) -> dict[str, int]:
    """What a change of an instance takes more of, beside the recorded volumes (by id)."""
    have, asked = (before and before.flavor) or {}, after.flavor or {}
    sizes = {volume.id: volume.size for volume in (before and before.volumes) or ()}
    sizes.update({identity: volume["size"] for identity, volume in volumes.items()})
    local = [volume for volume in after.volumes if volume.local]
    return {
        "instances": int(before is None),
        "cores": asked.get("vcpus", 0) - have.get("vcpus", 0),
        "ram": asked.get("ram", 0) - have.get("ram", 0),
        "volumes": sum(volume.id not in sizes for volume in local),
        "gigabytes": sum(volume.size - sizes.get(volume.id, 0) for volume in local),
    }


def add(limits: dict[str, int], used: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """The use with this added; QuotaExceeded names every limit that this would pass."""
    over = [
        "%s: %d of %d used, %d asked" % (resource, used[resource], limit, more[resource])
        for resource, limit in limits.items()
        if more[resource] > 0 and used[resource] + more[resource] > limit
    ]
    if over:
        raise QuotaExceeded("quota: %s: destroy something, or have the quota raised" % "; ".join(over))
    return {resource: used[resource] + more[resource] for resource in RESOURCES if resource in used}
