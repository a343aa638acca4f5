# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages of servers: all of them, one, and what its buttons do. They write as the API does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from ..api import acting, asking, bodies
from ..api import reading as api
from ..api.context import RequestContext
from ..api.criteria import criteria
from ..api.errors import ApiError, status_of
from ..api.model import RESTARTING
from ..api.paging import page as part_of
from ..api.site import Site
from ..api.views.servers import addresses
from ..core.errors import LaunchError
from ..record import events
from . import form
from .model import seconds_between, waterfall
from .render import see_other, send

FILTERS = ("name", "status", "host")
LIMIT = 50  # servers of one page
LINES = 300  # of a console, the last ones
STATUSES = ("ACTIVE", "SHUTOFF", "BUILD", *RESTARTING.values(), "ERROR", "PAUSED", "SUSPENDED", "UNKNOWN")
# What a button asks for: the action of nova's, and what it says.
ACTIONS: dict[str, tuple[str, Any]] = {
    "start": ("os-start", None),
    "stop": ("os-stop", None),
    "reboot": ("reboot", {"type": "SOFT"}),
}


class Servers:
    """/ui/servers, and /ui/launch, the form for a new one."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """Those that the filter leaves, the newest first."""
        context: RequestContext = req.context.nova
        wanted = {name: (context.one(name) or "").strip() for name in FILTERS}
        kept = {name: value for name, value in wanted.items() if value}
        marker = context.one("marker")
        query = narrowed(context, {**kept, **({"marker": marker} if marker else {})})
        rows = api.candidates(self.site, criteria(query, self.site.known), marker or None)
        shown, more = part_of(query, rows, lambda row: row["uuid"])
        servers = api.whole(self.site, [row["uuid"] for row in shown])
        statuses = [row["status"] for row in rows]
        send(
            req, resp, "servers.html", servers=[listed(server) for server in servers], wanted=wanted,
            statuses=STATUSES, total=len(rows), first=not marker,
            counts={status: statuses.count(status) for status in STATUSES if status in statuses},
            more=more and "?" + urlencode({**kept, "marker": shown[-1]["uuid"]}),
            projects=len({server.instance.project_id for server in servers}) > 1,
        )  # fmt: skip

    def on_get_new(self, req: Any, resp: Any) -> None:
        """The form."""
        form.show(self.site, req, resp, {})

    def on_post(self, req: Any, resp: Any) -> None:
        """Accept a request, as POST /servers does; else the form again, with what is wrong."""
        fields = {key: value.strip() for key, value in req.context.form.items()}
        try:
            body = bodies.valid("create", form.body(fields), req.context.nova.version)
            made = asking.create(self.site, req.context.nova, body)
        except LaunchError as error:
            if status_of(error) >= 500:
                raise
            resp.status = status_of(error)
            form.show(self.site, req, resp, fields, str(error))
            return
        see_other(resp, "/ui/servers/%s" % made[0].uuid)


def narrowed(context: RequestContext, query: dict[str, str]) -> RequestContext:
    """The same asker's question for one page of all projects' servers. A name is a part of a name, no expression."""
    if "name" in query:
        query = {**query, "name": re.escape(query["name"])}
    query = {**query, "all_tenants": "true", "limit": str(LIMIT)}
    return replace(context, query={name: [value] for name, value in query.items()})


class Server:
    """/ui/servers/{id}."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """All of it: its launch, what has happened, what went wrong."""
        server = api.one(self.site, req.context.nova, server_id)
        with self.site.database.reading() as connection:
            history = events.history(self.site.database, connection, [server.id])[server.id]
        launches = [action for action in history["actions"] if action["action"] == "create"]
        for action in history["actions"]:
            for each in (action, *action["events"]):
                each["after"] = seconds_between(action["start_time"], each["start_time"])
                each["seconds"] = seconds_between(each["start_time"], each["finish_time"])
        send(
            req, resp, "server.html", **listed(server), launch=waterfall(launches[-1]) if launches else None,
            actions=history["actions"][::-1], faults=history["faults"][::-1],
        )  # fmt: skip


class Action:
    """/ui/servers/{id}/{action}."""

    def __init__(self, site: Site):
        self.site = site

    def on_post(self, req: Any, resp: Any, server_id: str, action: str) -> None:
        """Start it, stop it, start it anew, let it go; or have its console read."""
        context: RequestContext = req.context.nova
        if action == "console":
            answer = acting.act(self.site, context, server_id, "os-getConsoleOutput", {"length": LINES}) or {}
            server = api.one(self.site, context, server_id)
            send(req, resp, "console.html", server=server, instance=server.instance, output=answer["output"])
            return
        if action == "delete":
            asking.delete(self.site, context, server_id)
            see_other(resp, "/ui/servers")
            return
        if action not in ACTIONS:
            raise ApiError(404, "There is no such action: %.80s" % action)
        acting.act(self.site, context, server_id, *ACTIONS[action])
        see_other(resp, "/ui/servers/%s" % server_id)


def listed(server: Any) -> dict[str, Any]:
    """A server with its addresses, and with what can be done with it."""
    rests = server.task_state is None and server.instance.launched
    return {
        "server": server,
        "instance": server.instance,
        "addresses": addresses(server.instance.ports, extended=False),
        "can_start": rests and server.instance.status == "SHUTOFF",
        "can_stop": rests and server.status not in ("SHUTOFF", "UNKNOWN"),
        "can_reboot": rests and server.status == "ACTIVE",
        "can_read": server.instance.host is not None and server.instance.launched,
        "can_delete": server.task_state != "deleting",
    }
