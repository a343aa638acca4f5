# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parts of lists, as clients ask for them: limit, marker, and the link to the next part."""

from __future__ import annotations

from typing import Any, Callable, Sequence
from urllib.parse import urlencode

from .context import RequestContext
from .errors import ApiError

MOST = 1000  # of one reply, as nova's max_limit


def page(
    context: RequestContext, found: Sequence[Any], key: Callable[[Any], str], most: int = MOST
) -> tuple[list[Any], bool]:
    """Those after the marker, at most as many as the limit, and whether there are more."""
    limit, marker = whole(context, "limit"), context.one("marker")
    start = 0
    if marker is not None:
        places = [place for place, each in enumerate(found) if key(each) == marker]
        if not places:
            raise ApiError(400, "marker [%.80s] not found" % marker)
        start = places[0] + 1
    # A limit of 0 is no limit of the client's, as in nova (api/openstack/common.py, `limited`).
    end = start + min(limit or most, most)
    return list(found[start:end]), len(found) > end


def next_links(context: RequestContext, path: Sequence[str], shown: Sequence[str], more: bool) -> list[dict[str, str]]:
    """The link to what follows the last of those shown; none where all has been told."""
    if not more or not shown:
        return []
    pairs = [(name, value) for name, values in context.query.items() if name != "marker" for value in values]
    href = "%s?%s" % (context.link(*path), urlencode([*pairs, ("marker", shown[-1])]))
    return [{"rel": "next", "href": href}]


def whole(context: RequestContext, name: str) -> int | None:
    """A parameter that is a number of 0 or more."""
    text = context.one(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ApiError(400, "Invalid input for query parameters %s. Value: %.80s. It is no number." % (name, text))
    return int(text)


TRUE, FALSE = ("1", "t", "true", "on", "y", "yes"), ("0", "f", "false", "off", "n", "no")


def flag(context: RequestContext, name: str, default: bool = False) -> bool:
    """A parameter that is true or false, in oslo's words (strutils.bool_from_string)."""
    text = context.one(name)
    if text is None:
        return default
    if text.strip().lower() not in (*TRUE, *FALSE):
        raise ApiError(400, "Invalid input for query parameters %s. Value: %.80s" % (name, text))
    return text.strip().lower() in TRUE
