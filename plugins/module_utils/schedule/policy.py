# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scheduler's policy as the user sets it: names of filters, weighers with multipliers."""

from __future__ import annotations

from typing import Any, Callable

from ..core.errors import InvalidRequest
from .filters import FILTERS
from .model import Policy, planner
from .weighers import WEIGHERS

SPEC = {
    "filters": {"type": "list", "elements": "str", "default": list(FILTERS)},
    "weighers": {"type": "dict", "default": {name: multiplier for name, (_weigh, multiplier) in WEIGHERS.items()}},
    "max_attempts": {"type": "int", "default": 3},
}


def policy_of(params: dict[str, Any]) -> Policy:
    """The policy in the module's parameters; InvalidRequest names a filter or weigher that does not exist."""
    filters = {name: _named("filter", name, FILTERS) for name in params["filters"]}
    weighers = {
        name: (_named("weigher", name, WEIGHERS)[0], _multiplier(name, multiplier))
        for name, multiplier in params["weighers"].items()
    }
    return Policy(filters, weighers, alternates=max(params["max_attempts"] - 1, 0))


def plan(params: dict[str, Any]) -> Callable:
    """The plan of the stage under this policy; the policy is read when it is first needed, so that errors are told."""

    def planned(wanted, cluster, state):
        return planner(policy_of(params))(wanted, cluster, state)

    return planned


def _named(what: str, name: str, known: dict[str, Any]) -> Any:
    if name not in known:
        raise InvalidRequest("there is no %s %s (known: %s)" % (what, name, ", ".join(sorted(known))))
    return known[name]


def _multiplier(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidRequest("weigher %s: its multiplier is %r, it must be a number" % (name, value)) from None
