# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an image on a compute host is: a checked base in the cache, and instances' root disks as overlays over it."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import Conflict, InvalidRequest
from ..core.names import checked_name, instance_path
from .format import cure

GIB = 1024**3
SCHEMES = ("http", "https", "file")
FORMATS = ("qcow2", "raw")
_CHECKSUM = re.compile(r"none|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True)
class Image:
    """An image and what a host has of it.

    size: of the root disk in GiB, 0 or None for the image's own. min_disk in GiB, min_ram in MiB.
    id, service, direct_url: what an image service says of it, passed through.
    record_id: the identity of the record that its instance is in.
    launched: its instance ran from the root disk before, which is never made anew then.
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
    def format(self) -> str | None:
        """The format of the root disk, or of the base of an image that is only cached."""
        return "qcow2" if self.instance_uuid else self.disk_format

    def over(self, before: Image | None) -> Image:
        """A root disk, once made, stays: Conflict if another image or size is asked for."""
        if self.size and self.min_disk and self.size < self.min_disk:
            raise Conflict("size: %d GiB is less than min_disk %d: take a larger flavor" % (self.size, self.min_disk))
        if before is None and self.launched:
            raise Conflict(
                "root disk %s: it is gone, and with it what the guest had written; destroy the instance" % self.path
            )
        if before is None or (self.instance_uuid and before.path is None):
            return self
        if self.instance_uuid is None:
            return before
        if before.base is None or not self.is_base(before.base):
            raise Conflict(
                "image: the root disk was made from %s and cannot be changed in place; destroy the instance first"
                % (before.base and os.path.basename(before.base))
            )
        if self.size and before.virtual_size != self.size * GIB:
            raise Conflict(
                "size: the root disk has %s GiB, not %d, and cannot be changed in place; destroy the instance first"
                % ("%g" % ((before.virtual_size or 0) / GIB), self.size)
            )
        return replace(before, cached=True)

    def is_base(self, path: str) -> bool:
        """Whether a file in the cache was made from this image."""
        return os.path.basename(path).startswith(base_name(self, "")) and path.endswith("." + str(self.disk_format))

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


def root_size(image: Image, virtual_size: int) -> int:
    """The root disk's size in bytes over a base of this virtual size; Conflict if it is too small for it."""
    if image.size and image.size * GIB < virtual_size:
        raise Conflict("size: the image needs %g GiB, not %d: take a larger flavor" % (virtual_size / GIB, image.size))
    return -(-max(virtual_size, (image.size or 0) * GIB) // 512) * 512


def check_url(url: str, schemes: tuple[str, ...] = SCHEMES) -> None:
    """InvalidRequest if this is not an address to fetch an image from."""
    try:
        parts = urlsplit(url)
        user, host, _port = parts.username, parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequest("url: %s" % error) from error
    if not url.isprintable() or " " in url:
        raise InvalidRequest("url: has blanks or control characters: write them as %XX")
    if parts.scheme not in schemes:
        raise InvalidRequest("url: scheme %r is not one of %s" % (parts.scheme, ", ".join(schemes)))
    if user is not None or parts.password is not None:
        raise InvalidRequest("url: holds a user or password, which results would show; serve the image without")
    if parts.scheme == "file" and (host not in (None, "localhost") or not parts.path.startswith("/")):
        raise InvalidRequest("url: write file:///PATH, a path on the compute host")
    if parts.scheme != "file" and not host:
        raise InvalidRequest("url: has no host")


def parse(params: dict[str, Any]) -> list[Image]:
    """The images that the module's parameters ask for; InvalidRequest naming every bad one."""
    images, wrong, seen = [], [], set()
    for entry in params["images"]:
        try:
            image = _image(entry, params["state_path"], params["state"])
            if image.key in seen:
                raise InvalidRequest("is listed twice for %s" % image.key)
            seen.add(image.key)
            images.append(image)
        except InvalidRequest as error:
            wrong.append("image %s: %s" % (entry.get("name") or entry.get("instance_uuid"), error))
    if wrong:
        raise InvalidRequest("; ".join(wrong))
    return images


def _image(entry: dict[str, Any], state_path: str, state: str) -> Image:
    if not os.path.isabs(state_path):
        raise InvalidRequest("state_path %s: is not absolute" % state_path)
    owner = entry.get("instance_uuid")
    if owner is not None:
        owner = _uuid("instance_uuid", owner)
    elif state == "absent":
        raise InvalidRequest("instance_uuid is missing: state absent removes root disks, not the shared cache")
    record_id = entry.get("record_id")
    record_id = None if record_id is None else _uuid("record_id", record_id)
    image = Image(**dict(entry, instance_uuid=owner, record_id=record_id, name=_name(entry, owner)))
    if owner is not None:
        image = replace(image, path=instance_path(state_path, owner, "root.qcow2"))
    if state == "absent":
        return image
    image = replace(image, checksum=image.checksum and image.checksum.lower())
    check(image)
    return image if image.waived else replace(image, base=os.path.join(state_path, "base", base_name(image)))


def _name(entry: dict[str, Any], owner: str | None) -> str:
    """The image's name, else its instance; no file is called by it. A service's names are free text."""
    name = entry.get("name") or owner or ""
    return name if entry.get("service") else checked_name(name, "image")


def _uuid(key: str, text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise InvalidRequest("%s %r is not a UUID" % (key, text)) from error


def check(image: Image) -> None:
    """InvalidRequest if a present image lacks something or a number is out of range."""
    check_url(image.url or "")
    if not image.checksum:
        raise InvalidRequest(
            "checksum is missing: say sha256:HEX (sha256sum FILE prints it) or sha512:HEX,"
            " or waive it with the word none if the source is trusted"
        )
    if not _CHECKSUM.fullmatch(image.checksum):
        raise InvalidRequest("checksum: write sha256: and 64, or sha512: and 128, hexadecimal digits, or none")
    if image.disk_format not in FORMATS:
        raise InvalidRequest(
            "disk_format %s is not accepted: %s"
            % (image.disk_format, cure(image.disk_format) if image.disk_format else "say qcow2 or raw")
        )
    for name in ("size", "min_disk", "min_ram"):
        if (getattr(image, name) or 0) < 0:
            raise InvalidRequest("%s: %d is negative" % (name, getattr(image, name)))
