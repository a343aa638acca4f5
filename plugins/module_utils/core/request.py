# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage's own list made the items that it stands for; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping

from .errors import InvalidRequest


@dataclass(frozen=True)
class Unsound:
    """What stands in place of the item of an entry that makes no sense: nothing is read, planned or done for it."""

    name: str
    fault: InvalidRequest

    @property
    def key(self) -> str:
        """That of no item."""
        return ""

    def to_result(self) -> dict[str, Any]:
        """All that is known."""
        return {"name": self.name}


def parse_all(entries: Iterable[Mapping[str, Any]], parse_one: Callable[[Any], Any]) -> list[Any]:
    """The item of each entry, which has a `key`, in their order. What is wrong with an entry is that entry's alone.

    Of entries for one and the same thing nobody can say which is meant: none is.
    """
    items = [_sound(entry, parse_one) for entry in entries]
    counted = Counter(item.key for item in items if not isinstance(item, Unsound))
    twice = InvalidRequest("is listed twice")
    return [Unsound(_label(entry), twice) if counted[item.key] > 1 else item for entry, item in zip(entries, items)]


def _sound(entry: Mapping[str, Any], parse_one: Callable[[Any], Any]) -> Any:
    try:
        return parse_one(entry)
    except InvalidRequest as error:
        return Unsound(_label(entry), error)


def _label(entry: Mapping[str, Any]) -> str:
    """How errors call an entry."""
    return str(entry.get("name") or entry.get("id") or entry.get("instance_uuid"))
