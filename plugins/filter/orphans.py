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
    """The orphans of a kind, on one host if it is named, in the form of that stage's list.

    A disk without a domain goes the domain's way too: what lies beside the disk is the domain's.
    """
    kinds = ("domain", "disk") if kind == "domain" else (kind,)
    orphaned = [each for each in found if each["problem"] == "orphan" and host in (None, each["host"])]
    chosen = {each["id"]: each for wanted in reversed(kinds) for each in orphaned if each["kind"] == wanted}
    return [ITEMS[kind](each) for each in chosen.values()]


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"orphans": orphans}
