# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What projects have used, by what the record knows of their servers, those that are gone among them."""

from __future__ import annotations

from typing import Any

from ...record.database import now
from .. import reading, usage
from ..asked import Asked
from ..front import Front
from ..paging import MOST, next_links, page


class Usage:
    """/os-simple-tenant-usage and /os-simple-tenant-usage/{project}."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Of all projects, which is for administrators."""
        asked: Asked = req.context.asked
        found, links = self._told(asked, None, asked.one("detailed") == "1")
        resp.media = {"tenant_usages": found, **({"tenant_usages_links": links} if links else {})}

    def on_get_one(self, req: Any, resp: Any, project_id: str) -> None:
        """Of one, each of its servers."""
        asked: Asked = req.context.asked
        found, links = self._told(asked, project_id, True)
        resp.media = {"tenant_usage": found[0] if found else {}, **({"tenant_usage_links": links} if links else {})}

    def _told(self, asked: Asked, project_id: str | None, detailed: bool) -> tuple[list[dict], list[dict]]:
        """What is told of projects, and, since version 40, where the rest of it is: a page has so many servers."""
        with self.front.database.reading() as connection:
            when = usage.period(asked, now(connection))
            rows = reading.used(self.front, connection, project_id, when)
        shown, more = page(asked, rows, lambda row: row["uuid"], MOST) if asked.version >= 40 else (rows, False)
        path = ("os-simple-tenant-usage", *([project_id] if project_id else []))
        links = next_links(asked, path, [row["uuid"] for row in shown], more)
        return usage.by_project(shown, when, detailed), links
