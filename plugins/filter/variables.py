# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for what operators say in variables: addresses, and lists that may be texts."""

from __future__ import annotations

from typing import Any

from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import listed
from ansible_collections.kvmstack.launch.plugins.module_utils.core.names import bracketed


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"bracketed": bracketed, "listed": listed}
