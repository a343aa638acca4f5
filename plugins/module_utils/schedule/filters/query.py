# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter of a query: a small language of lists, of nova's JsonFilter."""

from __future__ import annotations

import operator
from typing import Any

from ...core.convert import shown
from ...core.errors import InvalidRequest
from ...instance.scheduling import query
from ..host_state import HostState
from ..model import Request
from .capabilities import capability
from .rule import rule


def parse_query(request: Request) -> list | None:
    """The hint query, a list or its JSON text; InvalidRequest if it is not one that the filter understands."""
    asked = request.hints.get("query")
    if not asked:
        return None
    found = query(asked, "scheduler hints: query")
    _check_commands(found)
    return found


def _check_commands(term: list) -> None:
    command = term[0]
    if not isinstance(command, str) or command not in _COMMANDS:
        commands = ", ".join(_COMMANDS)
        raise InvalidRequest("scheduler hints: query: %s does not begin with one of %s" % (shown(term), commands))
    for part in term[1:]:
        if isinstance(part, list):
            _check_commands(part)


@rule(applies=parse_query)
def json_query(host: HostState, request: Request) -> str | None:
    """The hint query, such as ["and", [">=", "$free_ram_mb", 1024], ["=", "$hypervisor_type", "QEMU"]]."""
    asked = parse_query(request)
    answer = _answer(asked, host)
    if any(answer) if isinstance(answer, list) else answer:
        return None
    unknown = sorted(name for name in set(_names(asked)) if _answer(name, host) is None)
    return "do not answer the query" + (" (%s is unknown)" % ", ".join(unknown) if unknown else "")


def _names(term: Any) -> list[str]:
    """What a query asks of a host: its words with a dollar."""
    if isinstance(term, list):
        return [name for part in term[1:] for name in _names(part)]
    return [term] if isinstance(term, str) and term.startswith("$") else []


def _answer(term: Any, host: HostState) -> Any:
    if isinstance(term, str):
        return capability(host, term[1:].split(".")) if term.startswith("$") else term or None
    if not isinstance(term, list):
        return term
    terms = [each for each in (_answer(part, host) for part in term[1:]) if each is not None]
    try:
        return _COMMANDS[term[0]](terms)
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
