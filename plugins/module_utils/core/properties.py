# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a flavor's extra specs and an image's properties ask for, held to the table of all that there are."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Mapping

from .errors import InvalidRequest
from .property_table import FOLLOWED, PASSED_OVER, REFUSED, RENAMED, Row

EXTRA_SPEC, PROPERTY = "extra spec", "property"

# What stands for a part of a name.
PLACES = {
    "{N}": "[0-9]+",
    "{NAME}": "[A-Z][A-Z0-9_]*",
    "{key}": ".+",
    "{group}": "[a-zA-Z0-9_-]{0,64}",
    "{what}": "(cpu|memory|disk_io|vif)",
}

# Image properties that begin otherwise are anybody's, and nova does not look at them.
NOVAS = ("hw_", "img_")


def renamed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Image properties under nova's present names; where both are there, the present one counts."""
    present = {RENAMED.get(key, key): value for key, value in properties.items()}
    return {**present, **{key: properties[key] for key in present if key in properties}}


def faults(noun: str, asked: Mapping[str, Any]) -> list[str]:
    """What cannot be had of extra specs or image properties, for people: the key, why, and what to do."""
    found = [_fault(noun, key, value) for key, value in asked.items()]
    return [fault for fault in found if fault is not None]


def followed(noun: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is followed of extra specs or image properties, as the types that the values stand for.

    InvalidRequest for a value that is none.
    """
    rows = {key: find(noun, key) for key in asked}
    return {
        key: row.kind.read(asked[key], "%s %s" % (noun, key)) for key, row in rows.items() if row and row in FOLLOWED
    }


@lru_cache(maxsize=1000)
def find(noun: str, key: str) -> Row | None:
    """The row of a key."""
    names = {EXTRA_SPEC: "extra_spec", PROPERTY: "image_property"}
    for row in (*PASSED_OVER, *FOLLOWED, *REFUSED):
        name = getattr(row, names[noun])
        if name == key or (name and "{" in name and _pattern(name).fullmatch(key)):
            return row
    return None


def _fault(noun: str, key: str, value: Any) -> str | None:
    what, row = "%s %s" % (noun, key), find(noun, key)
    if row is None:
        known = _is_scope(key) if noun == EXTRA_SPEC else key.startswith(NOVAS)
        return "%s is unknown: correct it, or leave it out (docs/properties.md has all)" % what if known else None
    if value == "" and row not in FOLLOWED:
        return None
    try:
        if row.kind is not None:
            row.kind.read(value, what)
            return None
    except InvalidRequest as error:
        if row in FOLLOWED:
            return str(error)
    return "%s %s: %s" % (what, value, row.words)


@lru_cache(maxsize=1000)
def _is_scope(key: str) -> bool:
    """Whether what comes before an extra spec's colon is nova's; unscoped ones and other scopes are anybody's."""
    scope, colon, _rest = key.partition(":")
    known = {row.extra_spec.partition(":")[0] for row in (*FOLLOWED, *REFUSED) if ":" in (row.extra_spec or "")}
    return bool(colon) and any(_pattern(each).fullmatch(scope) for each in known)


def _pattern(name: str) -> re.Pattern:
    """How the keys look that a name with places stands for."""
    parts = re.split(r"(\{\w+\})", name)
    return re.compile("".join(PLACES.get(part) or re.escape(part) for part in parts))
