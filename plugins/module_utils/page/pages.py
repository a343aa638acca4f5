# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages: what is where, what there is to see, and what the forms ask for. They write as the API does."""

from __future__ import annotations

import re
from typing import Any, Mapping
from urllib.parse import urlencode

from ..api import acting, asking, bodies
from ..api import reading as api
from ..api.asked import Asked
from ..api.criteria import criteria
from ..api.errors import ApiError, status_of
from ..api.front import Front
from ..api.identifiers import definition_id
from ..api.model import RESTARTING
from ..api.paging import page as part_of
from ..api.resources import definitions
from ..api.views.servers import addresses
from ..core.errors import LaunchError
from ..record import events
from ..record.lease import RUN
from ..service.queue import STATES, look
from . import reading
from .model import seconds_between, waterfall
from .render import STATIC, send, send_file

LIMIT = 50  # servers of one page
LINES = 300  # of a console, the last ones
MOST = 500  # requests of the queue that are shown
STATUSES = ("ACTIVE", "SHUTOFF", "BUILD", *RESTARTING.values(), "ERROR", "PAUSED", "SUSPENDED", "UNKNOWN")
# What a button asks for: the action of nova's, and what it says.
DONE: dict[str, tuple[str, Any]] = {
    "start": ("os-start", None),
    "stop": ("os-stop", None),
    "reboot": ("reboot", {"type": "SOFT"}),
}


class Home:
    """/ui."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """The servers."""
        go_to(resp, "/ui/servers")


class Servers:
    """/ui/servers, and /ui/launch, the form for a new one."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Those that the filter leaves, the newest first."""
        asked: Asked = req.context.asked
        wanted = {name: (asked.one(name) or "").strip() for name in ("name", "status", "host")}
        query = {name: [value] for name, value in wanted.items() if value}
        query.update({"all_tenants": ["true"], "limit": [str(LIMIT)]})
        if wanted["name"]:
            query["name"] = [re.escape(wanted["name"])]
        if asked.one("marker"):
            query["marker"] = [asked.one("marker")]
        narrowed = Asked(asked.identity, asked.version, asked.request_id, asked.base, query)
        rows = api.candidates(self.front, criteria(narrowed, self.front.known), narrowed.one("marker"))
        shown, more = part_of(narrowed, rows, lambda row: row["uuid"])
        servers = api.whole(self.front, [row["uuid"] for row in shown])
        statuses = [row["status"] for row in rows]
        kept = {name: value for name, value in wanted.items() if value}
        send(
            req, resp, "servers.html", servers=[listed(server) for server in servers], wanted=wanted,
            statuses=STATUSES, total=len(rows), first=not asked.one("marker"),
            counts={status: statuses.count(status) for status in STATUSES if status in statuses},
            more=more and "?" + urlencode({**kept, "marker": shown[-1]["uuid"]}),
            projects=len({server.instance.project_id for server in servers}) > 1,
        )  # fmt: skip

    def on_get_new(self, req: Any, resp: Any) -> None:
        """The form."""
        self._form(req, resp, {})

    def on_post(self, req: Any, resp: Any) -> None:
        """Accept a request, as POST /servers does; else the form again, with what is wrong."""
        form = {key: value.strip() for key, value in req.context.form.items()}
        try:
            body = bodies.valid("create", server_of(form), req.context.asked.version)
            made = asking.create(self.front, req.context.asked, body)
        except LaunchError as error:
            if status_of(error) >= 500:
                raise
            resp.status = status_of(error)
            self._form(req, resp, form, str(error))
            return
        go_to(resp, "/ui/servers/%s" % made[0].uuid)

    def _form(self, req: Any, resp: Any, form: dict[str, str], wrong: str = "") -> None:
        known = {"image": definitions.images(self.front), "network": self.front.known["networks"]}
        choices = {
            kind + "s": [(definition_id(kind, name, defined), name) for name, defined in sorted(named.items())]
            for kind, named in known.items()
        }
        flavors = sorted(definitions.flavors(self.front).items(), key=sizes)
        if choices["networks"]:
            choices["networks"].append(("none", "none"))
        mine = api.keys(self.front, req.context.asked.identity.user_id or "")
        keys = [(key["name"], key["name"]) for key in mine]
        send(
            req, resp, "launch.html", form=form, wrong=wrong, keys=keys, **choices,
            flavors=[(name, described(name, each)) for name, each in flavors],
        )  # fmt: skip


