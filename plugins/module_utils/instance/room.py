# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The room of a host's disk: what an instance has of it, and what one that runs may take more. What is refused is not
recorded; an instance that is still to be placed gets its room from the scheduler."""

from __future__ import annotations

from typing import Any, Mapping

from ..core.errors import Conflict
from .attachments import boot_volume


def disk_gb(instance: Any) -> int:
    """The GiB that its host is to have for an instance: a root disk, unless it boots from a volume, and its volumes."""
    flavor, image = instance.flavor or {}, instance.image or {}
    root = 0 if boot_volume(instance.volumes) else flavor.get("disk") or image.get("min_disk") or 0
    return root + sum(volume.size or 0 for volume in instance.volumes if volume.local)


def increase(before: Any, after: Any, volumes: Mapping[str, Mapping]) -> int:
    """The GiB that a change of an instance needs on its host, beside the volumes (by id) that wait there already."""
    mine = [volumes[volume.id] for volume in after.volumes if volume.local and volume.id in volumes]
    return disk_gb(after) - disk_gb(before) - sum(row["size"] for row in mine if row["instance_uuid"] is None)


def admit(room: Mapping[str, float], before: Any, after: Any, volumes: Mapping[str, Mapping]) -> Mapping[str, float]:
    """What is left of each host's disk after this change; Conflict if an instance's host has not so much."""
    if before is None or not before.launched or before.host not in room:
        return room
    more, left = increase(before, after, volumes), room[before.host]
    if more > max(left, 0):
        raise Conflict(
            "disks: they need %d GiB more on host %s, which has %d left: make room there, or ask for less"
            % (more, before.host, max(left, 0)),
            public="disks: they need %d GiB more on its host, which has less left: ask for less" % more,
        )
    return {**room, before.host: left - more}
