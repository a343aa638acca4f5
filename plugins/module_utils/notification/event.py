# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Something that happened to an instance, and what every format tells of it; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping

from ..core.names import tap_name
from ..instance.attachments import NetworkRequest, from_data

# What nova calls the actions; of others there is only instance.update.
NAMES = {
    "create": "create", "delete": "delete", "stop": "power_off", "start": "power_on", "reboot": "reboot",
    "pause": "pause", "unpause": "unpause", "suspend": "suspend", "resume": "resume", "rebuild": "rebuild",
}  # fmt: skip
FAILING = ("create", "rebuild")  # those of which an error is told
LONGEST = 1000  # characters of a fault


@dataclass(frozen=True)
class Event:
    """Something that happened to an instance, by the row that the record has of it then.

    action: nova's word of the request. phase: start, end, error or update. fault: what it failed with. old_state: the
    vm_state before. extras: what the Compute API keeps of it (record/server_extras.py). initiator: the user who has
    asked for it; None for the instance's own.
    """

    row: Any
    action: str
    phase: str
    request_id: str
    fault: str | None = None
    old_state: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    initiator: str | None = None

    @property
    def name(self) -> str:
        """create.start, or update."""
        return "update" if self.phase == "update" else "%s.%s" % (NAMES[self.action], self.phase)

    @property
    def priority(self) -> str:
        """As oslo.messaging calls it."""
        return "error" if self.phase == "error" else "info"

    @property
    def gone(self) -> bool:
        """Whether there is no such instance any more."""
        return bool(self.row.deleted)

    @property
    def state(self) -> str:
        """Its vm_state."""
        return "deleted" if self.gone else self.row.vm_state

    @property
    def flavor(self) -> Mapping[str, Any]:
        """Its flavor as the record has it."""
        return self.row.flavor or {}

    @property
    def image(self) -> str:
        """The id of a service's image, else its name."""
        image = self.row.image or {}
        return str(image.get("id") or image.get("name") or "")


def addresses(ports: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The addresses of ports as the record has them, once they are made."""
    found = []
    for port in from_data(NetworkRequest, ports or ()):
        info, identity = port.network_info or {}, port.public_id or ""
        if port.leaving or not port.mac_address:
            continue
        addresses = [*(port.fixed_ips or [port.fixed_ip]), info.get("ipv6_address")]
        label = info.get("network_name") or port.network or str(port.port)
        beside = {"label": label, "mac": port.mac_address, "meta": {}, "port_uuid": identity}
        beside["device_name"] = tap_name(identity)
        found += [
            {**beside, "address": each, "version": 6 if ":" in each else 4} for each in dict.fromkeys(addresses) if each
        ]
    return found
