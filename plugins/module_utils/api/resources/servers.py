# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers: their lists, and what makes, changes and ends one."""

from __future__ import annotations

from typing import Any, Callable

from ...core.convert import boolean
from ...core.names import reservation_id
from .. import acting, asking, reading
from ..bodies import checked, valid
from ..context import RequestContext
from ..criteria import criteria
from ..paging import next_links, page, whole
from ..schemas import SCHEMAS
from ..site import Site
from ..views import servers as view


class Servers:
    """/servers and /servers/detail."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Names and ids."""
        context: RequestContext = req.context.nova
        resp.media = self._list(
            context, ("servers",), lambda rows: [view.basic(context, row["uuid"], row["name"]) for row in rows]
        )

    def on_get_detail(self, req: Any, resp: Any) -> None:
        """All of them that this version has."""
        context: RequestContext = req.context.nova

        def whole(rows: list) -> list[dict[str, Any]]:
            servers = reading.whole(self.site, [row["uuid"] for row in rows])
            return [view.shown(context, server, is_list=True) for server in servers]

        resp.media = self._list(context, ("servers", "detail"), whole)

    def on_post(self, req: Any, resp: Any) -> None:
        """Accept a request: 202 as soon as the record has it. Launching is the workers' business."""
        context: RequestContext = req.context.nova
        body = checked("create", req, context.version)
        made = asking.create(self.site, context, body)
        resp.status = 202
        if boolean(body["server"].get("return_reservation_id", False), "return_reservation_id"):
            resp.media = {"reservation_id": reservation_id(context.request_id)}
            return
        resp.set_header("Location", context.link("servers", made[0].uuid))
        resp.media = {"server": view.created(context, made[0], body["server"].get(asking.DISK_CONFIG))}

    def _list(self, context: RequestContext, path: tuple[str, ...], told: Callable) -> dict[str, Any]:
        rows = reading.candidates(self.site, criteria(context, self.site.known), context.one("marker"))
        shown, more = page(context, rows, lambda row: row["uuid"])
        if whole(context, "limit") == 0:  # of servers alone that is none, as in nova (compute/api.py, `get_all`)
            shown, more = [], False
        links = next_links(context, path, [row["uuid"] for row in shown], more)
        return {"servers": told(shown), **({"servers_links": links} if links else {})}


class Server:
    """/servers/{id}."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """One server."""
        context: RequestContext = req.context.nova
        resp.media = {"server": view.shown(context, reading.one(self.site, context, server_id))}

    def on_put(self, req: Any, resp: Any, server_id: str) -> None:
        """Change what is said of it; its name it keeps, by which everything of it is called."""
        context: RequestContext = req.context.nova
        body = checked("update", req, context.version)
        asking.describe(self.site, context, server_id, body["server"])
        resp.media = {"server": view.updated(context, reading.one(self.site, context, server_id))}

    def on_delete(self, req: Any, resp: Any, server_id: str) -> None:
        """Let it go. Again, while it goes, is as good; then there is none."""
        asking.delete(self.site, req.context.nova, server_id)
        resp.status = 204


class Action:
    """/servers/{id}/action."""

    def __init__(self, site: Site):
        self.site = site

    def on_post(self, req: Any, resp: Any, server_id: str) -> None:
        """Start it, stop it, rebuild it (then it is shown), and so on; what else nova can do is refused in words."""
        context: RequestContext = req.context.nova
        body = checked("action", req, context.version)
        action = next(iter(body))
        if action in SCHEMAS:
            valid(action, body, context.version)
        answer = acting.act(self.site, context, server_id, action, body[action])
        resp.status = 202 if answer is None or action == "rebuild" else 200
        if answer is not None:
            resp.media = answer
        if action == "rebuild":
            resp.set_header("Location", context.link("servers", server_id))
