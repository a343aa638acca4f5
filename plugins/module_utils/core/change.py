# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change is a before and an after; create, update, delete and keep follow from the two."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Callable, Iterable, Mapping

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
    values = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return replace(before, **{name: value for name, value in values.items() if value is not None})


def pair(wanted: Any, before: Any, resolve: Callable[[Any, Any], Any]) -> Change:
    """The change of one item from what exists to what resolve(wanted, before) says, which may raise a LaunchError.

    In place of what exists may stand the LaunchError that tells why it is not to be touched.
    """
    if isinstance(before, LaunchError):
        return Change(wanted, None, None, before)
    try:
        return Change(wanted, before, resolve(wanted, before))
    except LaunchError as error:
        return Change(wanted, before, before, error)


def plan(wanted: Iterable[Any], current: Mapping[str, Any], state: str) -> list[Change]:
    """Pair every wanted item, which has a `key` and a method `over(before)`, with the one that exists.

    Reads nothing, writes nothing.
    """
    return [pair(item, current.get(item.key), _over if state == "present" else _nothing) for item in wanted]


def _over(wanted: Any, before: Any) -> Any:
    return wanted.over(before)


def _nothing(_wanted: Any, _before: Any) -> None:
    """What is left of what is to go."""
