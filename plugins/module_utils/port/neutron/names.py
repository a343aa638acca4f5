# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Things of neutron's by name or id, and our mark on them. Pure."""

from __future__ import annotations

import uuid
from typing import Any, Iterable

from ...core.errors import Conflict, NotFound
from ...core.names import MARK


def choose(kind: str, text: str, known: Iterable[tuple[str, str, Any]]) -> Any:
    """The one thing of this id, else of this name, of (id, name, thing)s; NotFound or Conflict names it."""
    known = list(known)
    found = [thing for identity, _name, thing in known if identity == text]
    if found:
        return found[0]
    named = {identity: thing for identity, name, thing in known if name == text}
    if not named:
        raise NotFound(
            "%s %s: neutron shows the user none of that name or id; `openstack %s list` shows what there is"
            % (kind, text, kind)
        )
    if len(named) > 1:
        raise Conflict(
            "%s %s: %d have that name: give the id, one of %s" % (kind, text, len(named), ", ".join(sorted(named)))
        )
    return next(iter(named.values()))


def is_id(text: str) -> bool:
    """Whether a text is an id rather than a name."""
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


def mark(identity: str) -> str:
    """What says of a thing in neutron that it is ours: the description of what we made, a tag of what is lent to us."""
    return "%s:%s" % (MARK, identity)


def marked(texts: Iterable[str | None]) -> str | None:
    """Our id, if one of these texts is our mark."""
    for text in texts:
        prefix, _colon, identity = (text or "").partition(":")
        if prefix == MARK and is_id(identity):
            return identity
    return None
