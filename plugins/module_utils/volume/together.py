# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several volumes side by side, and one after the other what concerns the same one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterable

from ..core.errors import LaunchError

# A service has a handful of workers; more only wait in its queue.
WORKERS = 8


def side_by_side(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """function(item) for every item, in order; a LaunchError stands in place of what it stopped."""

    def outcome(item: Any) -> Any:
        try:
            return function(item)
        except LaunchError as error:
            return error

    items = list(items)
    if len(items) < 2:
        return [outcome(item) for item in items]
    with ThreadPoolExecutor(min(len(items), WORKERS)) as pool:
        return list(pool.map(outcome, items))


def grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> list[list[Any]]:
    """The items that have the same key together, otherwise in order."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())
