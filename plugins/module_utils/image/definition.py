# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Glance's image means to a launch: which one a name stands for, whether it can be used, and how; pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import Conflict, LaunchError, NotFound
from ..core.properties import renamed
from .format import cure
from .request import FORMATS

# What Glance itself says of an image (glance/api/v2/images.py, `get_base_properties`); the rest are its properties.
ATTRIBUTES = {
    "id", "name", "status", "visibility", "protected", "os_hidden", "checksum", "os_hash_algo", "os_hash_value",
    "owner", "size", "virtual_size", "container_format", "disk_format", "created_at", "updated_at", "tags", "min_ram",
    "min_disk", "self", "file", "schema", "direct_url", "locations", "stores",
}  # fmt: skip
# Of no meaning to a launch: what clients and Glance's own tasks note.
NOTES = ("owner_specified.", "os_glance_")
ALGORITHMS = ("sha256", "sha512")
STATUSES = {
    "queued": "nobody has uploaded its data yet",
    "saving": "its data is being uploaded: wait for that",
    "uploading": "its data is being uploaded: wait for that",
    "importing": "its data is being imported: wait for that",
    "deactivated": "its operator forbids its use for now",
    "killed": "its upload failed: upload it anew",
    "deleted": "it is gone",
    "pending_delete": "it is gone",
}


@dataclass(frozen=True)
class Definition:
    """An image as the other stages take it, or under its asked name the fault that says why it is of no use.

    size in bytes, min_disk in GiB, min_ram in MiB.
    """

    name: str
    id: str | None = None
    url: str | None = None
    checksum: str | None = None
    disk_format: str | None = None
    size: int | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    properties: dict | None = None
    service: str = "glance"
    direct_url: str | None = None
    fault: str | None = None

    def to_result(self) -> dict[str, Any]:
        """What is known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def choose(name: str, found: list[dict[str, Any]], project_id: str | None) -> dict[str, Any]:
    """The image of exactly that name: the project's own goes before others', one that is active before one that is not.

    NotFound if there is none, Conflict if there are several: databases may find names that differ in case as well.
    """
    named = [image for image in found if image.get("name") == name]
    if not named:
        raise NotFound(
            "image %s: there is none of that name that the project may use; `openstack image list` shows them" % name
        )
    named = [image for image in named if image.get("owner") == project_id] or named
    named = [image for image in named if image.get("status") == "active"] or named
    if len(named) > 1:
        ids = ", ".join(sorted(image["id"] for image in named))
        raise Conflict("image %s: there are %d of that name: give the id of one, %s" % (name, len(named), ids))
    return named[0]


def define(image: dict[str, Any], endpoint: str) -> Definition:
    """What a launch needs to know of Glance's image; Conflict if it is of no use to one."""
    wrong = _fault(image)
    if wrong:
        raise Conflict("image %s (%s): %s" % (image.get("name") or "without a name", image["id"], wrong))
    return Definition(
        name=image.get("name") or image["id"],
        id=image["id"],
        url="%s/images/%s/file" % (endpoint, image["id"]),
        checksum="%s:%s" % (image["os_hash_algo"], image["os_hash_value"]),
        disk_format=image["disk_format"],
        size=image.get("size"),
        min_disk=image.get("min_disk") or 0,
        min_ram=image.get("min_ram") or 0,
        properties=_properties(image),
        direct_url=_direct_url(image),
    )


def with_fault(name: str, error: LaunchError) -> Definition:
    """In place of an image that is of no use."""
    return Definition(name, fault=str(error))


def _fault(image: dict[str, Any]) -> str | None:
    """Why an image is of no use; None if it is."""
    status, container, form = image.get("status"), image.get("container_format"), image.get("disk_format")
    if status != "active":
        return "is %s, not active: %s" % (status, STATUSES.get(str(status), "see its operator"))
    if container != "bare":
        return "container_format is %s: only bare is offered" % container
    if form not in FORMATS:
        return "disk_format is %s: %s" % (form, cure(str(form)))
    if not image.get("size"):
        return "has no data, as the snapshot of an instance that boots from a volume: boot from that volume's snapshot"
    if not image.get("os_hash_value"):
        return "has no os_hash_value, by which its data could be verified: upload it anew"
    if image.get("os_hash_algo") not in ALGORITHMS:
        return "os_hash_algo is %s: %s are offered" % (image.get("os_hash_algo"), " and ".join(ALGORITHMS))
    if image.get("cinder_encryption_key_id"):
        return "is encrypted: boot from a volume that is made from it"
    return None


def _properties(image: dict[str, Any]) -> dict[str, str]:
    """The image's own properties under nova's present names."""
    own = {key: value for key, value in image.items() if key not in ATTRIBUTES and not key.startswith(NOTES)}
    return renamed({key: str(value) for key, value in sorted(own.items()) if value is not None})


def _direct_url(image: dict[str, Any]) -> str | None:
    """Where in Ceph an image is, for copies on write; other stores' locations may hold passwords."""
    places = [image.get("direct_url"), *(place.get("url") for place in image.get("locations") or [])]
    return next((place for place in places if place and place.startswith("rbd://")), None)