def described(name: str, flavor: Mapping[str, Any]) -> str:
    """A flavor in a line."""
    return "%s: %s vCPU, %s MiB, %s GiB" % (name, *sizes((name, flavor))[:3])


def sizes(pair: tuple[str, Mapping[str, Any]]) -> tuple:
    """By this flavors are in order, the smallest first: vCPUs, MiB, GiB, the name."""
    name, flavor = pair
    return (flavor["vcpus"], flavor["ram"], flavor["disk"], name)


def server_of(form: dict[str, str]) -> dict[str, Any]:
    """The body of POST /servers that a form asks for."""
    network = form.get("network") or "auto"
    server: dict[str, Any] = {
        "name": form.get("name", ""),
        "flavorRef": form.get("flavor", ""),
        "imageRef": form.get("image", ""),
        "networks": network if network in ("auto", "none") else [{"uuid": network}],
    }
    if form.get("key"):
        server["key_name"] = form["key"]
    return {"server": server}


class Server:
    """/ui/servers/{id}."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any, server_id: str) -> None:
        """All of it: its launch, what has happened, what went wrong."""
        server = api.one(self.front, req.context.asked, server_id)
        with self.front.database.reading() as connection:
            history = events.history(self.front.database, connection, [server.id])[server.id]
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

    def __init__(self, front: Front):
        self.front = front

    def on_post(self, req: Any, resp: Any, server_id: str, action: str) -> None:
        """Start it, stop it, start it anew, let it go; or have its console read."""
        asked: Asked = req.context.asked
        if action == "console":
            told = acting.act(self.front, asked, server_id, "os-getConsoleOutput", {"length": LINES}) or {}
            server = api.one(self.front, asked, server_id)
            send(req, resp, "console.html", server=server, instance=server.instance, output=told["output"])
            return
        if action == "delete":
            asking.delete(self.front, asked, server_id)
            go_to(resp, "/ui/servers")
            return
        if action not in DONE:
            raise ApiError(404, "There is no such action: %.80s" % action)
        acting.act(self.front, asked, server_id, *DONE[action])
        go_to(resp, "/ui/servers/%s" % server_id)


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


class Hosts:
    """/ui/hosts and /ui/hosts/{host}."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """All of them."""
        found, refusals = reading.hosts(self.front)
        send(req, resp, "hosts.html", hosts=found, refusals=refusals)

    def on_get_one(self, req: Any, resp: Any, host: str) -> None:
        """One, with the claims there."""
        send(req, resp, "host.html", host=reading.host(self.front, host))


class Networks:
    """/ui/networks."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """Those of the definitions, with their routers, and the security groups."""
        known = self.front.known
        networks = [
            {"name": name, **dict.fromkeys(OF_NETWORK), **(each if isinstance(each, Mapping) else {})}
            for name, each in sorted(known["networks"].items())
        ]
        send(
            req, resp, "networks.html", networks=networks, service=known["network_service"],
            routers=sorted(known["routers"].items()), groups=sorted(known["security_groups"].items()),
        )  # fmt: skip


OF_NETWORK = ("cidr", "ipv6_cidr", "gateway", "router", "physical_network", "vlan", "mtu", "shared", "port_security")


class Queue:
    """/ui/queue."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any) -> None:
        """What is still to be done."""
        found = look(self.front.database)
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


class Static:
    """/ui/static."""

    def __init__(self, front: Front):
        self.front = front

    def on_get(self, req: Any, resp: Any, name: str) -> None:
        """The stylesheet, the script."""
        if name not in STATIC:
            raise ApiError(404, "There is no such file.")
        send_file(req, resp, name)


def go_to(resp: Any, path: str) -> None:
    """See there."""
    resp.status = 303
    resp.set_header("Location", path)


ROUTES = (
    ("/ui", Home, None),
    ("/ui/servers", Servers, None),
    ("/ui/launch", Servers, "new"),
    ("/ui/servers/{server_id}", Server, None),
    ("/ui/servers/{server_id}/{action}", Action, None),
    ("/ui/hosts", Hosts, None),
    ("/ui/hosts/{host}", Hosts, "one"),
    ("/ui/networks", Networks, None),
    ("/ui/queue", Queue, None),
    ("/ui/static/{name}", Static, None),
)


def add_to(app: Any, front: Front) -> None:
    """Give an app all of them."""
    for path, kind, suffix in ROUTES:
        app.add_route(path, kind(front), **({"suffix": suffix} if suffix else {}))
