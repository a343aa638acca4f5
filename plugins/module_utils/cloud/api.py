# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests to one service: paths below its versioned URL, JSON in and out, its errors as ours."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator
from urllib.parse import parse_qs, urlsplit

from ..core.errors import Unavailable
from .account import Account
from .failure import failure, origin
from .retry import with_retries

# Gives the launcher's own account, if there is one.
Voucher = Callable[[], "Account | None"]

# What doing twice is the same as doing once.
REPEATABLE = frozenset(["GET", "PUT", "DELETE"])
# Values of one filter in one URL: 100 names of 63 characters stay below the 8 KiB that servers take.
MOST_VALUES = 100


class Api:
    """One service as one account uses it. Every method says `what` it is about, for the errors.

    Refused for 401 and 403, NotFound for 404, QuotaExceeded, Conflict for what else is wrong with a request,
    Unavailable when the service does not work or answer.
    """

    def __init__(self, account: Account, service: str, endpoint: str, headers: dict[str, str], voucher: Voucher):
        self.endpoint = endpoint
        self._account = account
        self._service = service
        self._headers = {"Accept": "application/json", **headers}
        self._voucher = voucher

    def get(self, path: str, what: str, *, headers: dict[str, str] | None = None, **query: Any) -> dict[str, Any]:
        """One thing."""
        return self._request("GET", path, what, headers=headers, query=query)

    def list(self, path: str, key: str, what: str, **query: Any) -> list[dict[str, Any]]:
        """All pages' things below `key`. A filter that is a list matches any of its values, an empty one nothing."""
        if any(isinstance(value, (list, tuple)) and not value for value in query.values()):
            return []
        return [item for part in _parts(query) for item in self._pages(path, key, what, part)]

    def post(self, path: str, body: Any, what: str, *, service_token: bool = False, **headers: str) -> dict[str, Any]:
        """Make something, or do something to it. It is never done twice."""
        return self._request("POST", path, what, body, headers, service_token)

    def put(self, path: str, body: Any, what: str, *, service_token: bool = False, **headers: str) -> dict[str, Any]:
        """Make something what the body says."""
        return self._request("PUT", path, what, body, headers, service_token)

    def delete(self, path: str, what: str, *, service_token: bool = False) -> dict[str, Any]:
        """Remove something. NotFound also when an answer was lost and a second attempt found it gone."""
        return self._request("DELETE", path, what, service_token=service_token)

    def _pages(self, path: str, key: str, what: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            body = self._request("GET", path, what, query=query)
            items = body.get(key) or []
            yield from items
            following = _next(body, key)
            if not items or not following:
                return
            # Only the query: behind a proxy a service may not know by which URL it is reached.
            query = parse_qs(urlsplit(following).query)

    def _request(
        self,
        method: str,
        path: str,
        what: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        service_token: bool = False,
        query: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What the service answers; asked once more with new tokens where it takes none of these."""
        accounts = [self._account, *filter(None, [self._voucher()] if service_token else [])]
        accesses = [account.access() for account in accounts]

        def attempt() -> Any:
            own = {**self._headers, **(headers or {}), **_tokens(accesses)}
            return self._send(method, path, json=body, params=_plain(query or {}), headers=own)

        response = self._answer(attempt, method, what)
        if response.status_code == 401:
            accesses = [account.renew(access) for account, access in zip(accounts, accesses)]
            response = self._answer(attempt, method, what)
        return self._content(response, what)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        """A token goes nowhere else, and neither tokens nor volumes' secrets into a log."""
        safe = {"authenticated": False, "raise_exc": False, "redirect": False, "log": False}
        return self._account.session.request("%s/%s" % (self.endpoint, path.lstrip("/")), method, **options, **safe)

    def _answer(self, attempt: Callable[[], Any], method: str, what: str) -> Any:
        """What the service says in the end; Unavailable if nothing."""
        with self._account.translate_errors(what, self._service):
            return with_retries(attempt, method in REPEATABLE, self._account.library)

    def _content(self, response: Any, what: str) -> dict[str, Any]:
        """What a good answer says; otherwise its error."""
        if not 200 <= response.status_code < 300:
            raise failure(response, self._service, what)
        if not response.content:
            return {}
        try:
            return response.json()
        except ValueError as error:
            raise Unavailable(
                "%s: %s gave no JSON (%s); see whether %s is the service's URL"
                % (what, self._service, origin(response.headers, response.status_code), self.endpoint)
            ) from error


def _tokens(accesses: Iterable[Any]) -> dict[str, str]:
    """The user's token, and the launcher's where that vouches for the request."""
    return dict(zip(("X-Auth-Token", "X-Service-Token"), (access.auth_token for access in accesses)))


def _parts(query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The query in pieces, so that its longest filter fits into a URL."""
    name = max(query, key=lambda key: len(query[key]) if isinstance(query[key], (list, tuple)) else 0, default=None)
    if name is None or not isinstance(query[name], (list, tuple)):
        yield query
        return
    for start in range(0, len(query[name]), MOST_VALUES):
        yield {**query, name: query[name][start : start + MOST_VALUES]}


def _plain(query: dict[str, Any]) -> dict[str, Any]:
    """The query as services write it: true and false. What is None is left out by requests."""
    spelled = {True: "true", False: "false"}
    return {name: spelled[value] if isinstance(value, bool) else value for name, value in query.items()}


def _next(body: dict[str, Any], key: str) -> str | None:
    """The URL of the following page: below KEY_links for neutron and cinder, next for Glance, links for Keystone."""
    for link in body.get(key + "_links") or []:
        if link.get("rel") == "next":
            return link.get("href")
    links = body.get("links")
    return body.get("next") or (links.get("next") if isinstance(links, dict) else None)
