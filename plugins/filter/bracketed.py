# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter for endpoints: an address as it stands before a port."""

from __future__ import annotations

from typing import Any


def bracketed(address: Any) -> str:
    """The address or host name; an IPv6 address in brackets, as its own colons end there (RFC 3986, ovsdb(7))."""
    text = str(address)
    return "[%s]" % text if ":" in text and not text.startswith("[") else text


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Any]:
        """What Ansible asks for."""
        return {"bracketed": bracketed}
