# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image on a compute host is: a checked base in the cache, and instances' root disks as overlays over it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..core.diff import showing
from ..core.errors import Conflict
from ..core.names import GIB

# What a diff shows of a root disk, or of a base.
as_text = showing("root disk over", "path", "size")


@dataclass(frozen=True)
class Image:
    """An image and what a host has of it.

    size: of the root disk in GiB, 0 or None for the image's own. min_disk in GiB, min_ram in MiB.
    id, service, direct_url: what an image service says of it, passed through.
    record_id: the identity of the record that its instance is in.
    launched: its instance ran from the root disk before, which is never made anew then, but by a rebuild. rebuild_id is
    that which its instance waits for; of a root disk that there is, the last one that is done there.
    base: the cached file, None while only the source can tell (waived checksum); cached: whether it is there.
    path: the root disk, None without an instance or while there is none; virtual_size: its bytes.
    """

    instance_uuid: str | None
    name: str
    url: str | None = None
    checksum: str | None = None
    disk_format: str | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    properties: dict | None = None
    id: str | None = None
    service: str | None = None
    direct_url: str | None = None
    size: int | None = None
    record_id: str | None = None
    launched: bool = False
    rebuild_id: str | None = None
    base: str | None = None
    cached: bool = True
    path: str | None = None
    virtual_size: int | None = None

    @property
    def key(self) -> str:
        """The instance whose root disk it becomes, or the name of an image that is only cached."""
        return self.instance_uuid or "base/" + self.name

    @property
    def waived(self) -> bool:
        """Whether the user said that nothing tells good bytes from bad ones."""
        return self.checksum == "none"

    @property
    def origin(self) -> tuple:
        """What two images have in common that are made over one base."""
        return self.url, self.checksum, self.disk_format, self.base

    @property
    def format(self) -> str | None:
        """The format of the root disk, or of the base of an image that is only cached."""
        return "qcow2" if self.instance_uuid else self.disk_format

    def replaces(self, before: Image | None) -> bool:
        """Whether a rebuild makes a root disk anew that there is, or was."""
        return self.rebuild_id is not None and (before is None or before.rebuild_id != self.rebuild_id)

    def over(self, before: Image | None) -> Image:
        """A root disk, once made, stays, but in a rebuild: Conflict if another image or size is asked for."""
        if self.size and self.min_disk and self.size < self.min_disk:
            raise Conflict("size: %d GiB is less than min_disk %d: take a larger flavor" % (self.size, self.min_disk))
        if self.replaces(before):
            return self
        if before is None and self.launched:
            raise Conflict(
                "root disk %s: it is gone, and with it what the guest had written; rebuild or destroy the instance"
                % self.path,
                public="its root disk is gone, and with it what the guest had written; rebuild or destroy the instance",
            )
        if before is None or (self.instance_uuid and before.path is None):
            return self
        if self.instance_uuid is None:
            return before
        if before.base is None or not self.is_base(before.base):
            raise Conflict(
                "image: the root disk was made from %s and cannot be changed in place: rebuild or destroy its instance"
                % (before.base and os.path.basename(before.base))
            )
        if self.size and before.virtual_size != self.size * GIB:
            raise Conflict(
                "size: the root disk has %s GiB, not %d, and cannot be changed in place: "
                "rebuild or destroy its instance" % ("%g" % ((before.virtual_size or 0) / GIB), self.size)
            )
        return replace(before, cached=True)

    def is_base(self, path: str) -> bool:
        """Whether a file in the cache was made from this image."""
        return os.path.basename(path).startswith(base_name(self, "")) and path.endswith("." + str(self.disk_format))

    def check_source(self, version: str) -> None:
        """Conflict if its source has another version than the base that its root disk lies over, and that is gone."""
        if self.base is not None and os.path.basename(self.base) != base_name(self, version):
            raise Conflict(
                "image: %s is gone, over which root disk %s was made, and its source has another version by now: put "
                "that file back, or destroy the instance" % (self.base, self.path),
                public="the image over which its root disk was made is gone, and its source has another version by now",
            )

    def to_result(self) -> dict[str, Any]:
        """Its fields for people and for the next stages."""
        return dict(asdict(self), format=self.format)


def base_name(image: Image, version: str | None = None) -> str:
    """The base's file name in the cache: its digest; with a waived checksum, the url and the version the source tells.

    With an empty version, what the names of all its versions begin with.
    """
    if not image.waived:
        return "%s.%s" % (str(image.checksum).replace(":", "-"), image.disk_format)
    start = "url-%s-" % _short(str(image.url))
    return "%s%s.%s" % (start, _short(version), image.disk_format) if version else start


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def root_size(image: Image, virtual_size: int, max_size: int) -> int:
    """The root disk's size in bytes over a base of this virtual size; Conflict if it is too small for it.

    max_size: the GiB that an image may have whose flavor has no disk, and so no bound of its own.
    """
    if not image.size and virtual_size > max_size * GIB:
        raise Conflict(
            "size: the image needs %g GiB, where the flavor has no disk, and launch_image_max_size is %d: take a "
            "flavor with a disk" % (virtual_size / GIB, max_size)
        )
    if image.size and image.size * GIB < virtual_size:
        raise Conflict("size: the image needs %g GiB, not %d: take a larger flavor" % (virtual_size / GIB, image.size))
    return -(-max(virtual_size, (image.size or 0) * GIB) // 512) * 512
