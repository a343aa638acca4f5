# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ids of what has only a name here: one rule.

A flavor's id is its name. An image or a network that its service knows has that service's id. All else, and those two
where a name in the settings is all there is, has the UUID that its kind, its project and its name make.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from typing import Any, Iterable, Mapping

from ..core.names import NAMESPACE


def identity(kind: str, name: str, project_id: str = "") -> str:
    """The UUID of a thing that has only a name; the same at every time, and on every controller."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([NAMESPACE, kind, project_id, name])))


def number(kind: str, name: str) -> int:
    """The same as a number: what ids of hosts were before version 53."""
    return zlib.crc32(json.dumps([kind, name]).encode()) & 0x7FFFFFFF


def definition_id(kind: str, name: str, definition: Any) -> str:
    """The id of an image or a network of this name."""
    known = definition.get("id") if isinstance(definition, Mapping) else None
    return known if isinstance(known, str) and known else identity(kind, name)


def named(kind: str, asked: str, definitions: Mapping[str, Any]) -> str | None:
    """The name of what is asked for by its id, or by its name; None if there is none."""
    found = next((name for name, each in definitions.items() if definition_id(kind, name, each) == asked), None)
    return found or (asked if asked in definitions else None)


def by_identity(kind: str, asked: str, names: Iterable[str], project_id: str = "") -> str | None:
    """The same of what has only a name."""
    return next((name for name in names if asked in (name, identity(kind, name, project_id))), None)


def host_id(project_id: str, host: str | None) -> str:
    """What a project may know of a host: whether two of its servers are on one (nova's utils.generate_hostid)."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""
