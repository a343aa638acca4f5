# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One request to a web server: which may be asked, where it may redirect to, and what its refusals mean."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from contextlib import closing
from typing import Any, Callable
from urllib.parse import urljoin, urlsplit

from ..core.errors import InvalidRequest, NotFound, Unavailable
from .access import Access, refusal
from .request import check_url
from .source import Source

REDIRECTS = 5
TIMEOUT = 30  # seconds of silence
_TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)


class Again(Exception):
    """This attempt did not work, the next one may."""


class NoParts(Again):
    """The server gives this file only whole."""


def get(source: Source, headers: dict[str, str] | None = None) -> Any:
    """A response to GET, after at most REDIRECTS redirects, each of them looked at first.

    The token goes along as long as all addresses so far are covered, and never comes back after one that is not.
    """
    headers = dict(headers or {}, **{"Accept-Encoding": "identity", "User-Agent": "kvmstack.launch"})
    address, access = source.address, source.access
    for _hop in range(REDIRECTS + 1):
        if access is None or not access.covers(address):
            access = None
        sent = headers if access is None else {**headers, "X-Auth-Token": access.token}
        try:
            # Where the image service is its operator has said.
            handler = _Handler(None if access else source.policy.allows_address)
            opener = urllib.request.build_opener(handler, _NoRedirect)
            return opener.open(urllib.request.Request(address, headers=sent), timeout=TIMEOUT)
        except _NotAllowed as error:
            raise source.error(
                InvalidRequest,
                "its server is at %s, which only the host itself or its link can reach: name that in "
                "launch_image_sources if it is meant" % error,
                public="its server is at no address that images are had from",
            ) from error
        except urllib.error.HTTPError as error:
            with closing(error):
                if error.code not in (301, 302, 303, 307, 308):
                    raise _refusal(source, error, access, "Range" in headers) from error
            address = redirected(source, address, error.headers.get("Location"))
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise Unavailable("url %s: %s; check the host's clock and CAs" % (source.url, error.reason)) from error
            raise Again(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            raise Again(str(error) or type(error).__name__) from error
    raise source.error(InvalidRequest, "redirects more than %d times" % REDIRECTS)


class _NotAllowed(Exception):
    """The server is at an address that may not be asked."""


class _Connection(http.client.HTTPConnection):
    """One that looks where it leads before anything is sent; allows is None where that does not matter."""

    allows: Callable[[str], bool] | None = None

    def connect(self) -> None:
        super().connect()
        address = self.sock.getpeername()[0]
        if self.allows is not None and not self.allows(address):
            raise _NotAllowed(address)


class _EncryptedConnection(http.client.HTTPSConnection, _Connection):
    """The same: HTTPSConnection connects by the class after it, then begins TLS."""


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens urls by such connections. Behind a proxy it is the proxy who connects, and judges."""

    def __init__(self, allows: Callable[[str], bool] | None) -> None:
        super().__init__()
        self.allows = allows

    def http_open(self, req: Any) -> Any:
        return self.do_open(self._connecting(_Connection, req), req)

    def https_open(self, req: Any) -> Any:
        connecting = self._connecting(_EncryptedConnection, req)
        return self.do_open(connecting, req, context=ssl.create_default_context())

    def _connecting(self, kind: type, req: Any) -> Callable:
        def connection(host: str, **options: Any) -> Any:
            made = kind(host, **options)
            made.allows = self.allows if req.host == urlsplit(req.full_url).netloc else None
            return made

        return connection


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects come back as they are."""

    def redirect_request(self, *arguments: Any) -> None:
        """No request: not here."""


def redirected(source: Source, address: str, location: str | None) -> str:
    """Where a redirect leads, if it may lead there: http or https, and never back from https to http."""
    if not location:
        raise source.error(InvalidRequest, "redirects to nowhere")
    target = urljoin(address, location)
    try:
        check_url(target, ("https",) if address.startswith("https:") else ("http", "https"), queried=True)
    except InvalidRequest as error:
        where = target.partition("?")[0]
        public = "redirects to where no image is had from"
        raise source.error(InvalidRequest, "redirects to %s: %s" % (where, error), public) from error
    return target


def _refusal(source: Source, error: urllib.error.HTTPError, access: Access | None, part: bool) -> Exception:
    """What an HTTP status means to us; part: whether only a part of the file was asked for."""
    status = error.code
    if part and status in (400, 501):
        return NoParts("the server gives no part of the file")
    if status in _TRANSIENT_STATUS or status == 416 or status >= 500:
        return Again("the server answers %d" % status)
    meant = access and refusal(status, error.headers, error.read(4096))
    if meant:
        return source.error(*meant)
    text = "the server answers %d" % status
    if status in (404, 410):
        return source.error(NotFound, text + ", there is no such image: check the url")
    return source.error(InvalidRequest, text + ": check the url and who may read it")
