# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a service's refusal means to us: the one place where OpenStack's answers become errors of our tree."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ..core.errors import Conflict, LaunchError, NotFound, QuotaExceeded, Refused, Unavailable

# Where services put the id of a request (nova's alone is the second).
REQUEST_ID = ("x-openstack-request-id", "x-compute-request-id")

_MEANINGS = {401: Refused, 403: Refused, 404: NotFound, 413: QuotaExceeded}
_ADVICE = {
    401: "a new token was not taken either; see whether the service knows this Keystone, and an application "
    "credential's access rules allow this",
    403: "ask the cloud's operator for a role that allows it",
    413: "remove what is not needed, or ask the cloud's operator for more",
}


def failure(response: Any, service: str, what: str, advice: str = "") -> LaunchError:
    """The error that a response stands for, with the service's own message, its request id and what to do."""
    status = response.status_code
    kind, message = _kind_and_message(response)
    text = "%s: %s says: %s (%s)" % (what, service, message, origin(response.headers, status))
    if status == 429 or status >= 500:
        return Unavailable("%s; see %s's log, and run again when it works" % (text, service))
    if kind == "OverQuota":
        return QuotaExceeded("%s; %s" % (text, _ADVICE[413]))
    if status == 408:
        return Unavailable("%s; run again" % text)
    advice = advice or _ADVICE.get(status, "")
    return _MEANINGS.get(status, Conflict)("%s; %s" % (text, advice) if advice else text)


def unreachable(error: Exception, service: str, what: str) -> LaunchError:
    """The error of a service that gave no answer at all."""
    return Unavailable("%s: %s does not answer: %s; see whether it runs, and run again" % (what, service, error))


def origin(headers: Mapping[str, str], status: int) -> str:
    """Where an answer is found again in a service's log."""
    found = [headers[name] for name in REQUEST_ID if headers.get(name)]
    return "%d, request id %s" % (status, found[0]) if found else "%d" % status


def _kind_and_message(response: Any) -> tuple[str, str]:
    """The kind and the text of an error, in each service's own shape.

    Keystone: {"error": {...}}; neutron: {"NeutronError": {"type", "message"}}; cinder: {"badRequest": {"message"}};
    glance: {"message", "title"} or HTML.
    """
    try:
        body = response.json()
    except ValueError:
        return "", _plain(response.text) or response.reason or "no message"
    if not isinstance(body, dict):
        return "", _plain(str(body))
    inner = next(((name, part) for name, part in body.items() if isinstance(part, dict)), ("", body))
    kind, part = inner
    message = part.get("message") or part.get("detail") or body.get("message") or response.reason or "no message"
    return str(part.get("type") or kind), _plain(str(message))


def _plain(text: str) -> str:
    """A text, or the text of an HTML page, in one line of at most 500 characters."""
    text = re.sub(r"<(title|style|script)\b.*?</\1>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(r"<[^<>]{1,200}>", " ", text)
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:500].rstrip(". ")
