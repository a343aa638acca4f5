# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the volumes that a request names are: in the record, on a host, with a service, with another instance; pure.

wanted is an InstanceRequest, before the Instance that there is of it, or None (model.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping

from ..core.errors import Conflict, NotFound
from . import attachments
from .attachments import BlockDeviceMapping


def locate(wanted: Any, before: Any, recorded: Mapping[str, dict]) -> list[BlockDeviceMapping] | None:
    """The wanted volumes, those that exist with their recorded size; Conflict if the instance cannot have one.

    recorded: rows of volumes by id. host is where an existing volume waits for its instance; None for a volume that is
    wherever its instance is.
    """
    if wanted.volumes is None:
        return None
    mine = _by_name(before.volumes) if before else {}
    named = {row["name"]: row for row in recorded.values()}
    located = []
    for asked in wanted.volumes:
        if asked.name in mine:
            asked = replace(asked, id=mine[asked.name].id, name=mine[asked.name].name)
        if asked.local:  # of another its service knows where it is, wherever the instance is
            asked = _locate(asked, before, recorded.get(asked.id), named)
        located.append(asked)
    return located


def _by_name(volumes: list[BlockDeviceMapping]) -> dict[str, BlockDeviceMapping]:
    """An instance's volumes by the names that they may be asked for by: their own, or their service's id."""
    return {name: volume for names in ("volume_id", "name") for volume in volumes if (name := getattr(volume, names))}


def _locate(
    asked: BlockDeviceMapping, before: Any, known: Mapping[str, Any] | None, named: Mapping[str, dict]
) -> BlockDeviceMapping:
    """A volume on a compute host, as it is there or is to be made."""
    if known is None and asked.name in named:
        known = named[asked.name]
        if asked.size is not None:
            raise Conflict(
                "volume %s exists, and was not made as this one: name this one otherwise, or leave out its size to "
                "take that one" % asked.name
            )
    if known is None:
        if asked.size is None:
            raise NotFound("volume %s does not exist: give a size to create it, or correct the name" % asked.name)
        return replace(asked, host=None)
    _check_known(asked, before, known)
    return replace(
        asked,
        id=known["id"],
        size=asked.size or known["size"],
        format=asked.format or known["format"] or "raw",
        host=None if before is not None and before.launched else known["host"],
        made=known["made"] or asked.made,
    )


def _check_known(asked: BlockDeviceMapping, before: Any, known: Mapping[str, Any]) -> None:
    """Conflict if the volume that there is cannot be the instance's."""
    if known["instance_uuid"] not in (None, before and before.uuid):
        raise Conflict("volume %s is attached to instance %s" % (asked.name, known["instance_uuid"]))
    if known["instance_uuid"] is None and known["delete_on_termination"]:
        raise Conflict("volume %s is being deleted: run volume_delete again to end that" % asked.name)
    if before is not None and before.launched and known["host"] not in (None, before.host):
        raise Conflict(
            "volume %s is on host %s and the instance runs on %s" % (asked.name, known["host"], before.host),
            public="volume %s is on another host than the instance" % asked.name,
        )


def begin(wanted: Any, identity: str, before: Any) -> list[BlockDeviceMapping]:
    """The volumes of a launch. One of a service that an earlier attempt has, and that is asked for no more, leaves."""
    known = before.volumes if before else []
    held = [volume for volume in known if volume.volume_id and not volume.local]
    return attachments.exchange(attachments.volumes(wanted, identity, known), held)


def check_service(wanted: Any, before: Any) -> None:
    """Conflict if the instance has volumes of a service that this run does not ask: they would be forgotten there."""
    for volume in before.volumes if before and wanted.volume_service else ():
        if not volume.local and volume.service != wanted.volume_service:
            raise Conflict(
                "volume %s is kept by %s, and this run has %s for volumes: set launch_volume_service to %s"
                % (volume.name, volume.service, wanted.volume_service, volume.service)
            )
