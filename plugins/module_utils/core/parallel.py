# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several requests to a service side by side, and one after the other what concerns the same thing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Iterable

from .errors import LaunchError

# A service has a handful of workers; more only wait in its queue.
WORKERS = 8


def at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """What the calls return, in order, made at the same time; the first error is raised when all have ended."""
    calls = list(calls)
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(min(len(calls), WORKERS)) as pool:
        futures = [pool.submit(call) for call in calls]
    return [future.result() for future in futures]


def side_by_side(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """function(item) for every item, in order; a LaunchError stands in place of what it stopped."""

    def outcome(item: Any) -> Any:
        try:
            return function(item)
        except LaunchError as error:
            return error

    return at_once(partial(outcome, item) for item in items)


def in_groups(function: Callable[[list], dict], items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, Any]:
    """What function(group) says of the items that have the same key, for all groups in one; groups go side by side."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    said = at_once(partial(function, group) for group in groups.values())
    return {name: outcome for each in said for name, outcome in each.items()}
