# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quotas: what a change adds to a project's use, and whether that is allowed. What is refused is not recorded."""

from __future__ import annotations

from typing import Any, Mapping

from ..core.convert import mapping, whole
from ..core.errors import QuotaExceeded

RESOURCES = ("instances", "cores", "ram", "volumes", "gigabytes")
UNLIMITED = -1
NOTHING = dict.fromkeys(RESOURCES, 0)


def limits(known: Mapping[str, Any], project_id: str | None = None) -> dict[str, int]:
    """The limits that are set, by resource: `quotas`, and in their place what `project_quotas` says of a project.

    InvalidRequest names what is not one. null says nothing, -1 that there is no limit.
    """
    own = {
        project: _said(quotas or {}, "project_quotas: %s" % project)
        for project, quotas in mapping(known.get("project_quotas") or {}, "project_quotas").items()
    }
    said = {**_said(known.get("quotas") or {}, "quotas"), **own.get(project_id or "", {})}
    return {resource: limit for resource, limit in said.items() if limit != UNLIMITED}


def _said(quotas: Any, what: str) -> dict[str, int]:
    return {
        resource: whole(value, "%s: %s (%d: no limit)" % (what, resource, UNLIMITED), least=UNLIMITED)
        for resource, value in mapping(quotas, what, RESOURCES).items()
        if value is not None
    }


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
