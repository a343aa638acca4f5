# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring an image's bytes to this host: by http(s), going on where an earlier download stopped; or from a local file."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
import urllib.error
from contextlib import closing
from typing import Any, BinaryIO, Callable
from urllib.parse import urljoin, urlsplit

from ..core.disk import check_room, read_record, remove, write_record
from ..core.errors import InvalidRequest, NotFound, Unavailable
from .access import Access, refusal
from .local import copy, file_version, open_file
from .request import check_url

ATTEMPTS = 4
REDIRECTS = 5
TIMEOUT = 30
CHUNK = 1024 * 1024
_TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
_PART_OF = re.compile(r"bytes (\d+)-\d+/(\d+)")


class _Again(Exception):
    """This attempt did not work, the next one may."""


class _NoParts(_Again):
    """The server gives this file only whole."""


def version(url: str, access: Access | None = None, pause: Callable | None = None) -> str:
    """What tells this version of the source from another: ETag, Last-Modified and length, or a file's time and size."""
    if urlsplit(url).scheme == "file":
        with open_file(url) as source:
            return file_version(source)
    return _insist(url, lambda: _remote_version(url, access), lambda: 0, pause)


def fetch(
    url: str,
    part: BinaryIO,
    expected: str | None = None,
    access: Access | None = None,
    pause: Callable | None = None,
) -> bool:
    """Fill the file `part`; return whether bytes of an earlier attempt are in it.

    expected: the source's version(), if it must still be that one. access: the token for an image service, below
    whose url an image's bytes never change. Where it came from is kept beside the part until forget(). NotFound,
    Refused and InvalidRequest are final, Exhausted is for lack of room, Unavailable after a few attempts without
    progress, with growing pauses.
    """
    if urlsplit(url).scheme == "file":
        copy(url, part, expected)
        return False
    return _insist(url, lambda: _receive(url, part, expected, access), lambda: _length(part), pause)


def forget(part: str) -> None:
    """Remove what is remembered about a part."""
    remove(_memory(part))


def _memory(part: str) -> str:
    return part + ".json"


def _insist(url: str, attempt: Callable, progress: Callable, pause: Callable | None) -> Any:
    """Attempt until it works or ATTEMPTS times in a row brought no progress."""
    failures, furthest = 0, progress()
    while True:
        try:
            return attempt()
        except _Again as error:
            reason = error
        failures = 0 if progress() > furthest else failures + 1
        furthest = max(furthest, progress())
        if failures == ATTEMPTS:
            raise Unavailable("url %s: %s (%d attempts)" % (_shown(url), reason, ATTEMPTS))
        (pause or time.sleep)(0.5 * 2 ** max(failures - 1, 0))


def _shown(url: str) -> str:
    """A url without its query, which may be a signature."""
    return url.split("?")[0]


