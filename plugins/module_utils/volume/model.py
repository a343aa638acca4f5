# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a volume on a compute host is: a disk file that outlives instances, and the record beside it; pure."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Iterable, Mapping

from ..core.change import Change, over, pair
from ..core.change import plan as plan_items
from ..core.diff import showing
from ..core.errors import Conflict, NotFound

FORMATS = ("raw", "qcow2")

# What a diff shows of a volume of any service.
as_text = showing("volume", "size", "type", "format", "device", "host")
RECORDED = ("id", "name", "instance_uuid", "size", "format", "status", "record_id")


@dataclass(frozen=True)
class User:
    """A libvirt domain that has the volume among its disks."""

    uuid: str
    name: str
    active: bool

    def __str__(self) -> str:
        return "%s (%s, %s)" % (self.name, self.uuid, "running" if self.active else "shut off")


@dataclass(frozen=True)
class Volume:
    """A volume: size in GiB; path: its disk, None while there is none.

    status: creating until the disk has its name, available from then on. record_id: the identity of the record of
    instances and volumes that it is in. The fields after it do not belong to what a volume is: where and how an
    instance has it, the domains that use it, the bytes it takes on the host's disk, and whether an instance has had it
    before, so that it is never made anew.
    """

    id: str
    name: str | None = None
    instance_uuid: str | None = None
    size: int | None = None
    format: str | None = None
    path: str | None = None
    status: str | None = None
    record_id: str | None = None
    host: str | None = field(default=None, compare=False)
    device: str | None = field(default=None, compare=False)
    delete_on_termination: bool | None = field(default=None, compare=False)
    attached_to: tuple[User, ...] = field(default=(), compare=False)
    allocated: int | None = field(default=None, compare=False)
    made: bool | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Its id."""
        return self.id

    def over(self, before: Volume | None) -> Volume:
        """What becomes of the volume that is there; NotFound or Conflict if it cannot be as asked for."""
        if before is None or before.path is None:
            if self.made or (before and before.status != "creating"):
                raise Conflict(
                    "volume %s: its disk is gone from this host, where it was before: put it back (is its file system"
                    " mounted?), or give the volume up" % self.label
                )
            if self.size is None:
                raise NotFound("volume %s: is not on this host; give its size to make it" % self.label)
            return replace(self, format=self.format or "raw")
        self._check_over(before)
        after = over(self, before)
        return replace(after, path=before.path, attached_to=before.attached_to, allocated=before.allocated)

    def check_record(self, wanted: Volume) -> None:
        """Conflict if it is in another record than the one that asks for it."""
        if self.record_id and wanted.record_id and self.record_id != wanted.record_id:
            raise Conflict(
                "volume %s: belongs to another record (%s): use or delete it with the database that has this record"
                % (wanted.label, self.record_id)
            )

    def _check_over(self, before: Volume) -> None:
        """Conflict for what cannot be changed in place."""
        if self.format and self.format != before.format:
            raise Conflict("volume %s: format is %s and cannot become %s" % (self.label, before.format, self.format))
        check_size("volume %s" % self.label, self.size, before.size)
        if self.instance_uuid and self.instance_uuid != before.instance_uuid:
            others = [user for user in before.attached_to if user.uuid != self.instance_uuid]
            if others:
                raise Conflict(
                    "volume %s: instance_uuid cannot change while %s has it: detach it there first"
                    % (self.label, _names(others))
                )

    def remainder(self) -> None:
        """What remains of the volume when it is given up: nothing. Who is to keep it leaves it out."""
        return

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.name or self.id

    def check_unused(self) -> None:
        """Conflict if a running domain uses it; a plan does not ask: its domain goes before it."""
        running = [user for user in self.attached_to if user.active]
        if running:
            raise Conflict("volume %s: %s has it: detach it there first" % (self.label, _names(running)))

    def check_removable(self, wanted: Volume) -> None:
        """Conflict if it belongs to another instance than the one that gives it up."""
        if wanted.instance_uuid and self.instance_uuid and wanted.instance_uuid != self.instance_uuid:
            raise Conflict("volume %s: belongs to instance %s by now" % (self.label, self.instance_uuid))

    def to_record(self) -> dict[str, Any]:
        """What is written beside the disk."""
        return {name: getattr(self, name) for name in RECORDED}

    def to_result(self) -> dict[str, Any]:
        """Its fields for people and for the next stages."""
        return dict(asdict(self), name=self.label, attached_to=[asdict(user) for user in self.attached_to])


def plan(wanted: Iterable[Any], current: Mapping[str, Any], state: str) -> list[Change]:
    """Pair every wanted volume, of whatever service, with the one that exists; what is given up may remain."""
    if state == "present":
        return plan_items(wanted, current, state)
    return [pair(item, current.get(item.key), lambda _wanted, before: before and before.remainder()) for item in wanted]


def check_size(what: str, wanted: int | None, size: int | None) -> None:
    """Conflict if a volume of `size` GiB is to become smaller; None is a size that is not asked for, or not known."""
    if wanted and size and wanted < size:
        raise Conflict("%s: size %d GiB never shrinks, not to %d" % (what, size, wanted))


def _names(users: list[User]) -> str:
    return ", ".join(str(user) for user in users)


def from_record(record: dict[str, Any]) -> Volume:
    """The volume that a record describes; Conflict if we did not write it."""
    if record.get("format") not in FORMATS or not isinstance(record.get("id"), str):
        raise Conflict("volume %s: its record is broken: mend or remove it" % record.get("id"))
    return Volume(**{name: record.get(name) for name in RECORDED})


def disk_path(state_path: str, volume_id: str, disk_format: str) -> str:
    """Where a volume's disk is."""
    return os.path.join(state_path, "volumes", "%s.%s" % (volume_id, disk_format))
