# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an instance has a volume of Cinder: its attachments, and what is to be done so that it has exactly one; pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Iterable


@dataclass(frozen=True)
class Attachment:
    """One attachment. status: reserved, attaching (a host is connected), attached (completed), error_attaching.

    host: None when the service does not tell. info: Cinder's connection_info; it may hold secrets.
    """

    id: str
    instance_uuid: str | None
    status: str
    host: str | None = None
    info: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AttachmentPlan:
    """What makes an instance have a volume on a host, whichever step an earlier run stopped at.

    keep: the attachment that it is to have, None for a new one; finish: connect it to the host and complete it.
    before, after: attachments to remove before that and after it.
    """

    keep: Attachment | None
    finish: bool
    before: tuple[Attachment, ...] = ()
    after: tuple[Attachment, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the instance has it."""
        return not self.finish

    @property
    def stale(self) -> tuple[str, ...]:
        """The ids of all that is removed."""
        return tuple(attachment.id for attachment in self.before + self.after)


def plan_attachment(mine: Iterable[Attachment], host: str | None) -> AttachmentPlan:
    """What is to be done with an instance's attachments of one volume, so that it has it on this host.

    A completed one for another host goes last: so the volume is never free for anybody else. An unfinished one beside
    it goes first, as Cinder connects a second one only in the request that makes it. Of a single unfinished one nobody
    knows for which host it was: it is connected anew, which is harmless.
    """
    mine = tuple(mine)
    complete = tuple(one for one in mine if one.status == "attached")
    here = [one for one in complete if one.host in (host, None)]
    if here:
        return AttachmentPlan(here[0], False, after=tuple(one for one in mine if one is not here[0]))
    if len(mine) == 1 and mine[0].status in ("reserved", "attaching"):
        return AttachmentPlan(mine[0], True)
    return AttachmentPlan(None, True, before=tuple(one for one in mine if one not in complete), after=complete)


def initiator(host: str) -> str:
    """The name by which a host's QEMU logs in to an iSCSI target."""
    return "iqn.2026-11.dev.kvmstack:%s" % host.lower()


def connector(host: str, device: str | None, address: str | None) -> dict[str, Any]:
    """The host as Cinder's drivers ask for it (os-brick's get_connector_properties). The client is QEMU itself."""
    properties = {
        "platform": "x86_64",
        "os_type": "linux",
        "host": host,
        "ip": address if _is_address(address) else None,
        "multipath": False,
        "do_local_attach": False,
        "initiator": initiator(host),
        "mountpoint": device and "/dev/%s" % device,
    }
    return {name: value for name, value in properties.items() if value is not None}


def _is_address(text: str | None) -> bool:
    """Whether it is an IP address; an inventory may as well give a name, which no driver could let in."""
    try:
        return bool(ipaddress.ip_address(text or ""))
    except ValueError:
        return False
