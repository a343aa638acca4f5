# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's policy as the user sets it: names of filters, weighers with multipliers."""

from __future__ import annotations

from typing import Any, Callable

from ..core.convert import mapping, number
from ..core.errors import InvalidRequest
from .equivalence import EquivalenceSelector
from .filters.registry import CLAIM, DEFAULT, FILTERS
from .model import Policy
from .plan import planner
from .plugins import import_plugin
from .weighers import WEIGHERS, Weigher

SPEC = {
    "filters": {"type": "list", "elements": "str", "default": list(DEFAULT)},
    "weighers": {"type": "dict", "default": {name: weigher.multiplier for name, weigher in WEIGHERS.items()}},
    "settings": {"type": "dict", "default": {}},
    "host_subset_size": {"type": "int", "default": 1},
    "max_attempts": {"type": "int", "default": 3},
    "collections_paths": {"type": "list", "elements": "path", "default": []},
}


def parse_policy(params: dict[str, Any]) -> Policy:
    """The policy in the module's parameters; InvalidRequest names a filter or weigher that does not exist.

    The filters that a claim rests on come last where the user does not name them.
    """
    paths = params.get("collections_paths") or []
    names = [*params["filters"], *(name for name in CLAIM if name not in params["filters"])]
    return Policy(
        {name: _named("filter", name, FILTERS, paths) for name in names},
        {
            name: (
                _weigher(_named("weigher", name, WEIGHERS, paths)),
                number(multiplier, "weigher %s: its multiplier" % name),
            )
            for name, multiplier in mapping(params["weighers"], "weighers").items()
        },
        alternates=max(params["max_attempts"] - 1, 0),
        host_subset_size=max(params.get("host_subset_size") or 1, 1),
    )


def plan(params: dict[str, Any]) -> Callable:
    """The plan of the stage under this policy; the policy is read when it is first needed, so that errors are told."""
    made: list[Callable] = []

    def plan_once_made(wanted, cluster, state):
        if not made:
            made.append(planner(parse_policy(params), EquivalenceSelector))
        return made[0](wanted, cluster, state)

    return plan_once_made


def _named(what: str, name: str, known: dict[str, Any], paths: list[str]) -> Any:
    if name in known:
        return known[name]
    if name.count(".") >= 2:
        return import_plugin(what, name, paths)
    raise InvalidRequest(
        "there is no %s %s (known: %s; one of another collection is called by its full name, namespace.collection.NAME)"
        % (what, name, ", ".join(sorted(known)))
    )


def _weigher(found: Any) -> Weigher:
    """A weigher of another collection may be a bare function."""
    return found if hasattr(found, "multiplied") else Weigher(found)
