# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pages: what is where."""

from __future__ import annotations

from typing import Any

from ..api.errors import ApiError
from ..api.site import Site
from .hosts import Hosts, Networks
from .queue import Queue
from .render import STATIC, see_other, send_file
from .servers import Action, Server, Servers


class Home:
    """/ui."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any) -> None:
        """The servers."""
        see_other(resp, "/ui/servers")


class Static:
    """/ui/static."""

    def __init__(self, site: Site):
        self.site = site

    def on_get(self, req: Any, resp: Any, name: str) -> None:
        """The stylesheet, the script."""
        if name not in STATIC:
            raise ApiError(404, "There is no such file.")
        send_file(req, resp, name)


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


def add_to(app: Any, site: Site) -> None:
    """Give an app all of them."""
    for path, kind, suffix in ROUTES:
        app.add_route(path, kind(site), **({"suffix": suffix} if suffix else {}))
