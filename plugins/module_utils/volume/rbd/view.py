# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image of Ceph says of a volume of ours; pure.

A volume's image is called volume-ID. Our mark in its metadata says whose it is: {"id", "name", "record_id",
"project_id"}. Beside it there is a key for each instance that has it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Collection, Iterable, Mapping
from urllib.parse import unquote

from ...core.errors import Conflict, InvalidRequest, NotFound
from ...core.names import GIB
from ..remote import RemoteVolume

OWNER = ("record_id", "project_id")

_NAME = r"[A-Za-z0-9_.][^/@\s]*"
_SNAPSHOT = re.compile(r"(?:%s/)?%s@%s" % (_NAME, _NAME, _NAME))


def check_source(volume: RemoteVolume) -> None:
    """InvalidRequest if what a new volume is made from is not written as Ceph needs it."""
    if volume.snapshot and not _SNAPSHOT.fullmatch(volume.snapshot):
        raise InvalidRequest("snapshot %r: write IMAGE@SNAPSHOT or POOL/IMAGE@SNAPSHOT" % volume.snapshot)
    if volume.image:
        _location(volume)


def _location(volume: RemoteVolume) -> tuple[str, str]:
    """The cluster and the snapshot POOL/IMAGE@SNAPSHOT of an image in Ceph, as Glance's direct_url tells it."""
    parts = [unquote(part) for part in str(volume.image).split("/")]
    if parts[:2] == ["rbd:", ""] and len(parts) == 6:
        snapshot = "%s/%s@%s" % tuple(parts[3:])
        if _SNAPSHOT.fullmatch(snapshot):
            return parts[2], snapshot
    raise InvalidRequest(
        "image %r: only a raw image in the same Ceph cluster will do: give its direct_url,"
        " rbd://FSID/POOL/IMAGE/SNAPSHOT" % volume.image
    )


def parent(volume: RemoteVolume, fsid: str, pool: str) -> str | None:
    """The snapshot POOL/IMAGE@SNAPSHOT that a new volume is made from; Conflict if it is in another cluster."""
    if volume.snapshot:
        return volume.snapshot if "/" in volume.snapshot else "%s/%s" % (pool, volume.snapshot)
    if not volume.image:
        return None
    cluster, snapshot = _location(volume)
    if cluster != fsid:
        raise Conflict("%s: image %s is in another Ceph cluster than %s" % (volume.what, volume.image, fsid))
    return snapshot


def image_of(volume: RemoteVolume) -> str:
    """The name of the volume's image."""
    return volume.volume_id if volume.volume_id not in (None, volume.id) else "volume-" + volume.id


def locate(item: RemoteVolume, images: Collection[str], state: str) -> str | None:
    """The image that is meant: the recorded one, else the one we made, else the one of that name, unless a new one is
    asked for: whose that of its name is, nobody knows."""
    made = "volume-" + item.id
    if item.volume_id:
        if image_of(item) in images:
            return image_of(item)
        if state == "present":
            raise NotFound("%s: is gone from Ceph, where it was %s" % (item.what, image_of(item)))
        return None
    names = (made, item.name) if item.size is None or state == "absent" else (made,)
    return next((name for name in names if name in images), None)


def instances(info: Mapping[str, Any]) -> dict[str, str]:
    """The hosts of the instances that have an image, by UUID."""
    return dict(info["instances"])


def check_owner(item: RemoteVolume, image: str, info: Mapping[str, Any]) -> None:
    """Conflict if an image is of another record or project than the one that asks: Ceph keeps no watch over that."""
    for key in _differing(item, info):
        raise Conflict(
            "%s: image %s belongs to another %s (%s): name another one"
            % (item.what, image, key.partition("_")[0], info["mark"][key])
        )


def is_foreign(item: RemoteVolume, info: Mapping[str, Any]) -> bool:
    """Whether an image is of another record or project than the one that asks."""
    return bool(_differing(item, info))


def _differing(item: RemoteVolume, info: Mapping[str, Any]) -> list[str]:
    sides = {key: (info["mark"].get(key), getattr(item, key)) for key in OWNER}
    return [key for key, (known, asks) in sides.items() if known and asks and known != asks]


def facts(
    item: RemoteVolume, image: str, info: Mapping[str, Any], leaving: Collection[str | None] = ()
) -> RemoteVolume:
    """The item with what is true of its image, whoever has it. leaving: the instances that give it up with this one."""
    adopted = image != "volume-" + item.id
    others = set(instances(info)) - {item.instance_uuid, *leaving}
    status = "creating" if not info["mark"] and not adopted else "in-use" if instances(info) else "available"
    return replace(
        item,
        volume_id=image if adopted else item.id,
        # Whole GiB: a clone that an interrupted run did not make larger yet is told from one that it did.
        size=info["size"] // GIB,
        status=status,
        adopted=adopted,
        holders=tuple("instance %s" % uuid for uuid in sorted(others)),
    )


def instance_view(
    item: RemoteVolume, image: str, info: Mapping[str, Any], state: str, leaving: Collection[str | None] = ()
) -> RemoteVolume:
    """The volume as the item's instance has it on the item's host; in-use when nothing is left to do for that."""
    host = instances(info).get(str(item.instance_uuid))
    has = host is not None and (state == "absent" or host == item.host)
    volume = replace(facts(item, image, info, leaving), instance_uuid=item.instance_uuid if has else None)
    return replace(volume, host=host if has else None)


def mark_for(volume: RemoteVolume, held: Collection[str], info: Mapping[str, Any]) -> dict[str, Any]:
    """Our mark for an image that these instances have; nothing for one that is not ours and nobody has."""
    if volume.adopted and not held:
        return {}
    owner = {key: info["mark"].get(key) or getattr(volume, key) for key in OWNER}
    known = {key: value for key, value in owner.items() if value}
    return {"id": volume.id, "name": volume.name, **known}


def our_volume(image: str, info: Mapping[str, Any]) -> RemoteVolume:
    """An image with our mark, and the first of the instances that have it."""
    mark = info["mark"]
    first = next(iter(sorted(instances(info).items())), (None, None))
    volume = facts(RemoteVolume(str(mark.get("id")), name=mark.get("name")), image, info)
    return replace(volume, instance_uuid=first[0], host=first[1])


def connection(
    name: str, monitors: Iterable[dict[str, str]], user: str | None, secret_uuid: str | None
) -> dict[str, Any]:
    """How QEMU reaches an image: POOL/IMAGE, the monitors of the cluster map, libvirt's secret with the user's key."""
    return {
        "name": name,
        "hosts": list(monitors),
        "auth_username": user,
        "secret_uuid": secret_uuid,
        "format": "raw",
        "discard": True,
    }
