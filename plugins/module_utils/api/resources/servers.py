# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers: their lists, and what makes, changes and ends one."""

from __future__ import annotations

from typing import Any, Callable

from ...core.convert import boolean
from ...core.names import reservation_id
from .. import acting, asking, reading
from ..asked import Asked
from ..bodies import checked, valid
from ..criteria import criteria
from ..front import Front
from ..paging import next_links, page, whole
from ..schemas import SCHEMAS
from ..views import servers as view


class Servers:
    """/servers and /servers/detail."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Names and ids."""
        asked: Asked = req.context.asked
        resp.media = self._list(
            asked, ("servers",), lambda rows: [view.basic(asked, row["uuid"], row["name"]) for row in rows]
        )

    def on_get_detail(self, req: Any, resp: Any) -> None:
        """All of them that this version has."""
        asked: Asked = req.context.asked

        def whole(rows: list) -> list[dict[str, Any]]:
            servers = reading.whole(self.front, [row["uuid"] for row in rows])
            return [view.shown(asked, server, is_list=True) for server in servers]

        resp.media = self._list(asked, ("servers", "detail"), whole)

    def on_post(self, req: Any, resp: Any) -> None:
        """Accept a request: 202 as soon as the record has it. Launching is the workers' business."""
        asked: Asked = req.context.asked
        body = checked("create", req, asked.version)
        made = asking.create(self.front, asked, body)
        resp.status = 202
        if boolean(body["server"].get("return_reservation_id", False), "return_reservation_id"):
            resp.media = {"reservation_id": reservation_id(asked.request_id)}
            return
        resp.set_header("Location", asked.link("servers", made[0].uuid))
        resp.media = {"server": view.created(asked, made[0], body["server"].get(asking.DISK_CONFIG))}

    def _list(self, asked: Asked, path: tuple[str, ...], told: Callable) -> dict[str, Any]:
        rows = reading.candidates(self.front, criteria(asked, self.front.known), asked.one("marker"))
        shown, more = page(asked, rows, lambda row: row["uuid"])
        if whole(asked, "limit") == 0:  # of servers alone that is none, as in nova (compute/api.py, `get_all`)
            shown, more = [], False
        links = next_links(asked, path, [row["uuid"] for row in shown], more)
        return {"servers": told(shown), **({"servers_links": links} if links else {})}


class Server:
    """/servers/{id}."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """One server."""
        asked: Asked = req.context.asked
        resp.media = {"server": view.shown(asked, reading.one(self.front, asked, server_id))}

    def on_put(self, req: Any, resp: Any, server_id: str) -> None:
        """Change what is said of it; its name it keeps, by which everything of it is called."""
        asked: Asked = req.context.asked
        body = checked("update", req, asked.version)
        asking.describe(self.front, asked, server_id, body["server"])
        resp.media = {"server": view.updated(asked, reading.one(self.front, asked, server_id))}

    def on_delete(self, req: Any, resp: Any, server_id: str) -> None:
        """Let it go. Again, while it goes, is as good; then there is none."""
        asking.delete(self.front, req.context.asked, server_id)
        resp.status = 204


class Action:
    """/servers/{id}/action."""

    def __init__(self, front: Front):
        self.front = front

    def on_post(self, req: Any, resp: Any, server_id: str) -> None:
        """Start it, stop it, rebuild it (then it is shown), and so on; what else nova can do is refused in words."""
        asked: Asked = req.context.asked
        body = checked("action", req, asked.version)
        action = next(iter(body))
        if action in SCHEMAS:
            valid(action, body, asked.version)
        answer = acting.act(self.front, asked, server_id, action, body[action])
        resp.status = 202 if answer is None or action == "rebuild" else 200
        if answer is not None:
            resp.media = answer
        if action == "rebuild":
            resp.set_header("Location", asked.link("servers", server_id))
