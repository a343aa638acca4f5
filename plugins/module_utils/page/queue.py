# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of the queue: what is still to be done, and who does it."""

from __future__ import annotations

from typing import Any

from ..api.site import Site
from ..record.lease import RUN
from ..service.queue import STATES, look
from .render import send

MOST = 500  # requests that are shown


class Queue:
    """/ui/queue."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """What is still to be done."""
        found = look(self.site.database)
        counts = {state: found["queue"][state] for state in STATES if found["queue"][state]}
        waiting = [{**each, "worker": place_of(each["worker"])} for each in found["requests"][:MOST]]
        workers = [{**each, "place": place_of(each["name"])} for each in found["workers"]]
        send(
            req, resp, "queue.html", count=found["queue"]["length"], counts=counts, requests=waiting, workers=workers,
            alive=found["queue"]["workers_alive"],
        )  # fmt: skip


def place_of(worker: str | None) -> str | None:
    """Where a worker is, as people name it (record/lease.py)."""
    run = RUN.fullmatch(worker or "")
    return "%(host)s, process %(pid)s" % run.groupdict() if run else worker
