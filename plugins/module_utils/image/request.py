# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be asked for of an image, every value checked; pure."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..core.convert import canonical_uuid
from ..core.errors import InvalidRequest
from ..core.names import checked_name, instance_path
from ..core.request import parse_all
from .format import cure
from .model import Image, base_name

# An item, as an argument spec has it.
OPTIONS = {
    **dict.fromkeys(("instance_uuid", "name", "url", "checksum", "disk_format", "id", "service"), {"type": "str"}),
    **dict.fromkeys(("direct_url", "record_id", "rebuild_id"), {"type": "str"}),
    **dict.fromkeys(("min_disk", "min_ram", "size"), {"type": "int"}),
    "properties": {"type": "dict"},
    "launched": {"type": "bool", "default": False},
}
# The other options of a door: for the images of a service, and for signed urls; texts, see core/convert.py.
TOKEN = {
    "token": {"type": "str", "no_log": True},
    "token_url": {"type": "str", "no_log": False},
    "image_queries": {"type": "str", "default": "", "no_log": True},
}
SCHEMES = ("http", "https", "file")
FORMATS = ("qcow2", "raw")
_CHECKSUM = re.compile(r"none|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


def parse(params: dict[str, Any]) -> list[Any]:
    """The images that the module's parameters ask for; an Unsound in place of each bad one."""
    return parse_all(params["images"], lambda entry: _image(entry, params["state_path"], params["state"]))


def _image(entry: dict[str, Any], state_path: str, state: str) -> Image:
    if not os.path.isabs(state_path):
        raise InvalidRequest("state_path %s: is not absolute" % state_path)
    owner = entry.get("instance_uuid")
    if owner is not None:
        owner = canonical_uuid(owner, "instance_uuid")
    elif state == "absent":
        raise InvalidRequest("instance_uuid is missing: state absent removes root disks, not the shared cache")
    given = {name: entry[name] for name in ("record_id", "rebuild_id") if entry.get(name) is not None}
    known = {name: canonical_uuid(identity, name) for name, identity in given.items()}
    image = Image(**dict(entry, instance_uuid=owner, **known, name=_name(entry, owner)))
    if owner is not None:
        image = replace(image, path=instance_path(state_path, owner, "root.qcow2"))
    if state == "absent":
        return image
    image = replace(image, checksum=canonical_checksum(image.checksum))
    check(image)
    return image if image.waived else replace(image, base=os.path.join(state_path, "base", base_name(image)))


def _name(entry: dict[str, Any], owner: str | None) -> str:
    """The image's name, else its instance; no file is called by it. A service's names are free text."""
    name = entry.get("name") or owner or ""
    return name if entry.get("service") else checked_name(name, "image")


def canonical_checksum(checksum: str | None) -> str | None:
    """A checksum as it is kept, in lower case."""
    return checksum and checksum.lower()


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
            "disk_format %.20s is not accepted: %s"
            % (image.disk_format, cure(image.disk_format[:20]) if image.disk_format else "say qcow2 or raw")
        )
    for name in ("size", "min_disk", "min_ram"):
        if (getattr(image, name) or 0) < 0:
            raise InvalidRequest("%s: %d is negative" % (name, getattr(image, name)))


def check_url(url: str, schemes: tuple[str, ...] = SCHEMES, queried: bool = False) -> None:
    """InvalidRequest, which shows no secret in it, if this is not an address to fetch an image from.

    queried: whether it may have a query, as the target of a redirect.
    """
    try:
        parts = urlsplit(url)
        user, host, _port = parts.username, parts.hostname, parts.port
    except ValueError:  # whose text may show a password
        raise InvalidRequest("url: is none: its host or its port makes no sense") from None
    if not url.isprintable() or " " in url:
        raise InvalidRequest("url: has blanks or control characters: write them as %XX")
    if parts.scheme not in schemes:
        raise InvalidRequest("url: scheme %.20r is not one of %s" % (parts.scheme, ", ".join(schemes)))
    if user is not None or parts.password is not None:
        raise InvalidRequest("url: holds a user or password, which results would show; serve the image without")
    if "?" in url and not queried:
        raise InvalidRequest("url: has a query, which may be a signature: give it in image_queries, which is not shown")
    if parts.scheme == "file" and (host not in (None, "localhost") or not parts.path.startswith("/")):
        raise InvalidRequest("url: write file:///PATH, a path on the compute host")
    if parts.scheme != "file" and not host:
        raise InvalidRequest("url: has no host")
