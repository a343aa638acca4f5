# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who launches: the project, the user and what they may do there (the seed's steps 1 and 2)."""

from __future__ import annotations

import getpass
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Identity:
    """On whose behalf instances are launched, and which identity service vouches for it."""

    identity: str
    project_id: str
    user_id: str
    roles: tuple[str, ...]

    def to_result(self) -> dict[str, Any]:
        """The fields; there is no token among them."""
        return asdict(self)


def embedded(params: dict[str, Any]) -> Identity:
    """No identity service: whoever runs this may do everything, and is the account it runs as."""
    return Identity("none", params["project_id"], params.get("user_id") or getpass.getuser(), ("admin",))
