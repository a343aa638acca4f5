# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one request is about: who asks, in which microversion, with which parameters; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping
from urllib.parse import parse_qsl

from .errors import ApiError
from .identity import Identity


@dataclass(frozen=True)
class RequestContext:
    """One request: who asks, in which microversion (2.version), under which id; base is the address that it called,
    rule the policy's rule that it needs."""

    identity: Identity
    version: int
    request_id: str
    base: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    rule: str = ""

    def permit(self, project_id: str | None = None, user_id: str | None = None) -> None:
        """ApiError 403 if the rule of this address does not allow it for what is another's."""
        self.identity.needs(self.rule, project_id, user_id)

    @property
    def project_id(self) -> str:
        """The project that it is about."""
        return self.identity.project_id

    def link(self, *path: str) -> str:
        """The address of something in this API."""
        return "/".join((self.base, "v2.1", *path))

    def links(self, *path: str) -> list[dict[str, str]]:
        """How nova says where a thing is."""
        bookmark = "/".join((self.base, *path))
        return [{"rel": "self", "href": self.link(*path)}, {"rel": "bookmark", "href": bookmark}]

    def one(self, name: str) -> str | None:
        """The value of a parameter of the query; of several the first."""
        return next(iter(self.query.get(name, ())), None)

    def has(self, since: int, what: str) -> None:
        """ApiError 404 for what this version does not have yet."""
        if self.version < since:
            raise ApiError(404, "%s: there is no such thing before microversion 2.%d." % (what, since))

    def had(self, until: int, what: str) -> None:
        """ApiError 404 for what this version does not have any more."""
        if self.version >= until:
            raise ApiError(404, "%s: there is no such thing since microversion 2.%d." % (what, until))


def query_of(text: str) -> dict[str, list[str]]:
    """The parameters of a query, by name."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found
