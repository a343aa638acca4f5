# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Cinder's answers say of our volumes; pure. `raw` is a volume of GET /volumes/detail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Collection, Iterable, Mapping

from ...core.errors import Conflict, NotFound
from ...core.names import MARK
from ..remote import RemoteVolume
from .attachment import Attachment, plan_attachment

# The key in a volume's metadata that holds our id: written when the volume is made, so that a lost reply does no harm.
MARKED = MARK + ":id"


def our_id(raw: Mapping[str, Any]) -> str | None:
    """Our id of a volume that we made."""
    return (raw.get("metadata") or {}).get(MARKED)


def locate(item: RemoteVolume, volumes: Iterable[Mapping[str, Any]], state: str) -> Mapping[str, Any] | None:
    """The volume that is meant: the recorded one, else the one with our mark, else the one of that name or id.

    One on its way out is as good as gone, unless it has to be waited for. NotFound if a recorded one is gone, Conflict
    if several could be meant.
    """
    usable = [raw for raw in volumes if state == "absent" or raw["status"] != "deleting"]
    if item.volume_id:
        for raw in usable:
            if raw["id"] == item.volume_id:
                return raw
        if state == "present":
            raise NotFound("%s: is gone from Cinder, where it was %s" % (item.what, item.volume_id))
        return None
    found = [raw for raw in usable if our_id(raw) == item.id]
    found = found or [raw for raw in usable if item.name and raw["id"] == item.name]
    found = found or [raw for raw in usable if item.name and raw["name"] == item.name]
    if len(found) > 1:
        raise Conflict(
            "%s: several are called so (%s): give the id of the one that is meant"
            % (item.what, ", ".join(sorted(raw["id"] for raw in found)))
        )
    return found[0] if found else None


def facts(item: RemoteVolume, raw: Mapping[str, Any]) -> RemoteVolume:
    """The item with what is true of its volume, whoever has it."""
    types = (raw.get("volume_type"), raw.get("volume_type_id"))
    return replace(
        item,
        volume_id=raw["id"],
        name=item.name or raw["name"] or None,
        size=raw["size"],
        status=raw["status"],
        type=item.type if item.type in types else types[0],
        multiattach=bool(raw.get("multiattach")),
        bootable=raw.get("bootable") == "true",
        encrypted=bool(raw.get("encrypted")),
        # Cinder shows its own flag here; attach_mode is "ro" for one that is not read-only any more, too.
        read_only=(raw.get("metadata") or {}).get("readonly") == "True",
        adopted=our_id(raw) != item.id,
    )


def instance_view(
    item: RemoteVolume,
    raw: Mapping[str, Any],
    attachments: Iterable[Attachment],
    state: str,
    leaving: Collection[str | None] = (),
) -> RemoteVolume:
    """The volume as the item's instance has it on the item's host; in-use when nothing is left to do for that.

    leaving: the instances that give it up together with this one.
    """
    attachments = tuple(attachments)
    mine = tuple(one for one in attachments if item.instance_uuid and one.instance_uuid == item.instance_uuid)
    others = (one for one in attachments if one not in mine and not one.status.startswith("error"))
    staying = (one for one in others if one.instance_uuid is None or one.instance_uuid not in leaving)
    holders = tuple(sorted({_holder(one) for one in staying}))
    apart = {"instance_uuid": None, "host": None, "attachment_id": None, "mine": mine, "holders": holders}
    volume = replace(facts(item, raw), **apart)
    if state == "absent":
        return replace(volume, instance_uuid=item.instance_uuid) if mine else volume
    return _attached(volume, item) if item.attaches else volume


def _attached(volume: RemoteVolume, item: RemoteVolume) -> RemoteVolume:
    """The volume with the attachment that its instance keeps, in-use where that is all it needs."""
    plan = plan_attachment(volume.mine, item.host)
    volume = replace(volume, attachment_id=plan.keep and plan.keep.id, stale=plan.stale)
    if not plan.keep or not plan.done:
        return volume
    return replace(volume, instance_uuid=item.instance_uuid, host=item.host, status="in-use")


def _holder(other: Attachment) -> str:
    return "instance %s" % other.instance_uuid if other.instance_uuid else "no instance, by attachment %s" % other.id


def hosts(volumes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The host of each completed attachment, by its id, where Cinder shows it: to administrators only."""
    completed = [one for raw in volumes for one in raw.get("attachments") or [] if one.get("host_name")]
    return {one["attachment_id"]: one["host_name"] for one in completed}


def attachment(raw: Mapping[str, Any], known_hosts: Mapping[str, str]) -> Attachment:
    """An attachment of GET /attachments/detail."""
    return Attachment(
        raw["id"], raw["instance"], raw["status"], known_hosts.get(raw["id"]), raw.get("connection_info") or {}
    )


def our_volume(raw: Mapping[str, Any]) -> RemoteVolume:
    """A volume with our mark, and the first of the instances that have it."""
    first = next(iter(raw.get("attachments") or []), {})
    return replace(
        facts(RemoteVolume(str(our_id(raw))), raw),
        instance_uuid=first.get("server_id"),
        host=first.get("host_name"),
        attachment_id=first.get("attachment_id"),
    )
