# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what the volume stage says of a volume to the disk that a domain gets for it; pure."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from typing import Any

from ..core.errors import Conflict, InvalidRequest
from ..core.names import GIB
from .device import Disk, Mount, Remote

FORMATS = ("raw", "qcow2")
# HOST:/PATH; a dash in front would be an option of mount.
_EXPORT = re.compile(r"[^\s/-][^\s/]*:/\S*")
_OPTIONS = re.compile(r"(?:-o\s+)?([^\s-]\S*)")


def disk(result: dict[str, Any], instance_uuid: str, state_path: str) -> Disk:
    """A volume's result as a disk; Conflict if this host cannot reach it in the way its service says."""
    if not result.get("boot") and not result.get("device"):
        raise InvalidRequest("volume %s: device is missing, such as vdb" % result.get("name"))
    connection = result.get("connection")
    facts = {
        "role": result["id"],
        "target": "vda" if result.get("boot") else result["device"],
        "serial": result.get("volume_id") or result["id"],
        "boot": bool(result.get("boot")),
        "shareable": bool(result.get("multiattach")),
    }
    if not connection:
        return Disk(path=result.get("path"), format=result.get("format") or "raw", **facts)
    try:
        describe = PROTOCOLS[connection["protocol"]]
        facts.update(describe(connection, _secret(instance_uuid, result["id"]), state_path))
        facts.update(format=_format(connection), discard=bool(connection.get("discard")))
        facts.update(size=result["size"] * GIB if result.get("size") else None)
        return Disk(read_only=bool(connection.get("read_only")), **facts)
    except KeyError as error:
        raise Conflict(
            "volume %s: connection: %s is missing or not offered: %s are"
            % (result.get("name"), error, ", ".join(PROTOCOLS))
        ) from error
    except ValueError as error:
        raise Conflict("volume %s: connection: %s" % (result.get("name"), error)) from error


def mount_path(state_path: str, export: str) -> str:
    """Where an export is mounted: named as nova does."""
    return os.path.join(state_path, "mnt", hashlib.md5(export.encode()).hexdigest())


def _secret(instance_uuid: str, volume_id: str) -> str:
    """The UUID of the secret that the stage domain gives libvirt for a volume of an instance."""
    return str(uuid.uuid5(uuid.UUID(instance_uuid), "chap/" + volume_id))


def _format(connection: dict[str, Any]) -> str:
    disk_format = connection.get("format") or "raw"
    if disk_format not in FORMATS:
        raise ValueError("format %s is not one of %s" % (disk_format, ", ".join(FORMATS)))
    return disk_format


def _rbd(connection: dict[str, Any], _secret_uuid: str, _state_path: str) -> dict[str, Any]:
    """An image in Ceph; its secret is libvirt's for good (role compute_host)."""
    if connection.get("auth_username") and not connection.get("secret_uuid"):
        raise ValueError("there is a Ceph user but no secret_uuid: set rbd_secret_uuid in Cinder's configuration")
    return {"remote": _remote(connection, connection.get("secret_uuid"))}


def _iscsi(connection: dict[str, Any], secret_uuid: str, _state_path: str) -> dict[str, Any]:
    """A target that QEMU itself logs in to; its CHAP password is libvirt's as long as the domain has the disk."""
    return {"remote": _remote(connection, secret_uuid)}


def _remote(connection: dict[str, Any], secret: str | None) -> Remote:
    username = connection.get("auth_username")
    return Remote(
        protocol=connection["protocol"],
        name=connection["name"],
        # libvirt puts the brackets of IPv6 in itself.
        hosts=tuple((host["name"].strip("[]"), int(host["port"])) for host in connection["hosts"]),
        username=username,
        secret=secret if username else None,
        initiator=connection.get("initiator"),
    )


def _nfs(connection: dict[str, Any], _secret_uuid: str, state_path: str) -> dict[str, Any]:
    """A file on a share that is mounted on the host."""
    export, name = connection["export"], connection["name"]
    if not _EXPORT.fullmatch(export):
        raise ValueError("export %r is not HOST:/PATH" % export)
    if name in ("", ".", "..") or "/" in name:
        raise ValueError("name %r is not that of a file" % name)
    path = mount_path(state_path, export)
    return {"path": os.path.join(path, name), "mount": Mount(export, path, _options(connection.get("options")))}


def _options(text: str | None) -> tuple:
    """Cinder's options of mount, as in `-o vers=4.1,ro`."""
    if not (text or "").strip():
        return ()
    found = _OPTIONS.fullmatch(text.strip())
    if not found:
        raise ValueError("options %r: only -o OPTIONS is offered" % text)
    return ("-o", found[1])


PROTOCOLS = {"rbd": _rbd, "iscsi": _iscsi, "nfs": _nfs}
