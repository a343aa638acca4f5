# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which port groups a change of ports leaves without a member, and without anybody who needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable
from uuid import UUID

from ...core.change import Change
from ...network.ovn.rows import group_name
from .rows import port_groups
from .view import View


@dataclass(frozen=True)
class Vacated:
    """The port groups that ports leave: those that are to go, and those that have members yet."""

    unneeded: tuple[str, ...] = ()
    occupied: tuple[str, ...] = ()


def find_vacated(view: View, changes: Iterable[Change], select: Callable[[list], list]) -> Vacated:
    """What becomes of the groups that the ports of these changes leave, and of those that their rules speak of.

    select(operations) asks the server: members are not replicated.
    """
    left, joined = _movements(view, changes)
    concerned = sorted((set(left) | _spoken_of(view, left)) - joined)
    operations = [_without(view.port_groups[name], left.get(name, ())) for name in concerned]
    empty = {name for name, rows in zip(concerned, select(operations)) if rows}
    unneeded = view.networks.unneeded(empty)
    return Vacated(tuple(sorted(unneeded)), tuple(sorted(set(concerned) - empty)))


def _movements(view: View, changes: Iterable[Change]) -> tuple[dict[str, set[UUID]], set[str]]:
    """The port groups that ports leave, with these, and those that ports stay in or come into."""
    left: dict[str, set[UUID]] = {}
    joined: set[str] = set()
    for change in changes:
        after = port_groups(change.after) if change.after is not None else set()
        joined |= after
        row = view.lsps.get(change.key)
        for name, members in view.members.items():
            if row is not None and row.uuid in members and name not in after:
                left.setdefault(name, set()).add(row.uuid)
    return left, joined


def _spoken_of(view: View, names: Iterable[str]) -> set[str]:
    """The port groups that the rules of these speak of, and so on."""
    found: set[str] = set()
    queue = list(names)
    while queue:
        item = view.networks.group_of(queue.pop())
        remotes = set(map(group_name, item.definition.full_remotes)) if item else set()
        new = {name for name in remotes - found if name in view.port_groups}
        found |= new
        queue.extend(new)
    return found


def _without(row: Any, leaving: Iterable[UUID]) -> dict[str, Any]:
    """The select that finds the port group if it has no other members than these."""
    members = ["set", [["uuid", str(uuid)] for uuid in sorted(leaving)]]
    where = [["_uuid", "==", ["uuid", str(row.uuid)]], ["ports", "==", members]]
    return {"table": "Port_Group", "where": where, "columns": ["name"]}
