# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt's secrets for disks: Ceph's must be there (role compute_host), CHAP passwords come and go with their disk."""

from __future__ import annotations

from typing import Any, Iterable, Mapping
from xml.etree.ElementTree import Element

from ..core.errors import NotFound, Unavailable
from .device import Disk
from .elements import add, text


class Secrets:
    """The secrets of a libvirt connection. passwords are by the id that a volume's service knows it by."""

    def __init__(self, libvirt: Any, connection: Any, passwords: Mapping[str, str]):
        self.libvirt = libvirt
        self.connection = connection
        self._passwords = passwords

    def provide(self, disk: Disk) -> None:
        """See that libvirt has what a disk needs; NotFound or Unavailable if nobody gave it that."""
        if disk.remote is None or disk.remote.secret is None:
            return
        password = self._passwords.get(disk.serial or "")
        if disk.remote.protocol == "iscsi" and password is not None:
            secret = self.connection.secretDefineXML(text(_definition(disk)), 0)
            secret.setValue(password.encode(), 0)
        elif self._find(disk) is None:
            raise self._missing(disk)

    def forget(self, disks: Iterable[Disk] | None) -> None:
        """Remove the passwords of disks that are gone. Ceph's secrets are not ours."""
        for disk in disks or ():
            if disk.remote and disk.remote.secret and disk.remote.protocol == "iscsi":
                secret = self._find(disk)
                if secret is not None:
                    secret.undefine()

    def _find(self, disk: Disk) -> Any:
        try:
            return self.connection.secretLookupByUUIDString(disk.remote.secret)
        except self.libvirt.libvirtError as error:
            if error.get_error_code() == self.libvirt.VIR_ERR_NO_SECRET:
                return None
            raise

    def _missing(self, disk: Disk) -> Exception:
        if disk.remote.protocol == "iscsi":
            return NotFound("no password of volume %s is given: run the volume stage first" % disk.role)
        return Unavailable(
            "volume %s: libvirt on this host has no secret %s for Ceph's user %s: "
            "give it to the role compute_host (compute_host_libvirt_secrets)"
            % (disk.role, disk.remote.secret, disk.remote.username)
        )


def _definition(disk: Disk) -> Element:
    """A secret that libvirt shows nobody, and keeps for the next boot, in /etc/libvirt/secrets (root's alone)."""
    secret = Element("secret", ephemeral="no", private="yes")
    add(secret, "uuid", disk.remote.secret)
    add(add(secret, "usage", type="iscsi"), "target", "kvmstack/" + str(disk.remote.secret))
    return secret
