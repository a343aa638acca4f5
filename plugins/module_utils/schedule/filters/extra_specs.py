# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The little language of flavor extra specs: a value, or an operator and what it compares with."""

from __future__ import annotations

import operator
from typing import Any, Callable


def _numeric(compare: Callable) -> Callable:
    return lambda have, words: compare(float(have), float(words[0]))


def _textual(compare: Callable) -> Callable:
    return lambda have, words: compare(have, words[0])


OPERATORS = {
    "=": _numeric(operator.ge),  # at least: so it has been from the beginning
    "==": _numeric(operator.eq),
    "!=": _numeric(operator.ne),
    ">=": _numeric(operator.ge),
    "<=": _numeric(operator.le),
    "s==": _textual(operator.eq),
    "s!=": _textual(operator.ne),
    "s<": _textual(operator.lt),
    "s<=": _textual(operator.le),
    "s>": _textual(operator.gt),
    "s>=": _textual(operator.ge),
    "<in>": lambda have, words: words[0] in have,
    "<all-in>": lambda have, words: all(word in have for word in words),
    "<or>": lambda have, words: have in words[::2],
}


def matches(have: Any, asked: str) -> bool:
    """Whether a capability is what an extra spec asks for; what cannot be compared as a number does not match."""
    if have is None:
        return False
    have, words = str(have), asked.split()
    compare = OPERATORS.get(words[0]) if words else None
    if compare is None:
        return have == asked
    try:
        return len(words) > 1 and compare(have, words[1:])
    except ValueError:
        return False
