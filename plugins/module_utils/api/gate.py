# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every request passes and every reply has: who asks, the microversion, an id, nova's headers, its errors."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ..core.errors import LaunchError, MissingLibrary, Unavailable
from ..core.names import new_request_id
from ..service.log import about
from . import policies, versions
from .bodies import checked
from .context import RequestContext, query_of
from .errors import ApiError, body_of, status_of
from .identity import NOBODY, IdentityOf

log = logging.getLogger("kvmstack.api")

VARY = ", ".join((versions.STANDARD, versions.LEGACY))


class Gate:
    """Falcon's middleware: process_request before a resource is found, process_resource before it is asked,
    process_response when it has answered."""

    def __init__(self, identity: IdentityOf):
        self.identity = identity

    def process_request(self, req: Any, resp: Any) -> None:
        """Find out who asks for what; a LaunchError for who may not."""
        req.context.began = time.monotonic()
        req.context.nova = RequestContext(NOBODY, versions.LEAST, new_request_id(), base=req.prefix)
        if "\0" in req.path or "%00" in req.query_string:
            raise ApiError(400, "There is no such character in any name here: \\0")
        version = versions.asked({name.upper(): value for name, value in req.headers.items()})
        req.context.nova = RequestContext(
            identity=self.identity(req.env),
            version=version,
            request_id=req.context.nova.request_id,
            base=req.prefix,
            query=query_of(req.query_string),
        )

    def process_resource(self, req: Any, resp: Any, resource: Any, params: dict[str, Any]) -> None:
        """ApiError 403 for who may not: first as for what is the asker's own, and as for a server when it is read."""
        if req.uri_template in policies.OPEN or not _answers(resource, req.method):
            return
        rule = _rule(req)
        req.context.nova = replace(req.context.nova, rule=rule)
        req.context.nova.permit(**policies.target_of(params))

    def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        """What nova says with every reply."""
        context: RequestContext = req.context.nova
        spoken = "2.%d" % context.version
        resp.set_header("x-openstack-request-id", context.request_id)
        resp.set_header("x-compute-request-id", context.request_id)
        resp.set_header(versions.STANDARD, "%s %s" % (versions.SERVICE, spoken))
        resp.set_header(versions.LEGACY, spoken)
        resp.set_header("Vary", VARY)
        seconds = time.monotonic() - req.context.began
        told = (req.method, quote(req.path), str(resp.status).partition(" ")[0], spoken, seconds)
        log.info('"%s %s" status: %s microversion: %s time: %.4f', *told, extra=about(context.request_id))


def _rule(req: Any) -> str:
    """The name of the rule that a request needs; ApiError 403 where nobody has thought of one."""
    if (req.method, req.uri_template) == ("POST", policies.ACTION):
        action = next(iter(checked("action", req, req.context.nova.version)))
        found = policies.rule_of_action(action)
        if found is None:
            raise ApiError(400, "There is no such action: %.80s" % action)
        return found
    found = policies.rule_of(req.method, req.uri_template)
    if found is None:
        raise ApiError(403, "No rule of the policy is for %s %s." % (req.method, req.uri_template))
    return found


def _answers(resource: Any, method: str) -> bool:
    """Whether a resource has an answer to a method at any of its addresses; falcon tells who asks for another."""
    return any(name.startswith("on_" + method.lower()) for name in dir(resource))


def serialize(req: Any, resp: Any, error: Any) -> None:
    """The body of an error of falcon's own: no such address, no such method."""
    message = error.description or {404: "The resource could not be found."}.get(error.status_code) or error.title
    _say(resp, error.status_code, message)


def on_error(req: Any, resp: Any, error: LaunchError, params: Any) -> None:
    """The body of an error of ours."""
    status = status_of(error)
    message = "the API lacks the library %s" % error if isinstance(error, MissingLibrary) else str(error)
    if status >= 500:
        log.error("%s", message, extra=about(req.context.nova.request_id))
    if isinstance(error, Unavailable):  # where it is, and in whose words, is nobody's business outside
        message = "The API cannot do it now: see its log for request %s." % req.context.nova.request_id
    elif error.public != str(error) and not req.context.nova.identity.may(policies.HOST_ATTRIBUTES):
        message = error.public
    _say(resp, status, message)


def on_unexpected(req: Any, resp: Any, error: Exception, params: Any) -> None:
    """The body of an error that nobody thought of. What it was is in the log, under the request's id."""
    request_id = req.context.nova.request_id
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
