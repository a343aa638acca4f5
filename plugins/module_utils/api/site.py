# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all resources share: the record, what may be named, whom to wake; and how a body is read."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Mapping

from ..core.errors import Unavailable
from ..record.database import Database
from ..service import wake
from ..service.definitions import Definitions
from ..service.publisher import Publisher
from ..service.settings import Settings
from .errors import ApiError

LARGEST_BODY = 114688  # bytes, as oslo.middleware's sizelimit has it


class Site:
    """The API's settings, and what it has opened for them."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.definitions = Definitions(settings.definitions_path)
        self._databases: dict[str, Database] = {}
        self._publisher = Publisher(settings) if settings.transport else None

    @property
    def known(self) -> Mapping[str, Any]:
        """What may be named, under the names of the module instance's options."""
        return self.definitions.current()

    @property
    def database(self) -> Database:
        """The record of the definitions as they are now; it is connected to by those who read or write."""
        return self._opened(self.known["database"])

    def prepare(self) -> None:
        """Have the record's libraries imported before anybody waits for them; the definitions may be written later."""
        with suppress(Unavailable):
            self._opened(self.known["database"])

    def _opened(self, url: str) -> Database:
        if url not in self._databases:
            self._databases[url] = Database(url)
        return self._databases[url]

    def wake(self, asked: Mapping[str, tuple[str, str]]) -> None:
        """Tell the workers that there is something to do: requests by instance, the action and the request's id."""
        wake.call(self.settings.wake_path)
        if self._publisher:
            self._publisher.tell(asked)


def body_of(req: Any) -> Any:
    """The JSON of a request's body, however often it is asked for. It is said to be JSON, so that a page of another
    origin cannot send it."""
    if not hasattr(req.context, "body"):
        req.context.body = _read(req)
    return req.context.body


def _read(req: Any) -> Any:
    kind = (req.content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "Content-Type: application/json is needed, not %.80s." % (kind or "nothing"))
    text = req.bounded_stream.read(LARGEST_BODY + 1)
    if len(text) > LARGEST_BODY:
        raise ApiError(413, "The body has more than %d bytes." % LARGEST_BODY)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is no JSON.") from None
