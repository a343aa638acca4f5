# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How fast a port may send and receive, in the words of neutron's bandwidth limit rule. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.convert import LARGEST, choice, mapping, whole
from ..core.errors import InvalidRequest

DIRECTIONS = ("egress", "ingress")
KEYS = ("max_kbps", "max_burst_kbps", "direction")
# The burst where none is said, in hundredths of the rate (neutron's DEFAULT_BURST_RATE).
DEFAULT_BURST = 80


class Limit(NamedTuple):
    """A bandwidth in kbit/s and a burst in kbit; egress is what the instance sends."""

    direction: str
    max_kbps: int
    max_burst_kbps: int


def limits(value: Any, what: str) -> tuple[Limit, ...]:
    """The limits of a mapping, or of a list of them, one for each direction; an empty one is no limit."""
    if isinstance(value, (list, tuple)):
        found = [_limit(each, "%s[%d]" % (what, index)) for index, each in enumerate(value)]
    else:
        found = [_limit(value, what)] if mapping(value, what, KEYS) else []
    if len({limit.direction for limit in found}) < len(found):
        raise InvalidRequest("%s: there can be one limit for each direction, %s" % (what, " and ".join(DIRECTIONS)))
    return tuple(sorted(found))


def _limit(value: Any, what: str) -> Limit:
    """One limit. A burst of 0 is none that is said, as in neutron."""
    given = mapping(value, what, KEYS)
    direction, burst = given.get("direction"), given.get("max_burst_kbps")
    rate = whole(given.get("max_kbps"), "%s: max_kbps" % what, least=1, most=LARGEST)
    burst = 0 if burst is None else whole(burst, "%s: max_burst_kbps" % what, least=0, most=LARGEST)
    return Limit(
        direction="egress" if direction is None else choice(direction, "%s: direction" % what, DIRECTIONS),
        max_kbps=rate,
        max_burst_kbps=burst or max(rate * DEFAULT_BURST // 100, 1),
    )
