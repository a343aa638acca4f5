# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter of a query: a small language of lists, of nova's JsonFilter."""

from __future__ import annotations

import json
import operator
from typing import Any

from ..host_state import HostState
from ..model import Request
from .capabilities import capability
from .rule import rule


def parse_query(request: Request) -> list | None:
    """The hint query, a list or its JSON text; ValueError if it is not one that the filter understands."""
    query = request.hints.get("query")
    query = json.loads(query) if isinstance(query, str) and query else query
    if query:
        _check_query(query)
    return query or None


def _check_query(query: Any) -> None:
    if not isinstance(query, list) or not query or query[0] not in _COMMANDS:
        raise ValueError("%r does not begin with one of %s" % (query, ", ".join(_COMMANDS)))
    for part in query[1:]:
        if isinstance(part, list):
            _check_query(part)


@rule(applies=parse_query)
def json_query(host: HostState, request: Request) -> str | None:
    """The hint query, such as ["and", [">=", "$free_ram_mb", 1024], ["=", "$hypervisor_type", "QEMU"]]."""
    query = parse_query(request)
    answer = _answer(query, host)
    if any(answer) if isinstance(answer, list) else answer:
        return None
    unknown = sorted(name for name in set(_names(query)) if _answer(name, host) is None)
    return "do not answer the query" + (" (%s is unknown)" % ", ".join(unknown) if unknown else "")


def _names(query: Any) -> list[str]:
    """What a query asks of a host: its words with a dollar."""
    if isinstance(query, list):
        return [name for part in query[1:] for name in _names(part)]
    return [query] if isinstance(query, str) and query.startswith("$") else []


def _answer(query: Any, host: HostState) -> Any:
    if isinstance(query, str):
        return capability(host, query[1:].split(".")) if query.startswith("$") else query or None
    if not isinstance(query, list):
        return query
    terms = [term for term in (_answer(part, host) for part in query[1:]) if term is not None]
    try:
        return _COMMANDS[query[0]](terms)
    except TypeError:  # a number against a text
        return False


def _all(compare) -> Any:
    return lambda terms: len(terms) > 1 and all(compare(terms[0], other) for other in terms[1:])


_COMMANDS = {
    "=": _all(operator.eq),
    "<": _all(operator.lt),
    ">": _all(operator.gt),
    "<=": _all(operator.le),
    ">=": _all(operator.ge),
    "in": lambda terms: len(terms) > 1 and terms[0] in terms[1:],
    "not": lambda terms: [not term for term in terms],
    "or": any,
    "and": all,
}
