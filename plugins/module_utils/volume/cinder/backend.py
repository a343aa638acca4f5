# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of Cinder for instances: made or located, grown, attached, detached (the seed's steps 14 to 16 and 18).

A volume of ours has our id in its metadata from the request that makes it; an attachment has the instance's UUID. So
whatever an earlier run did is found again, and is gone on with from there.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Iterable

from ...cloud import session
from ...core.change import Change
from ...core.errors import Conflict, LaunchError, NotFound
from ...core.parallel import map_groups_parallel
from ..remote import BUSY, RemoteVolume, one_volume
from . import chap
from .attachment import Attachment, connector, plan_attachment
from .connection import connection, password
from .view import MARKED, attachment, facts, instance_view, locate, our_id, our_volume
from .volume_list import VolumeList


def connect(params: dict[str, Any]) -> Cinder:
    """Cinder as the user's account sees it."""
    return Cinder(session.connect(params), params)


def find(params: dict[str, Any]) -> list[RemoteVolume]:
    """Every volume of the project that we made."""
    return [
        our_volume(raw) for raw in connect({**params, "state": "present"}).volume_list.volumes().values() if our_id(raw)
    ]


class Cinder:
    """Reads and changes the volumes of the user's project."""

    def __init__(self, cloud: Any, params: dict[str, Any]) -> None:
        self.api = cloud.api("block-storage")
        self.volume_list = VolumeList(cloud, params.get("timeout") or 0)
        self.state = params["state"]
        self.addresses = params.get("host_addresses") or {}
        self.private_path = params["private_path"]
        # What we were removing when its storage went away: it goes before it is made anew.
        self.remains: dict[str, RemoteVolume] = {}

    def read(self, wanted: Iterable[RemoteVolume]) -> dict[str, RemoteVolume | LaunchError]:
        """The volumes that exist, as the items' instances have them; an error for one that cannot be used."""
        wanted = list(wanted)
        volumes = list(self.volume_list.volumes().values()) if wanted else []
        found = {item.key: _locate(item, volumes, self.state) for item in wanted}
        located = [(item, found[item.key]) for item in wanted if isinstance(found[item.key], dict)]
        rows = [raw for _item, raw in located]
        attachments = self.volume_list.attachments(rows, self.state == "present") if located else {}
        for item, raw in located:
            known = attachments.get(raw["id"], [])
            if self.state == "absent":
                leaving = [other.instance_uuid for other, theirs in located if theirs is raw]
                found[item.key] = instance_view(item, raw, known, self.state, leaving)
            elif raw["status"] == "error_deleting" and our_id(raw) == item.id:
                self.remains[item.id] = instance_view(item, raw, known, self.state)
                del found[item.key]
            else:
                found[item.key] = self._read_one(item, raw, known)
        return {key: volume for key, volume in found.items() if volume is not None}

    def _read_one(
        self, item: RemoteVolume, raw: dict[str, Any], attachments: list[Attachment]
    ) -> RemoteVolume | LaunchError:
        """The volume that the instance is to have, with its connection if it has it; an error if it is in one."""
        volume = instance_view(item, raw, attachments, self.state)
        try:
            if raw["status"].startswith("error"):
                raise self._error_of(volume, raw)
            plan = plan_attachment(volume.mine, item.host)
            return self._with_connection(volume, plan.keep) if volume.instance_uuid and plan.keep else volume
        except LaunchError as error:
            return error

    def apply(self, changes: Iterable[Change]) -> dict[str, RemoteVolume | LaunchError]:
        """Make true what each change says; changes of one volume one after the other, the rest side by side."""
        return map_groups_parallel(
            self._furnish_group if self.state == "present" else self._give_up, changes, one_volume
        )

    def _furnish_group(self, changes: list[Change]) -> dict[str, RemoteVolume | LaunchError]:
        """One volume for the instances that are to have it."""
        outcome: dict[str, RemoteVolume | LaunchError] = {}
        made = None
        for change in changes:
            try:
                made = self._find_or_make(change, made)
                outcome[change.key] = self._furnish(made, change)
            except LaunchError as error:
                outcome[change.key] = error
        return outcome

    def _find_or_make(self, change: Change, made: RemoteVolume | None) -> RemoteVolume:
        """The volume that is there, or that was just made for another instance, else a new one."""
        if change.before is not None:
            return change.before
        if made is not None:
            return replace(change.wanted, volume_id=made.volume_id, status="creating", instance_uuid=None, host=None)
        wanted = change.wanted
        if wanted.id in self.remains:
            self._remove(self.remains[wanted.id])
        asked = {
            "name": wanted.name,
            "size": wanted.size,
            "volume_type": wanted.type,
            "imageRef": wanted.image,
            "snapshot_id": wanted.snapshot and self._snapshot(wanted),
            "metadata": {MARKED: wanted.id},
        }
        body = {"volume": {name: value for name, value in asked.items() if value is not None}}
        raw = self.api.post("/volumes", body, wanted.what)["volume"]
        return replace(facts(wanted, raw), instance_uuid=None, host=None)

    def _snapshot(self, wanted: RemoteVolume) -> str:
        """The id of the snapshot that is meant by an id or a name."""
        snapshots = self.api.list("/snapshots", "snapshots", "snapshots")
        found = [raw["id"] for raw in snapshots if wanted.snapshot in (raw["id"], raw["name"])]
        if len(found) != 1:
            error, many = (Conflict, "several are") if found else (NotFound, "none is")
            raise error("%s: snapshot %s: %s called so: give a snapshot's id" % (wanted.what, wanted.snapshot, many))
        return found[0]

    def _furnish(self, volume: RemoteVolume, change: Change) -> RemoteVolume:
        """Wait for the volume, let it grow, and give it to the instance."""
        size = change.after.size or 0
        if volume.status in BUSY:
            volume = self._wait(volume, change.before is None)
        if volume.status == "available":
            # Every driver can do it now, and some cannot while a guest uses it.
            volume = self._grow(volume, size)
        if change.wanted.attaches:
            volume.check_attachable()
            volume = self._attach(volume, change.wanted)
        return self._grow(volume, size)

    def _wait(self, volume: RemoteVolume, new: bool) -> RemoteVolume:
        """The volume when it is on its way no longer; one that could not be made is removed, and its error raised."""
        raw = self.volume_list.wait_settled(volume)
        if not raw["status"].startswith("error"):
            return replace(facts(volume, raw), instance_uuid=volume.instance_uuid, host=volume.host)
        failed = self._error_of(volume, raw)
        if new:
            self.api.delete("/volumes/%s" % volume.volume_id, volume.what)
            failed = failed.within(Conflict, "%s; it has been removed")
        raise failed

    def _grow(self, volume: RemoteVolume, size: int) -> RemoteVolume:
        """The volume with at least so many GiB."""
        if size <= (volume.size or 0):
            return volume
        self.api.post("/volumes/%s/action" % volume.volume_id, {"os-extend": {"new_size": size}}, volume.what)
        raw = self.volume_list.wait_settled(volume)
        if raw["status"].startswith("error"):
            raise self._error_of(volume, raw)
        return replace(volume, size=raw["size"])

    def _attach(self, volume: RemoteVolume, wanted: RemoteVolume) -> RemoteVolume:
        """Give the volume to the instance on its host, from whichever step an earlier run stopped at."""
        volume = replace(volume, instance_uuid=wanted.instance_uuid, host=wanted.host)
        plan = plan_attachment(volume.mine, wanted.host)
        for one in plan.before:
            self._detach(volume, one)
        made = self._complete(volume, plan.keep) if plan.finish else plan.keep
        for one in plan.after:
            self._detach(volume, one)
        return replace(self._with_connection(volume, made), status="in-use", stale=(), mine=(made,))

    def _complete(self, volume: RemoteVolume, begun: Attachment | None) -> Attachment:
        """Connect the host, anew or for an attachment that is there, and complete that, as nova does before the start.

        Cinder makes a second attachment of a volume only if the connector comes in the same request.
        """
        host = connector(str(volume.host), volume.device, self.addresses.get(volume.host))
        if begun is None:
            asked = {"volume_uuid": volume.volume_id, "instance_uuid": volume.instance_uuid, "connector": host}
            answer = self.api.post("/attachments", {"attachment": asked}, volume.what)
        else:
            answer = self.api.put("/attachments/%s" % begun.id, {"attachment": {"connector": host}}, volume.what)
        made = attachment(answer["attachment"], {})
        try:
            connection(volume.what, made.info, str(volume.host))
        except LaunchError:
            self._detach(volume, made)
            raise
        self.api.post("/attachments/%s/action" % made.id, {"os-complete": {}}, volume.what)
        return replace(made, status="attached", host=volume.host)

    def _with_connection(self, volume: RemoteVolume, made: Attachment) -> RemoteVolume:
        """The volume with its connection; a password goes to its private file."""
        chap.save(self.private_path, str(volume.volume_id), password(made.info))
        found = connection(volume.what, made.info, str(volume.host))
        found["read_only"] = found["read_only"] or bool(volume.read_only)
        return replace(volume, attachment_id=made.id, connection=found)

    def _detach(self, volume: RemoteVolume, one: Attachment) -> None:
        """Remove an attachment. The launcher's own token vouches that no guest has it open any more."""
        with suppress(NotFound):
            self.api.delete("/attachments/%s" % one.id, volume.what, service_token=True)

    def _give_up(self, changes: list[Change]) -> dict[str, RemoteVolume | LaunchError]:
        """Remove the instances' attachments of one volume, then the volume if nothing of it is to stay."""
        outcome: dict[str, RemoteVolume | LaunchError] = {}
        for change in changes:
            try:
                for one in change.before.mine:
                    self._detach(change.before, one)
                if not change.before.holders:
                    chap.save(self.private_path, change.before.volume_id, None)
                outcome[change.key] = change.after or change.before
            except LaunchError as error:
                outcome[change.key] = error
        failed = any(isinstance(result, LaunchError) for result in outcome.values())
        going = [change for change in changes if change.after is None]
        if going and not failed:
            try:
                self._remove(going[0].before)
            except LaunchError as error:
                outcome.update({change.key: error for change in going})
        return outcome

    def _remove(self, volume: RemoteVolume) -> None:
        """Remove a volume that nobody has, and wait until it is gone."""
        if volume.status in BUSY:
            self.volume_list.wait_settled(volume)
        path = "/volumes/%s" % volume.volume_id
        with suppress(NotFound):
            if volume.status == "error_deleting":
                # Its storage was away the last time; only an administrator may try once more.
                self.volume_list.as_service.post(path + "/action", {"os-force_delete": {}}, volume.what)
            elif volume.status != "deleting":
                self.api.delete(path, volume.what)
        raw = self.volume_list.wait_gone(volume)
        if raw is not None:
            raise self._error_of(volume, raw)

    def _error_of(self, volume: RemoteVolume, raw: dict[str, Any]) -> Conflict:
        """What Cinder has to say of a volume in an error status; no other host could cure it."""
        try:
            messages = self.api.list("/messages", "messages", volume.what, resource_uuid=raw["id"])
        except LaunchError:
            messages = []
        reasons = dict.fromkeys(message["user_message"].rstrip(".") for message in messages)
        return Conflict(
            "%s: status is %s in Cinder (%s): %s; see cinder-scheduler's and cinder-volume's logs"
            % (volume.what, raw["status"], raw["id"], "; ".join(reasons) or "it gives no reason")
        )


def _locate(item: RemoteVolume, volumes: list[dict[str, Any]], state: str) -> Any:
    """The volume that is meant, None if there is none, or the LaunchError that tells why it cannot be had."""
    try:
        return locate(item, volumes, state)
    except LaunchError as error:
        return error
