# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for what comes after a launch: its guests as hosts of the inventory."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible_collections.kvmstack.launch.plugins.module_utils.core import documents as travelling
from ansible_collections.kvmstack.launch.plugins.module_utils.instance import inventory

Document = Mapping[str, Any]


def inventory_hosts(
    documents: Iterable[Document], hostvars: Mapping[str, Any], groups: Mapping[str, Any], user: str = "",
    direct_networks: Iterable[str] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The instances as the inventory is to have them, name, groups and variables; without those that it has so.

    user is the guests', where their images do not say it; direct_networks are those whose addresses are reached
    straight.
    """
    living = [inventory.told(each) for each in documents if _is_living(each)]
    reach = inventory.Reach(user or None, direct_networks=tuple(direct_networks or ()))
    found = inventory.hosts(
        living, lambda name: _holder(name, hostvars, groups), lambda name: _variables(name, hostvars), reach
    )
    return [
        {"name": host.name, "groups": host.groups, "variables": host.variables}
        for host in found
        if not _has(_variables(host.name, hostvars), host.variables)
    ]


def _is_living(document: Document) -> bool:
    return bool(document.get("uuid")) and travelling.wanted_status(document) != "DELETED"


def _holder(name: str, hostvars: Mapping[str, Any], groups: Mapping[str, Any]) -> str | None:
    """Whose a name is in the inventory: an instance's, by its UUID, something else's, or nobody's."""
    if name in hostvars:
        return (hostvars[name].get(inventory.VARIABLE) or {}).get("uuid", "")
    return "" if name in groups else None


def _variables(name: str, hostvars: Mapping[str, Any]) -> Mapping[str, Any]:
    if name not in hostvars:
        return {}
    return hostvars[name]


def _has(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether these variables are there as they are wanted."""
    return all(name in present and present[name] == value for name, value in wanted.items())


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"inventory_hosts": inventory_hosts}
