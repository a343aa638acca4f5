# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an image's bytes come from, and what goes along with a request for them; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.errors import InvalidRequest, LaunchError
from .access import Access
from .policy import Policy


@dataclass(frozen=True)
class Source:
    """A url as it may be shown, and what may not: its query, which may be a signature, and a token for its server."""

    url: str
    query: str = field(default="", repr=False)
    access: Access | None = None
    policy: Policy = field(default=Policy(), repr=False)

    @property
    def address(self) -> str:
        """The url as it is asked for."""
        return "%s?%s" % (self.url, self.query) if self.query else self.url

    @property
    def immutable(self) -> bool:
        """Whether the bytes behind it never change: those of an image service."""
        return self.access is not None and self.access.covers(self.url)

    def error(self, kind: type[LaunchError], reason: str, public: str | None = None) -> LaunchError:
        """One of this source. Its url, and with public what else the reason names, is for who runs the cloud."""
        return kind("url %s: %s" % (self.url, reason), "its url: %s" % (public or reason))


def check_size(source: Source, size: int, most: int) -> None:
    """InvalidRequest if an image of so many bytes is larger than its root disk can be."""
    if size > most:
        raise source.error(
            InvalidRequest,
            "is larger than the %d MiB that an image for this flavor can have; for a flavor without a disk "
            "launch_image_max_size says how large" % (most >> 20),
        )