def _open(url: str, access: Access | None = None, headers: dict[str, str] | None = None) -> Any:
    """A response to GET, after at most REDIRECTS redirects, each of them looked at first.

    The token goes along as long as all addresses so far are covered, and never comes back after one that is not.
    """
    from ansible.module_utils.urls import open_url

    headers = dict(headers or {}, **{"Accept-Encoding": "identity"})
    address = url
    for _hop in range(REDIRECTS + 1):
        if access is None or not access.covers(address):
            access = None
        sent = headers if access is None else {**headers, "X-Auth-Token": access.token}
        try:
            return open_url(
                address, headers=sent, timeout=TIMEOUT, follow_redirects="none", decompress=False, use_netrc=False
            )
        except urllib.error.HTTPError as error:
            with closing(error):
                if error.code not in (301, 302, 303, 307, 308):
                    raise _refusal(url, error, access, "Range" in headers) from error
            address = _redirected(url, address, error.headers.get("Location"))
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise Unavailable("url %s: %s; check the host's clock and CAs" % (_shown(url), error.reason)) from error
            raise _Again(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Again(str(error) or type(error).__name__) from error
    raise InvalidRequest("url %s: redirects more than %d times" % (_shown(url), REDIRECTS))


def _redirected(url: str, address: str, location: str | None) -> str:
    """Where a redirect leads, if it may lead there: http or https, and never back from https to http."""
    if not location:
        raise InvalidRequest("url %s: redirects to nowhere" % _shown(url))
    target = urljoin(address, location)
    try:
        check_url(target, ("https",) if address.startswith("https:") else ("http", "https"))
    except InvalidRequest as error:
        raise InvalidRequest("url %s: redirects to %s: %s" % (_shown(url), _shown(target), error)) from error
    return target


def _refusal(url: str, error: urllib.error.HTTPError, access: Access | None, part: bool) -> Exception:
    """What an HTTP status means to us; part: whether only a part of the file was asked for."""
    status, what = error.code, "url %s" % _shown(url)
    if part and status in (400, 501):
        return _NoParts("the server gives no part of the file")
    if status in _TRANSIENT_STATUS or status == 416 or status >= 500:
        return _Again("the server answers %d" % status)
    meant = access and refusal(what, status, error.headers, error.read(4096))
    if meant:
        return meant
    text = "%s: the server answers %d" % (what, status)
    if status in (404, 410):
        return NotFound(text + ", there is no such image: check the url")
    return InvalidRequest(text + ": check the url and who may read it")


def _remote_version(url: str, access: Access | None) -> str:
    with closing(_open(url, access)) as response:
        return _response_version(response.headers)


def _response_version(headers: Any) -> str:
    said = [headers.get(name) for name in ("ETag", "Last-Modified", "Content-Length")]
    return "|".join(value or "" for value in said)


def _validator(headers: Any) -> str | None:
    """What If-Range may name: a strong ETag, else a date."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _length(part: BinaryIO) -> int:
    return os.fstat(part.fileno()).st_size


def _receive(url: str, part: BinaryIO, expected: str | None, access: Access | None) -> bool:
    """One attempt: ask for what is missing, or for everything if what is there may be of another version."""
    memory = read_record(_memory(part.name)) or {}
    have = _length(part)
    validator, immutable = memory.get("validator"), access is not None and access.covers(url)
    if memory.get("url") != url or not (validator or immutable):
        have = 0
    if have and have == memory.get("length"):
        return True
    headers = {"Range": "bytes=%d-" % have} if have else {}
    if have and validator:
        headers["If-Range"] = validator
    try:
        response = _open(url, access, headers)
    except _Again as error:
        _start_anew_if_useless(part, memory, error)
        raise
    with closing(response):
        if response.getcode() == 206:
            _check_continues(response.headers, have, memory, part)
        elif response.getcode() == 204:
            raise NotFound("url %s: the server has lost the image's data: upload it anew" % _shown(url))
        else:
            have = 0
            _begin(url, part, response.headers, expected)
        missing = response.headers.get("Content-Length")
        if missing:
            check_room(os.path.dirname(part.name), int(missing))
        part.seek(have)
        _pour(response, part)
    if missing and _length(part) != have + int(missing):
        raise _Again("the connection broke after %d of %d bytes" % (_length(part), have + int(missing)))
    return have > 0


def _start_anew_if_useless(part: BinaryIO, memory: dict[str, Any], error: _Again) -> None:
    """A part longer than the whole makes every range wrong (416); without ranges no part is of use."""
    if isinstance(error, _NoParts) or _length(part) > (memory.get("length") or _length(part)):
        part.truncate(0)


def _check_continues(headers: Any, have: int, memory: dict[str, Any], part: BinaryIO) -> None:
    """Start anew if a partial answer is not the rest of what we have."""
    place = _PART_OF.fullmatch(headers.get("Content-Range", ""))
    same = _validator(headers) in (None, memory.get("validator"))
    if not (have and place and same and int(place[1]) == have and memory.get("length") in (None, int(place[2]))):
        part.truncate(0)
        raise _Again("the server sent another part than asked for")


def _begin(url: str, part: BinaryIO, headers: Any, expected: str | None) -> None:
    """Empty the part and remember which version goes into it."""
    if expected is not None and _response_version(headers) != expected:
        raise Unavailable("url %s: changed while it was being fetched; run again" % _shown(url))
    part.truncate(0)
    length = headers.get("Content-Length")
    write_record(
        _memory(part.name), {"url": url, "validator": _validator(headers), "length": int(length) if length else None}
    )


def _pour(response: Any, part: BinaryIO) -> None:
    """Write everything that comes to the part."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Again(str(error) or type(error).__name__) from error
        if not chunk:
            return
        rest = memoryview(chunk)
        while rest:
            rest = rest[part.write(rest) :]
