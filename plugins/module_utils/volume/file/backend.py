# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes as files of a compute host: {state_path}/volumes/ID.FORMAT, and the record ID.json beside each.

A record is written before its disk gets its name, and says "creating" until it has it: a disk that is gone later is
told from one that never was. The disk's size is read from the disk; its format only from the record.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Callable, Iterable
from xml.etree import ElementTree

from ...core.change import Change
from ...core.disk import (
    disk_errors,
    in_use,
    locked,
    make_directory,
    put_in_place,
    qemu_img,
    read_record,
    remove,
    write_record,
)
from ...core.errors import Conflict, InvalidRequest, LaunchError
from ...core.libvirt import ask_each, libvirt_errors, load, open_connection
from ...core.names import GIB
from ...image.format import parse_qcow2
from ..model import FORMATS, User, Volume, disk_path, from_record


def connect(params: dict[str, Any]) -> Volumes:
    """The volumes below state_path of this host, and libvirt, which knows who uses them."""
    return Volumes(params["state_path"], Domains(load()), params.get("state", "present"))


def find(params: dict[str, Any]) -> list[Volume]:
    """Every volume of this host."""
    return connect(params).list()


class Domains:
    """libvirt's domains as far as volumes need them; asked when first needed."""

    def __init__(self, libvirt: Any) -> None:
        self.libvirt = libvirt
        self._users: dict[str, list[User]] | None = None

    def users(self, path: str) -> tuple[User, ...]:
        """The domains that have a file among their disks."""
        if self._users is None:
            self._users = self._call(self._all_users)
        return tuple(self._users.get(os.path.realpath(path), ()))

    def resize(self, user: User, path: str, size: int) -> None:
        """Let a running domain grow its disk to so many bytes; the guest sees it at once."""
        self._call(self._resize, user, path, size)

    def _call(self, function: Any, *arguments: Any) -> Any:
        with libvirt_errors(self.libvirt):
            return function(open_connection(self.libvirt), *arguments)

    def _all_users(self, connection: Any) -> dict[str, list[User]]:
        def describe(domain: Any) -> tuple[User, str]:
            return User(domain.UUIDString(), domain.name(), bool(domain.isActive())), domain.XMLDesc()

        users: dict[str, list[User]] = {}
        for user, description in ask_each(self.libvirt, describe, connection.listAllDomains()):
            for source in ElementTree.fromstring(description).iterfind("devices/disk/source[@file]"):
                users.setdefault(os.path.realpath(source.get("file", "")), []).append(user)
        return users

    def _resize(self, connection: Any, user: User, path: str, size: int) -> None:
        domain = connection.lookupByUUIDString(user.uuid)
        domain.blockResize(path, size, self.libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


class Volumes:
    """Reads and changes the volumes of a host."""

    def __init__(self, state_path: str, domains: Any, state: str = "present") -> None:
        self.state_path = state_path
        self.directory = os.path.join(state_path, "volumes")
        self.domains = domains
        self.state = state

    def read(self, wanted: Iterable[Volume]) -> dict[str, Volume | LaunchError]:
        """The volumes that exist, by id; when they are to be removed, an error for those that must not be."""
        found = {volume.key: self._attempt(self._read_one, volume) for volume in wanted}
        return {key: volume for key, volume in found.items() if volume is not None}

    def _read_one(self, volume: Volume) -> Volume | None:
        existing = self._find(volume.id)
        if existing is None:
            return None
        existing.check_record(volume)
        if self.state == "absent":
            existing.check_removable(volume)
        kept = {name: getattr(volume, name) for name in ("host", "device", "delete_on_termination")}
        return replace(existing, **kept)

    def _attempt(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What function(argument) returns, or the LaunchError that stopped it."""
        try:
            with disk_errors(self.directory):
                return function(argument)
        except LaunchError as error:
            return error

    def list(self) -> list[Volume]:
        """Every volume that has a record or a disk here, by id."""
        if not os.path.isdir(self.directory):
            return []
        endings = (".json", *("." + name for name in FORMATS))
        names = {entry.rsplit(".", 1)[0] for entry in os.listdir(self.directory) if entry.endswith(endings)}
        with disk_errors(self.directory):
            found = [self._find(name) for name in sorted(names)]
        return [volume for volume in found if volume is not None]

    def _find(self, volume_id: str) -> Volume | None:
        """A volume by its record, else by its disk, whose format its name tells; None if there is neither."""
        record = read_record(self._record(volume_id))
        if record is not None:
            volume = from_record(dict(record, id=volume_id))
            path = disk_path(self.state_path, volume_id, str(volume.format))
            if not os.path.lexists(path):
                return volume
        else:
            paths = [disk_path(self.state_path, volume_id, name) for name in FORMATS]
            path = next((path for path in paths if os.path.lexists(path)), "")
            if not path:
                return None
            volume = Volume(volume_id, format=path.rsplit(".", 1)[1])
        return replace(
            volume,
            path=path,
            size=-(-virtual_size(path, str(volume.format)) // GIB),
            allocated=os.stat(path).st_blocks * 512,
            attached_to=self.domains.users(path),
        )

    def _record(self, volume_id: str) -> str:
        return os.path.join(self.directory, volume_id + ".json")

    def apply(self, changes: Iterable[Change]) -> dict[str, Volume | LaunchError]:
        """Make, grow, hand over or remove what each change says."""
        return {change.key: self._attempt(self._make_alone, change) for change in changes}

    def _make_alone(self, change: Change) -> Volume:
        make_directory(self.directory)
        with locked(self.directory):
            return self._make(change)

    def _make(self, change: Change) -> Volume:
        before, after = change.before, change.after
        if after is None:
            return self._remove(before)
        if before is None or before.path is None:
            self._create(after)
        elif after.size != before.size:
            self._grow(before, after)
        write_record(self._record(after.id), after.to_record())
        return replace(after, allocated=os.stat(after.path).st_blocks * 512)

    def _create(self, volume: Volume) -> None:
        """Make the disk, sparse, unless another task just did."""
        path = str(volume.path)
        if os.path.lexists(path):
            return
        write_record(self._record(volume.id), replace(volume, status="creating").to_record())
        temporary = path + ".part"
        remove(temporary)
        try:
            qemu_img(self.directory, "create", "-q", "-f", str(volume.format), temporary, str(volume.size * GIB))
            os.chmod(temporary, 0o600)
            put_in_place(temporary, path)
        except (LaunchError, OSError):
            remove(temporary, self._record(volume.id))
            raise

    def _grow(self, before: Volume, after: Volume) -> None:
        """Make the disk larger: by the running domain that has it, else by qemu-img."""
        running = [user for user in before.attached_to if user.active]
        if running:
            self.domains.resize(running[0], str(before.path), after.size * GIB)
        else:
            qemu_img(self.directory, "resize", "-q", "-f", str(before.format), str(before.path), str(after.size * GIB))

    def _remove(self, volume: Volume) -> Volume:
        """Remove the record, then the disk: what is left after an interruption is found by its disk."""
        volume.check_unused()
        path = disk_path(self.state_path, volume.id, str(volume.format))
        if in_use(path):
            words = "volume %s: a running guest has %s open: detach it there first"
            raise Conflict.telling(words, facts=(volume.label, path), public=(volume.label, "it"))
        record = self._record(volume.id)
        remove(record, record + ".part", path, path + ".part")
        return volume


def virtual_size(path: str, disk_format: str) -> int:
    """The size in bytes that a guest sees."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if disk_format == "raw":
            return size
        try:
            return parse_qcow2(lambda offset, length: os.pread(file.fileno(), length, offset), size).virtual_size
        except InvalidRequest as error:
            raise Conflict("volume %s: %s" % (path, error), error.public) from error
