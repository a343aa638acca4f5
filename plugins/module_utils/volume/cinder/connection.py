# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Cinder's connection_info to what a domain's disk needs to know; pure. No secret passes through."""

from __future__ import annotations

from typing import Any

from ...core.errors import Conflict
from ..rbd.view import connection as rbd_connection
from .attachment import initiator


def connection(what: str, info: dict[str, Any], host: str) -> dict[str, Any]:
    """How QEMU on this host reaches the volume; Conflict if it cannot.

    Only named fields are taken over: connection_info may hold a keyring or a password.
    """
    driver = info.get("driver_volume_type")
    if driver not in PROTOCOLS:
        raise Conflict(
            "%s: its driver offers %s; only %s can be used: choose another volume type"
            % (what, driver or "no connection", ", ".join(sorted(PROTOCOLS)))
        )
    if info.get("encrypted"):
        raise Conflict("%s: is encrypted, which is not supported: choose another volume type" % what)
    try:
        found = PROTOCOLS[driver](info, host)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise Conflict("%s: Cinder's connection_info is not complete for %s (%r)" % (what, driver, error)) from error
    return {"protocol": driver, **found, "read_only": info.get("access_mode") == "ro"}


def password(info: dict[str, Any]) -> str | None:
    """The CHAP password in connection_info."""
    return info.get("auth_password") if info.get("auth_method") else None


def _rbd(info: dict[str, Any], _host: str) -> dict[str, Any]:
    hosts = [{"name": name, "port": str(port)} for name, port in zip(info["hosts"], info["ports"])]
    authenticated = bool(info.get("auth_enabled"))
    user, secret = (info["auth_username"], info["secret_uuid"]) if authenticated else (None, None)
    return dict(rbd_connection(info["name"], hosts, user, secret), discard=bool(info.get("discard")))


def _nfs(info: dict[str, Any], _host: str) -> dict[str, Any]:
    if "/" in info["name"]:
        raise ValueError(info["name"])
    return {
        "export": info["export"],
        "name": info["name"],
        "options": info.get("options"),
        "format": info.get("format") or "raw",
    }


def _iscsi(info: dict[str, Any], host: str) -> dict[str, Any]:
    """QEMU's client has one portal: the first."""
    first = {name: (info.get("target_%ss" % name) or [info.get("target_%s" % name)])[0] for name in ISCSI}
    address, port = first["portal"].rsplit(":", 1)
    return {
        "name": "%s/%d" % (first["iqn"], int(first["lun"])),
        "hosts": [{"name": address.strip("[]"), "port": str(int(port))}],
        "auth_username": info["auth_username"] if info.get("auth_method") else None,
        "initiator": initiator(host),
        "format": "raw",
        "discard": bool(info.get("discard")),
    }


ISCSI = ("portal", "iqn", "lun")
PROTOCOLS = {"rbd": _rbd, "nfs": _nfs, "iscsi": _iscsi}
