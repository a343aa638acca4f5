# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every request passes and every reply has: who asks, the microversion, an id, nova's headers, its errors."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from ..core.errors import LaunchError, MissingLibrary
from ..service.log import about
from . import versions
from .asked import Asked, query_of
from .errors import body_of, status_of
from .front import new_request_id
from .identity import Identity, IdentityOf

log = logging.getLogger("kvmstack.api")

NOBODY = Identity(project_id="", user_id=None)
VARY = ", ".join((versions.STANDARD, versions.LEGACY))


class Gate:
    """Falcon's middleware: process_request before a resource is asked, process_response when it has answered."""

    def __init__(self, identity: IdentityOf):
        self.identity = identity

    def process_request(self, req: Any, resp: Any) -> None:
        """Find out who asks for what; a LaunchError for who may not."""
        req.context.began = time.monotonic()
        req.context.asked = Asked(NOBODY, versions.LEAST, new_request_id(), base=req.prefix)
        version = versions.asked({name.upper(): value for name, value in req.headers.items()})
        req.context.asked = Asked(
            identity=self.identity(req.env),
            version=version,
            request_id=req.context.asked.request_id,
            base=req.prefix,
            query=query_of(req.query_string),
        )

    def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        """What nova says with every reply."""
        asked: Asked = req.context.asked
        spoken = "2.%d" % asked.version
        resp.set_header("x-openstack-request-id", asked.request_id)
        resp.set_header("x-compute-request-id", asked.request_id)
        resp.set_header(versions.STANDARD, "%s %s" % (versions.SERVICE, spoken))
        resp.set_header(versions.LEGACY, spoken)
        resp.set_header("Vary", VARY)
        seconds = time.monotonic() - req.context.began
        told = (req.method, req.path, str(resp.status).partition(" ")[0], spoken, seconds)
        log.info('"%s %s" status: %s microversion: %s time: %.4f', *told, extra=about(asked.request_id))


def serialize(req: Any, resp: Any, error: Any) -> None:
    """The body of an error of falcon's own: no such address, no such method."""
    message = error.description or {404: "The resource could not be found."}.get(error.status_code) or error.title
    _say(resp, error.status_code, message)


def tell(req: Any, resp: Any, error: LaunchError, params: Any) -> None:
    """The body of an error of ours."""
    status = status_of(error)
    message = "the API lacks the library %s" % error if isinstance(error, MissingLibrary) else str(error)
    if status >= 500:
        log.error("%s", message, extra=about(req.context.asked.request_id))
    _say(resp, status, message)


def confess(req: Any, resp: Any, error: Exception, params: Any) -> None:
    """The body of an error that nobody thought of. What it was is in the log, under the request's id."""
    request_id = req.context.asked.request_id
    log.error("unexpected error", exc_info=error, extra=about(request_id))
    _say(
        resp,
        500,
        "Unexpected API Error: see the log of the API for request %s. (%s)" % (request_id, type(error).__name__),
    )


def _say(resp: Any, status: int, message: str) -> None:
    resp.status = status
    resp.content_type = "application/json"
    resp.text = json.dumps(body_of(status, message))
