# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be asked for of a volume, with each service; pure."""

from __future__ import annotations

import os
from typing import Any

from ..core.convert import canonical_uuid
from ..core.errors import InvalidRequest
from ..core.names import checked_name
from ..core.request import parse_all
from ..core.specs import REQUIRED
from .model import FORMATS, Volume, disk_path
from .rbd.view import check_source
from .remote import RemoteVolume

TEXTS = ("name", "instance_uuid", "record_id", "host", "type", "image", "snapshot", "device", "volume_id")
TEXTS += ("attachment_id", "service", "project_id")

# An item, as an argument spec has it.
OPTIONS = {
    "id": REQUIRED,
    **dict.fromkeys(TEXTS, {"type": "str"}),
    **dict.fromkeys(("boot", "delete_on_termination", "multiattach", "made"), {"type": "bool"}),
    "size": {"type": "int"},
    "format": {"type": "str", "choices": list(FORMATS)},
}
LOCAL = ("id", "name", "instance_uuid", "size", "format", "host", "device", "delete_on_termination", "record_id")
LOCAL += ("made",)
# What a volume of a service is not asked by.
ONLY_LOCAL = ("format", "service", "made")
# What a volume of each service cannot have.
NOT_OFFERED = {
    "file": ("type", "image", "snapshot", "boot", "multiattach"),
    "cinder": ("format",),
    "rbd": ("format", "type"),
}


def parse(params: dict[str, Any]) -> list[Any]:
    """A Volume (service file) or RemoteVolume for each entry of `volumes`, an Unsound for each bad one."""
    service = params.get("service") or "file"
    return parse_all(params["volumes"], lambda entry: PARSERS[service](_check(entry, service), params))


def _check(entry: dict[str, Any], service: str) -> dict[str, Any]:
    """The entry with its ids as UUIDs are written; InvalidRequest for what no such volume can have."""
    if entry.get("size") is not None and entry["size"] <= 0:
        raise InvalidRequest("size: %d GiB is not above 0" % entry["size"])
    for option in NOT_OFFERED[service]:
        if entry.get(option):
            raise InvalidRequest("%s: a volume of the service %s has none" % (option, service))
    owners = {name: entry.get(name) for name in ("instance_uuid", "record_id")}
    owners = {name: canonical_uuid(value, name + ":") if value else None for name, value in owners.items()}
    return dict(entry, id=canonical_uuid(entry["id"], "id:"), **owners)


def _local(entry: dict[str, Any], params: dict[str, Any]) -> Volume:
    if not os.path.isabs(params["state_path"]):
        raise InvalidRequest("state_path %s: is not absolute" % params["state_path"])
    if entry.get("name") is not None:
        checked_name(entry["name"], "volume")
    if entry.get("format") not in (None, *FORMATS):
        raise InvalidRequest("format: %s is not one of %s" % (entry["format"], ", ".join(FORMATS)))
    path = disk_path(params["state_path"], entry["id"], entry.get("format") or "raw")
    return Volume(**{name: entry.get(name) for name in LOCAL}, path=path, status="available")


def _cinder(entry: dict[str, Any], _params: dict[str, Any]) -> RemoteVolume:
    name = entry.get("name")
    if name is not None and (not 0 < len(name) < 256 or not name.isprintable()):
        raise InvalidRequest("name: use 1 to 255 printable characters")
    if entry.get("image") and entry.get("snapshot"):
        raise InvalidRequest("image, snapshot: give one of them")
    return RemoteVolume(**{key: value for key, value in entry.items() if key not in ONLY_LOCAL})


def _rbd(entry: dict[str, Any], params: dict[str, Any]) -> RemoteVolume:
    volume = _cinder(entry, params)
    check_source(volume)
    return volume


PARSERS = {"file": _local, "cinder": _cinder, "rbd": _rbd}
