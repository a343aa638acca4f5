# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of a request, one an instance: each means alone what an entry with a count means for one of its; pure."""

from __future__ import annotations

from typing import Any, Iterable

from ..core.errors import InvalidRequest
from . import parts, request


def entries(asked: Iterable[Any], state: str) -> dict[str, dict[str, Any]]:
    """The entries by the names of their instances, without counts; what makes no sense has none.

    With the state absent each asks for no more than that.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in asked:
        try:
            named = request.names(entry)
            gone = state == "absent" or request.state_of(entry) == "absent"
            for index, name in enumerate(named):
                found[name] = {"name": name, "state": "absent"} if gone else _single(entry, name, index)
        except InvalidRequest:
            continue  # its refusal is told by the request as a whole
    return found


def _single(entry: dict[str, Any], name: str, index: int) -> dict[str, Any]:
    """The entry of the index-th instance. It says its state, as who reads it has no other word for that."""
    single = {key: value for key, value in entry.items() if key not in ("count", "user_data")}
    single.update(name=name, state=request.state_of(entry))
    if isinstance(entry.get("networks"), list):
        single["networks"] = [_network(each, index) for each in entry["networks"]]
    return single


def _network(asked: Any, index: int) -> Any:
    """A network, and those of its sub-ports, with the addresses of the index-th of a count."""
    if not isinstance(asked, dict):
        return asked
    counted = {
        key: convert(asked[key], index, key) for key, convert in parts.COUNTED.items() if asked.get(key) is not None
    }
    if isinstance(asked.get(parts.SUBS), list):
        counted[parts.SUBS] = [_network(each, index) for each in asked[parts.SUBS]]
    return {**asked, **counted}
