# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses that a user gives to a port, or to each of a count of them. Pure."""

from __future__ import annotations

from typing import Any

from ..core.convert import sequence, text
from ..core.errors import InvalidRequest
from ..network.addresses import checked_address, checked_mac


def counted_ip(value: Any, index: int, what: str) -> str:
    """The address of the index-th of a count: the first has the one given, the others those that follow."""
    address = checked_address(text(value, what), what)
    try:
        return str(address + index)
    except ValueError:
        raise InvalidRequest(
            "%s: %d addresses from %s on are more than there are" % (what, index + 1, address)
        ) from None


def counted_ips(value: Any, index: int, what: str) -> list[str]:
    """Likewise several addresses of one port, one at least and each once."""
    listed = enumerate(sequence(value, what))
    addresses = [counted_ip(each, index, "%s[%d]" % (what, place)) for place, each in listed]
    if not addresses:
        raise InvalidRequest("%s: a port has one address at least" % what)
    if len(set(addresses)) < len(addresses):
        raise InvalidRequest("%s: %s has one of them twice" % (what, ", ".join(addresses)))
    return addresses


def counted_mac(value: Any, index: int, what: str) -> str:
    """Likewise a MAC address."""
    first = checked_mac(text(value, what), what)
    number = "%012x" % (int(first.replace(":", ""), 16) + index)
    return checked_mac(":".join(number[place : place + 2] for place in range(0, len(number), 2)), what)


def first_and_further(first: str | None, all_of_them: list[str] | None) -> tuple[str | None, tuple[str, ...] | None]:
    """A port's first address, which is also its only one where the list is not given, and those beside it."""
    if all_of_them is None:
        return first, None
    if first not in (None, all_of_them[0]):
        raise InvalidRequest("fixed_ip %s is not the first of fixed_ips, %s" % (first, ", ".join(all_of_them)))
    return all_of_them[0], tuple(all_of_them[1:])
