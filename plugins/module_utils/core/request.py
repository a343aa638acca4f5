# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stage's own list made the items that it stands for; pure."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Mapping

from .errors import InvalidRequest


def parse_all(noun: str, entries: Iterable[Mapping[str, Any]], parse_one: Callable[[Any], Any]) -> list[Any]:
    """The item of each entry, which has a `key`; InvalidRequest naming every entry that is wrong, or listed twice."""
    items: dict[str, Any] = {}
    wrong = []
    for entry in entries:
        try:
            item = parse_one(entry)
            if item.key in items:
                raise InvalidRequest("is listed twice")
            items[item.key] = item
        except InvalidRequest as error:
            wrong.append("%s %s: %s" % (noun, _label(entry), error))
    if wrong:
        raise InvalidRequest("; ".join(wrong))
    return list(items.values())


def _label(entry: Mapping[str, Any]) -> Any:
    """How errors call an entry."""
    return entry.get("name") or entry.get("id") or entry.get("instance_uuid")
