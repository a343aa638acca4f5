# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A domain between its start and its first instruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from ..core.change import Change
from .device import Interface


@dataclass(frozen=True)
class Started:
    """A domain that waits for its ports: what resumes it, and what takes back what this run did to it."""

    change: Change
    handle: Any
    ports: tuple
    undo: Callable[[], None]

    def waits_for(self, plugged: dict[str, str]) -> list[Interface]:
        """The interfaces that OVN has not wired yet."""
        return [port for port in self.ports if plugged.get(port.tap) != port.port_id]
