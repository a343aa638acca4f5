# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where images may come from, how large they may be and how long they may take; pure.

Who names an image has the compute host read a file or ask a server in its own name: what only the host itself can reach
is refused (CVE-2026-34881, OSSA-2026-004), unless its operator says otherwise. A redirect is judged as a url is, and a
server by the address that it is connected to, whatever its name was.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Mapping

from ..core.convert import whole
from ..core.names import GIB
from ..network.addresses import checked_prefix

FOLDERS = ("/srv/images",)

# The options of a door, beside its images.
OPTIONS = {
    "image_sources": {"type": "list", "elements": "str", "default": list(FOLDERS)},
    "image_max_size": {"type": "int", "default": 100},
    "image_timeout": {"type": "int", "default": 3600},
}


@dataclass(frozen=True)
class Policy:
    """folders: where files may be. networks: which of a host's own addresses and of its link's may be asked.

    max_size: of an image for a flavor without a disk, in GiB. seconds: of one transfer, with all its attempts.
    """

    folders: tuple[str, ...] = FOLDERS
    networks: tuple[Any, ...] = ()
    max_size: int = 100
    seconds: float = 3600

    def allows_address(self, text: str) -> bool:
        """Whether a server at that address may be asked. An IPv4 address may come as an IPv6 one, or with a scope."""
        address = ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        local = address.is_loopback or address.is_link_local or address.is_unspecified
        return not local or any(address in network for network in self.networks)

    def largest(self, size: int | None) -> int:
        """How many bytes an image may have for a root disk of so many GiB: qcow2 has tables beside its clusters."""
        return (size or self.max_size) * (GIB + GIB // 32) + 64 * 1024**2


def parse(params: Mapping[str, Any]) -> Policy:
    """The policy that a door's parameters give; InvalidRequest if they make no sense."""
    sources = params.get("image_sources")
    sources = FOLDERS if sources is None else sources
    networks = [each for each in sources if not each.startswith("/")]
    return Policy(
        folders=tuple(os.path.normpath(each) for each in sources if each.startswith("/")),
        networks=tuple(checked_prefix(each, "image_sources", strict=False) for each in networks),
        max_size=_positive(params, "image_max_size", Policy.max_size),
        seconds=_positive(params, "image_timeout", int(Policy.seconds)),
    )


def _positive(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name)
    return default if value is None else whole(value, name, least=1)
