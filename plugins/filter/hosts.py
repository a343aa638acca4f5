# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of what an inventory says of compute hosts."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible.module_utils.common.validation import check_type_dict

# The variable of a host, which the role compute_host goes by too.
MAPPINGS = "compute_host_bridge_mappings"


def host_settings(
    names: Iterable[str], hostvars: Mapping[str, Any], settings: Any, networks: Any, routers: Any = None
) -> Any:
    """The operator's settings by host, with the bridges that the inventory says each has on a wire.

    They are looked up where one of the networks is on a wire, or a router leads to one that there is, as a look at
    every host takes its time. A host that says of no bridge any more has none. What makes no sense is left as it is,
    for the stage that tells.
    """
    settings = _mapping(settings)
    wired = _says(networks, "physical_network") or _says(routers, "external_network")
    if not isinstance(settings, dict) or not wired:
        return settings
    said = {host: {"bridge_mappings": hostvars[host].get(MAPPINGS) or {}} for host in names if host in hostvars}
    return {
        **settings,
        **{
            host: {**mappings, **settings.get(host, {})}
            for host, mappings in said.items()
            if isinstance(settings.get(host, {}), dict)
        },
    }


def gateways(names: Iterable[str], settings: Any) -> dict[str, list[str]]:
    """The hosts on each physical network, in the order of the names: each can be the way out of a router."""
    found: dict[str, list[str]] = {}
    settings = _mapping(settings)
    for host in names:
        said = settings.get(host) if isinstance(settings, dict) else None
        mappings = said.get("bridge_mappings") if isinstance(said, dict) else None
        for physical_network in mappings if isinstance(mappings, dict) else ():
            found.setdefault(str(physical_network), []).append(host)
    return found


def _says(definitions: Any, key: str) -> bool:
    """Whether any of the definitions, by name, has that key."""
    definitions = _mapping(definitions)
    defined = definitions.values() if isinstance(definitions, dict) else ()
    return any(isinstance(each, dict) and each.get(key) for each in defined)


def _mapping(value: Any) -> Any:
    """The mapping in a text, as from -e, that the modules take for one too."""
    try:
        return check_type_dict(value)
    except TypeError:
        return value


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"host_settings": host_settings, "gateways": gateways}
