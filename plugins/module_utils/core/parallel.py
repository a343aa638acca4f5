# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several requests to a service in parallel, those that concern the same thing one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Callable, Iterable

from .errors import LaunchError

# A service has a handful of workers; more only wait in its queue.
WORKERS = 8


def run_parallel(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """What the calls return, in order, made in parallel; the first error is raised when all have ended."""
    calls = list(calls)
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(min(len(calls), WORKERS)) as pool:
        futures = [pool.submit(call) for call in calls]
    return [future.result() for future in futures]


def map_parallel(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """function(item) for every item, in order; a LaunchError stands in place of what it stopped."""

    def outcome(item: Any) -> Any:
        try:
            return function(item)
        except LaunchError as error:
            return error

    return run_parallel(partial(outcome, item) for item in items)


def map_groups_parallel(
    function: Callable[[list], dict], items: Iterable[Any], key: Callable[[Any], Any]
) -> dict[Any, Any]:
    """The dictionaries of function(group) merged; a group is the items of one key, and groups run in parallel."""
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    outcomes = run_parallel(partial(function, group) for group in groups.values())
    return {name: outcome for each in outcomes for name, outcome in each.items()}
