# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What those ask who operate the front door: whether it works, and how much it has to do."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from ...core.errors import LaunchError
from ...service import broker, metrics
from ...service.log import about
from ...service.transport import url_of
from ..errors import ApiError
from ..site import Site

log = logging.getLogger("kvmstack.api")

KNOWN = 10  # seconds for which the answer of a broker holds


class Health:
    """/healthcheck: whether a server could be asked for now."""

    def __init__(self, site: Site):
        self.site = site
        self._transport = "unknown: it is being asked"
        self._known_until = 0.0
        self._asks = threading.Lock()

    def on_get(self, req: Any, resp: Any) -> None:
        """OK where the definitions and the record can be read, else 503; a line each for the record and a broker.

        A broker that is away stops nothing: what is asked for is found by workers that look. Why and where something is
        away is in the log: whoever asks here need not say who that is.
        """
        try:
            with self.site.database.reading() as connection:
                connection.exec_driver_sql("select 1")
        except LaunchError as error:
            log.error("%s", error, extra=about(req.context.nova.request_id))
            raise ApiError(503, "The record cannot be read: see the log of the API.") from error
        resp.content_type = "text/plain"
        resp.text = "OK\ndatabase: OK\ntransport: %s\n" % self._asked_of_transport()

    def _asked_of_transport(self) -> str:
        """What was last known of a broker. One thread asks it anew: it may take long, and all others are to answer."""
        settings = self.site.settings
        if not settings.transport:
            return "none"
        if time.monotonic() >= self._known_until and self._asks.acquire(blocking=False):
            try:
                broker.reach(url_of(settings))
                self._transport = "OK"
            except LaunchError as error:
                log.warning("%s", error)
                self._transport = "away: requests are accepted, and launched when a worker looks"
            finally:
                self._known_until = time.monotonic() + KNOWN
                self._asks.release()
        return self._transport


class Metrics:
    """/metrics, for Prometheus; for administrators, as everybody is who may ask an API without an identity service."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Gauges of the record."""
        resp.content_type = metrics.CONTENT_TYPE
        resp.text = metrics.read(self.site.database)
