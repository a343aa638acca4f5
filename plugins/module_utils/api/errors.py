# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An error of the API: its status, and the body that nova gives it.

(nova/api/openstack/wsgi.py, class Fault: {name of the status: {code, message}}.)
"""

from __future__ import annotations

from typing import Any

from ..core.errors import (
    Conflict,
    InvalidRequest,
    LaunchError,
    MissingLibrary,
    NotFound,
    QuotaExceeded,
    Refused,
    Unavailable,
)

NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
FAULT = "computeFault"

# The status of an error of ours; of several that fit, the first.
STATUSES = (
    (QuotaExceeded, 403),
    (Refused, 403),
    (NotFound, 404),
    (InvalidRequest, 400),
    (Conflict, 409),
    (Unavailable, 503),
    (MissingLibrary, 500),
)


class ApiError(LaunchError):
    """What a request gets instead of its answer: an HTTP status, and why in words."""

    def __init__(self, status: int, message: str, public: str | None = None):
        super().__init__(message, public)
        self.status = status


def not_found(kind: str, identity: str) -> ApiError:
    """That there is no such thing, in nova's words."""
    return ApiError(404, "%s %s could not be found." % (kind, identity))


def status_of(error: LaunchError) -> int:
    """The HTTP status of an error of ours."""
    if isinstance(error, ApiError):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def body_of(status: int, message: str) -> dict[str, Any]:
    """Nova's body of an error."""
    return {NAMES.get(status, FAULT): {"code": status, "message": message}}
