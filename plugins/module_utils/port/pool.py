# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses that are left to give out while a plan is made; pure."""

from __future__ import annotations

from typing import Any, Iterator

from ..network.addresses import derived_mac
from ..network.definition import Network
from ..network.fixed_ips import claim, free_addresses, next_free
from ..network.names import Name
from .floating import Floating, gives_up, reserve_floating
from .item import Request


class AddressPool:
    """What each network has left, by its full name; current is what is there (model.Current)."""

    def __init__(self, wanted: list[Request], current: Any):
        self.current = current
        self.held = {name: dict(words) for name, words in current.held.items()}
        self.free: dict[Name, Iterator[str]] = {}
        for request in wanted:
            before = current.ports.get(request.key)
            if request.fault is None and gives_up(request, before):
                self.held.get(before.floating.network, {}).pop(before.floating.address, None)
        for request in wanted:
            if request.fault is not None:
                continue
            # An address that a later port asks for is not given to an earlier one.
            for word in request.addresses:
                self.held.setdefault(request.full_network, {}).setdefault(word, request.id)
            reserve_floating(request, self.held, current)

    def address(self, network: Network, holder: str) -> str:
        """The network's lowest free address, now the holder's."""
        held = self.held.setdefault(network.full_name, {})
        free = self.free.setdefault(network.full_name, free_addresses(network, held))
        address = next_free(network, free)
        held[address] = holder
        return address

    def mac(self, network: Network, holder: str) -> str:
        """A MAC address that follows from the holder's id, now its own."""
        held = self.held.setdefault(network.full_name, {})
        mac = derived_mac(holder, held)
        held[mac] = holder
        return mac

    def claim(self, network: Network, word: str, what: str, holder: str) -> str:
        """The address asked for; Conflict if another port has it."""
        return claim(network, what, word, self.held.setdefault(network.full_name, {}), holder)

    def give_back(self, floating: Floating, holder: str) -> None:
        """A floating IP that its holder keeps after all."""
        self.held.setdefault(floating.network, {})[floating.address] = holder
