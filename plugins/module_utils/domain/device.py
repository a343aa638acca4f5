# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The devices of ours in a domain. Their role tells which is which, and marks them in libvirt by its user alias."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.errors import Unavailable


@dataclass(frozen=True)
class Remote:
    """Storage that QEMU itself speaks to, by rbd or iscsi. hosts are pairs of a name and a port.

    secret is the UUID of libvirt's secret with what the user is known by; initiator is this host's name to a target.
    """

    protocol: str
    name: str
    hosts: tuple = ()
    username: str | None = None
    secret: str | None = None
    initiator: str | None = None


@dataclass(frozen=True)
class Mount:
    """A file system that has to be mounted for a disk: what is exported, where it goes, and options of mount."""

    export: str
    path: str
    options: tuple = ()


@dataclass(frozen=True)
class Disk:
    """A disk of ours in a domain; formats come from our records, never from a look at the data.

    role is `root`, `config` or a volume's id. It is a file (path) or remote; mount is what a file needs first.
    serial is what the volume's service calls it. boot: the domain boots from it. size is in bytes: what its service
    says, or the guest sees; None where nobody looks, as a file's grows with the volume stage. limits are those of its
    throughput, by libvirt's names.
    """

    role: str
    target: str
    path: str | None = None
    format: str = "raw"
    base: str | None = None
    base_format: str | None = None
    device: str = "disk"
    bus: str = "virtio"
    remote: Remote | None = None
    size: int | None = None
    mount: Mount | None = field(default=None, compare=False)
    serial: str | None = field(default=None, compare=False)
    boot: bool = field(default=False, compare=False)
    discard: bool = field(default=True, compare=False)
    read_only: bool = field(default=False, compare=False)
    shareable: bool = field(default=False, compare=False)
    limits: tuple = field(default=(), compare=False)

    @property
    def source(self) -> str | None:
        """Where its data is, in one word; None while nobody knows. Where a share is mounted does not count."""
        if self.remote:
            return "%s:%s" % (self.remote.protocol, self.remote.name)
        return self.path

    def check(self) -> None:
        """Unavailable if there is nothing to attach yet."""
        if self.source is None:
            raise Unavailable("volume %s is nowhere: run the volume stage first" % self.role)


@dataclass(frozen=True)
class Interface:
    """A network interface of ours. role is the id of our port, port_id its service's, under which OVN knows it.

    bandwidth are pairs of a direction and its limits, by libvirt's names. What only the host decides (mtu, checksums),
    and what it is made with, is no reason to change one.
    """

    role: str
    port_id: str
    mac_address: str | None
    tap: str
    mtu: int | None = field(default=None, compare=False)
    checksum_offload: bool = field(default=True, compare=False)
    queues: int | None = field(default=None, compare=False)
    bandwidth: tuple = field(default=(), compare=False)

    def check(self) -> None:
        """Unavailable if it has no address: libvirt would give it a random one."""
        if not self.mac_address:
            raise Unavailable("port %s has no MAC address: run the port stage first" % self.port_id)
