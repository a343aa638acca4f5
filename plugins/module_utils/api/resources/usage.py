# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What projects have used, by what the record knows of their servers, those that are gone among them."""

from __future__ import annotations

from typing import Any

from ...record.database import now
from .. import reading, usage
from ..context import RequestContext
from ..paging import MOST, next_links, page
from ..site import Site


class Usage:
    """/os-simple-tenant-usage and /os-simple-tenant-usage/{project}."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Of all projects, which is for administrators."""
        context: RequestContext = req.context.nova
        found, links = self._told(context, None, context.one("detailed") == "1")
        resp.media = {"tenant_usages": found, **({"tenant_usages_links": links} if links else {})}

    def on_get_one(self, req: Any, resp: Any, project_id: str) -> None:
        """Of one, each of its servers."""
        context: RequestContext = req.context.nova
        found, links = self._told(context, project_id, True)
        resp.media = {"tenant_usage": found[0] if found else {}, **({"tenant_usage_links": links} if links else {})}

    def _told(self, context: RequestContext, project_id: str | None, detailed: bool) -> tuple[list[dict], list[dict]]:
        """What is told of projects, and, since version 40, where the rest of it is: a page has so many servers."""
        with self.site.database.reading() as connection:
            when = usage.period(context, now(connection))
            rows = reading.used(self.site, connection, project_id, when)
        shown, more = page(context, rows, lambda row: row["uuid"], MOST) if context.version >= 40 else (rows, False)
        path = ("os-simple-tenant-usage", *([project_id] if project_id else []))
        links = next_links(context, path, [row["uuid"] for row in shown], more)
        return usage.by_project(shown, when, detailed), links
