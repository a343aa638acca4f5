# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters for the deletion of volumes: what a compute host is to remove, and what all of them have said."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ansible_collections.kvmstack.launch.plugins.module_utils.core.convert import boolean

# What the role's task on compute hosts registers.
REMOVED = "launch_removed"


def going(volumes: Iterable[dict[str, Any]], host: str) -> list[dict[str, Any]]:
    """The volumes that are being deleted and are on a host, as items of the stage volume."""
    keys = ("id", "name", "record_id")
    return [{key: volume[key] for key in keys} for volume in _deleting(volumes) if volume["host"] == host]


def gone(volumes: Iterable[dict[str, Any]], hostvars: Mapping[str, Any], force: Any = False) -> dict[str, str]:
    """Of the volumes that are being deleted, by id, why one is not gone from its host; an empty text when it is.

    force: what is on a host that has not answered is given up.
    """
    given_up = boolean(force, "launch_force")
    return {volume["id"]: _answer(volume, hostvars, given_up) for volume in _deleting(volumes)}


def _answer(volume: dict[str, Any], hostvars: Mapping[str, Any], given_up: bool) -> str:
    host = volume["host"]
    said = hostvars[host].get(REMOVED) or {} if host in hostvars else {}
    for each in said.get("volumes") or ():
        if each["id"] == volume["id"]:
            return "host %s: %s" % (host, each["msg"]) if each["failed"] else ""
    if given_up:
        return ""
    return "host %s: %s" % (host, said.get("msg") or "it has not been asked: see --limit and the inventory")


def _deleting(volumes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [volume for volume in volumes if volume["status"] == "deleting"]


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"going": going, "gone": gone}
