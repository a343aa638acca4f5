# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter for the audit: what it found, as the items that a stage takes to remove it."""

from __future__ import annotations

from typing import Any, Iterable

ITEMS = {
    "domain": lambda found: {"uuid": found["id"], "name": found["name"]},
    "disk": lambda found: {"instance_uuid": found["id"], "name": found["name"]},
    "volume": lambda found: {"id": found["id"], "name": found["name"]},
    "port": lambda found: {key: found[key] for key in ("id", "name", "instance_uuid", "network", "host")},
}


def orphans(found: Iterable[dict[str, Any]], kind: str, host: str | None = None) -> list[dict[str, Any]]:
    """The orphans of a kind, on one host if it is named, in the form of that stage's list."""
    return [
        ITEMS[kind](each)
        for each in found
        if each["problem"] == "orphan" and each["kind"] == kind and host in (None, each["host"])
    ]


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"orphans": orphans}
