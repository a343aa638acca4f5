# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a volume of a storage service is, Cinder's or Ceph's, and what may become of it; pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..core.change import Change
from ..core.errors import Conflict, InvalidRequest, NotFound
from .model import check_size

# What cinder says of a volume that is on its way to another state.
BUSY = frozenset(
    ["creating", "downloading", "uploading", "extending", "detaching", "retyping", "backing-up", "restoring-backup"]
)
RESULT = (
    *("id", "name", "instance_uuid", "host", "size", "type", "image", "snapshot", "device", "boot"),
    *("delete_on_termination", "multiattach", "volume_id", "attachment_id", "status", "bootable", "adopted"),
    "connection",
)


@dataclass(frozen=True)
class RemoteVolume:
    """A volume (size in GiB), and how one instance has it: instance_uuid and host are None while it has not.

    status: the service's own word; in-use when this instance has it. stale: what else the instance holds it by.
    As asked for: type, image, snapshot, device, boot, delete_on_termination, multiattach, and by whose record and
    project. As found: volume_id, the service's id; adopted: not made by us; holders: who else has it; mine: this
    instance's attachments.
    """

    id: str
    instance_uuid: str | None = None
    host: str | None = None
    size: int | None = None
    status: str | None = None
    stale: tuple[str, ...] = ()
    # What no change of a volume is about.
    name: str | None = field(default=None, compare=False)
    type: str | None = field(default=None, compare=False)
    image: str | None = field(default=None, compare=False)
    snapshot: str | None = field(default=None, compare=False)
    device: str | None = field(default=None, compare=False)
    boot: bool | None = field(default=None, compare=False)
    delete_on_termination: bool | None = field(default=None, compare=False)
    multiattach: bool | None = field(default=None, compare=False)
    volume_id: str | None = field(default=None, compare=False)
    attachment_id: str | None = field(default=None, compare=False)
    bootable: bool | None = field(default=None, compare=False)
    encrypted: bool | None = field(default=None, compare=False)
    read_only: bool | None = field(default=None, compare=False)
    adopted: bool | None = field(default=None, compare=False)
    holders: tuple[str, ...] = field(default=(), compare=False)
    mine: tuple = field(default=(), compare=False)
    connection: dict[str, Any] | None = field(default=None, compare=False)
    record_id: str | None = field(default=None, compare=False)
    project_id: str | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """One volume for one instance: several may have the same."""
        return "%s/%s" % (self.id, self.instance_uuid)

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.name or self.volume_id or self.id

    @property
    def what(self) -> str:
        """How errors call it."""
        return "volume %s" % self.label

    @property
    def attaches(self) -> bool:
        """Whether an instance on a host is to have it."""
        return bool(self.instance_uuid and self.host)

    def over(self, before: RemoteVolume | None) -> RemoteVolume:
        """What becomes of the volume that is there; a LaunchError if it cannot be as asked for."""
        if before is None:
            self._check_new()
            return replace(self, status="in-use" if self.attaches else "available", adopted=False)
        self._check_over(before)
        after = replace(before, size=max(self.size or 0, before.size or 0), stale=())
        if self.attaches:
            return replace(after, instance_uuid=self.instance_uuid, host=self.host, status="in-use")
        return replace(after, status="available") if before.status in BUSY else after

    def remainder(self) -> RemoteVolume | None:
        """What remains of the volume when the instance gives it up: nothing, if it goes with it and nobody else has it.

        What is not ours is never deleted.
        """
        if self.delete_on_termination and not self.adopted and not self.holders:
            return None
        if self.instance_uuid is None:
            return self
        status = "in-use" if self.holders else "available"
        return replace(self, instance_uuid=None, host=None, status=status, attachment_id=None, connection=None)

    def _check_new(self) -> None:
        """What is wrong with a volume that has to be made."""
        if self.size is None and not self.snapshot:
            raise NotFound("%s: does not exist: give its size to make it, or correct the name" % self.what)
        if self.boot and not (self.image or self.snapshot):
            raise InvalidRequest(
                "%s: boot: there is nothing on it to boot from: give image or snapshot, or name a bootable volume"
                % self.what
            )

    def _check_over(self, before: RemoteVolume) -> None:
        """Conflict for what cannot be changed, or cannot be had now."""
        check_size(self.what, self.size, before.size)
        if self.type and before.type and self.type != before.type:
            raise Conflict("%s: type is %s and cannot become %s" % (self.what, before.type, self.type))
        if self.boot and before.bootable is False and before.status not in BUSY:
            raise Conflict("%s: boot: it is not bootable; make it from an image" % self.what)
        if self.multiattach and before.multiattach is False:
            raise Conflict("%s: multiattach: its type does not allow it" % self.what)
        if self.attaches and not before.instance_uuid:
            before.check_attachable()
            if self.size and before.adopted and before.volume_id not in (self.volume_id, self.name):
                raise Conflict(
                    "%s: there is one of this name that no launch has made: to have it as it is, name it %s without a "
                    "size; for a new one say another name" % (self.what, self.label)
                )

    def check_attachable(self) -> None:
        """Conflict if the instance cannot have it."""
        if self.encrypted:
            raise Conflict("%s: is encrypted, which is not supported: use another volume type" % self.what)
        if self.holders and not self.multiattach:
            words = "%s: is attached%s: detach it there first, or use a volume for several instances (multiattach)"
            raise Conflict.telling(words, facts=(self.what, " to " + ", ".join(self.holders)), public=(self.what, ""))

    def to_result(self) -> dict[str, Any]:
        """Its fields for people and for the next stages."""
        return dict({name: getattr(self, name) for name in RESULT}, name=self.label)


def one_volume(change: Change) -> str:
    """What is the same for all changes of one volume: several instances may have it."""
    return (change.before and change.before.volume_id) or change.wanted.id
