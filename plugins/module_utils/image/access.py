# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A token for an image service: where it may go, and what the service's refusals mean."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import InvalidRequest, LaunchError, NotFound, Refused
from .request import check_url

# Visible ASCII, as a header can hold it.
_TOKEN = re.compile(r"[!-~]+")
_TAG = re.compile(r"(?s)<head>.*?</head>|<[^>]*>")

_MEANINGS = {
    401: (Refused, "the token was refused by the image service", "it has expired or was revoked: run again"),
    403: (Refused, "the image service does not let the token's project read it", "see the image's status and members"),
    404: (NotFound, "the image service has no such image for the token's project", "see whether it was deleted"),
    410: (NotFound, "the image service has no such image any more", "see whether it was deleted"),
}


@dataclass(frozen=True)
class Access:
    """A token and the prefix of the urls that get to see it."""

    token: str = field(repr=False)
    url: str

    def covers(self, address: str) -> bool:
        """Whether an address lies below the prefix."""
        return address.startswith(self.url.rstrip("/") + "/")


def access(params: dict[str, Any]) -> Access | None:
    """The access that the module's parameters give, if any; InvalidRequest if they are wrong, never with the token."""
    if not params.get("token"):
        return None
    if not _TOKEN.fullmatch(params["token"]):
        raise InvalidRequest("token: is none, it has blanks or characters beyond ASCII")
    try:
        check_url(params["token_url"], ("http", "https"))
    except InvalidRequest as error:
        raise InvalidRequest("token_%s" % error) from None
    return Access(params["token"], params["token_url"])


def refusal(status: int, headers: Any, body: bytes) -> tuple[type[LaunchError], str] | None:
    """What the image service's answer to the token means, an error's kind and text; None for what means the same
    everywhere."""
    if status not in _MEANINGS:
        return None
    kind, meaning, cure = _MEANINGS[status]
    said = " ".join(html.unescape(_TAG.sub(" ", body.decode("utf-8", "replace"))).split())[:200]
    request_id = headers.get("x-openstack-request-id")
    origin = "%d, request id %s" % (status, request_id) if request_id else str(status)
    return kind, "%s: %s (%s); %s" % (meaning, said or "no message", origin, cure)
