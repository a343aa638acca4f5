# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change is a before and an after; create, update, delete and keep follow from the two."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Iterable, Mapping

from .errors import LaunchError


@dataclass(frozen=True)
class Change:
    """One item on its way from what is to what should be; None means it does not exist.

    `wanted` is the item as it was asked for. `error` says why it cannot go that way;
    such a change is never applied. `notes` tell what is asked for and waits, or stays as it was, for people.
    """

    wanted: Any
    before: Any
    after: Any
    error: LaunchError | None = None
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The item's identity."""
        return self.wanted.key

    @property
    def action(self) -> str:
        """One of keep, create, update, delete."""
        if self.before == self.after:
            return "keep"
        if self.before is None:
            return "create"
        return "delete" if self.after is None else "update"

    @property
    def changed(self) -> bool:
        """Whether the item becomes another one."""
        return self.error is None and self.action != "keep"

    @property
    def pending(self) -> bool:
        """Whether there is something to apply."""
        return self.changed


def first(*values: Any) -> Any:
    """The first value that is said: that is not None."""
    return next((value for value in values if value is not None), None)


def over(wanted: Any, before: Any) -> Any:
    """What `before` becomes when `wanted` is laid over it: a field left None stays as it is."""
    if before is None:
        return wanted
    said = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return replace(before, **{name: value for name, value in said.items() if value is not None})


def plan(wanted: Iterable[Any], current: Mapping[str, Any], state: str) -> list[Change]:
    """Pair every wanted item with the one that exists. Reads nothing, writes nothing.

    An item has a `key` and a method `over(before)`, which may raise a LaunchError; so may stand,
    in place of what exists, the LaunchError that tells why it is not ours to touch.
    """
    changes = []
    for item in wanted:
        before = current.get(item.key)
        if isinstance(before, LaunchError):
            changes.append(Change(item, None, None, before))
            continue
        try:
            after = item.over(before) if state == "present" else None
        except LaunchError as error:
            changes.append(Change(item, before, before, error))
            continue
        changes.append(Change(item, before, after))
    return changes
