# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every request for a page passes: who may ask, forms that only a page of ours can send, headers, errors in words.

Without an identity service whoever may log in to this machine is its administrator, as for the API. Beside one there
are no pages: they have no login.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, quote

from ..api.context import RequestContext, query_of
from ..api.errors import ApiError, status_of
from ..api.identity import NOBODY, IdentityOf, origin_of
from ..api.site import LARGEST_BODY, Site
from ..api.versions import MOST
from ..core.errors import LaunchError
from ..core.names import new_request_id
from ..service.log import about
from . import render

log = logging.getLogger("kvmstack.api")

COOKIE = "kvmstack-launch-form"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
MOST_FIELDS = 100
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
}


class Guard:
    """Falcon's middleware of the pages."""

    def __init__(self, site: Site, identity: IdentityOf):
        self.site = site
        self.identity = identity

    def process_request(self, req: Any, resp: Any) -> None:
        """Find out who asks; a LaunchError for who may not, and for a form that is not one of these pages'."""
        req.context.nova = RequestContext(NOBODY, MOST, new_request_id(), base=req.prefix)
        req.context.token = ""
        if req.path.startswith("/ui/static/"):
            return
        service = self.site.known.get("identity") or "none"
        if service != "none":
            raise ApiError(
                404,
                "There are no pages here: launch_identity is %s, and these pages have no login. Ask the Compute API, "
                "by openstack server list or by a dashboard that has one." % service,
            )
        known = self.identity(req.env)
        query = query_of(req.query_string)
        req.context.nova = RequestContext(known, MOST, req.context.nova.request_id, base=req.prefix, query=query)
        cookie = req.cookies.get(COOKIE, "")
        req.context.token = cookie if TOKEN.fullmatch(cookie) else secrets.token_urlsafe(32)
        if req.context.token != cookie:
            resp.set_cookie(
                COOKIE, req.context.token, path="/ui", http_only=True, same_site="Strict", secure=req.scheme == "https"
            )
        if req.method not in ("GET", "HEAD"):
            req.context.form = form_of(req)
            _check_token(cookie, req.context.form.pop("token", ""))

    def process_response(self, req: Any, resp: Any, resource: Any, req_succeeded: bool) -> None:
        """Headers of all replies."""
        for name, value in HEADERS.items():
            resp.set_header(name, value)
        request_id = req.context.nova.request_id
        resp.set_header("x-openstack-request-id", request_id)
        if req.method != "GET":  # pages are asked for every few seconds
            status = str(resp.status).partition(" ")[0]
            log.info('"%s %s" status: %s', req.method, quote(req.path), status, extra=about(request_id))


def form_of(req: Any) -> dict[str, str]:
    """The fields of a form that a page of this very address has sent; of several of a name the last."""
    _check_origin(req)
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ApiError(
            415, "A form of these pages is application/x-www-form-urlencoded, not %.80s." % (kind or "nothing")
        )
    text = req.bounded_stream.read(LARGEST_BODY + 1)
    if len(text) > LARGEST_BODY:
        raise ApiError(413, "The form has more than %d bytes." % LARGEST_BODY)
    try:
        pairs = parse_qsl(text.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise ApiError(400, "The form cannot be read.") from None
    return dict(pairs)


def _check_origin(req: Any) -> None:
    """ApiError 403 for a form of another origin, also of another port of this machine; browsers say theirs."""
    if origin_of(req.get_header("Origin") or "") != (req.scheme, (req.get_header("Host") or "").lower()):
        raise ApiError(403, "A form is taken only from a page of this address, and this one says it is of another.")
    if (req.get_header("Sec-Fetch-Site") or "same-origin") != "same-origin":
        raise ApiError(403, "A form is taken only from a page of this address.")


def _check_token(cookie: str, field: str) -> None:
    if not TOKEN.fullmatch(cookie) or not hmac.compare_digest(cookie.encode(), field.encode()):
        raise ApiError(403, "The form is too old, or not of these pages. Load the page anew and send it again.")


def serialize(req: Any, resp: Any, error: Any) -> None:
    """An error of falcon's own: no such address, no such method."""
    words = {404: "There is no such page.", 405: "That cannot be done here."}
    _say(req, resp, error.status_code, words.get(error.status_code) or error.description or error.title)


def on_error(req: Any, resp: Any, error: LaunchError, params: Any) -> None:
    """An error of ours."""
    status = status_of(error)
    if status >= 500:
        log.error("%s", error, extra=about(req.context.nova.request_id))
    _say(req, resp, status, str(error))


def on_unexpected(req: Any, resp: Any, error: Exception, params: Any) -> None:
    """An error that nobody thought of. What it was is in the log, under the request's id."""
    request_id = req.context.nova.request_id
    log.error("unexpected error", exc_info=error, extra=about(request_id))
    _say(req, resp, 500, "An unexpected error: see the log of the API for request %s." % request_id)


def _say(req: Any, resp: Any, status: int, message: str) -> None:
    resp.status = status
    resp.content_type = "text/html; charset=utf-8"
    resp.data = render.page("error.html", status=status, message=message, path=req.path).encode()
