# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The small checks that all of a launch request goes through."""

from __future__ import annotations

from typing import Any

from ..core.errors import InvalidRequest


def only_keys(entry: dict[str, Any], keys: set[str], what: str) -> None:
    unknown = sorted(str(key) for key in set(entry) - keys)
    if unknown:
        raise InvalidRequest("%s: unknown key %s (known: %s)" % (what, ", ".join(unknown), ", ".join(sorted(keys))))


def is_mapping(value: Any, what: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest("%s must be a mapping, it is %r" % (what, value))


def is_list(value: Any, what: str) -> None:
    if not isinstance(value, list):
        raise InvalidRequest("%s must be a list, it is %r" % (what, value))


def is_whole(value: Any, least: int) -> bool:
    """Whether value is a whole number of at least `least`; a text of digits, as templates make it, counts."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
