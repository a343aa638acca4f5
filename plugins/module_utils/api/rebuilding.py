# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server that is to be rebuilt: whether that makes sense, what is asked for, and the reply; in nova's words.

(nova/api/openstack/compute/servers.py, `_rebuild`; nova/compute/api.py, `rebuild`.)
"""

from __future__ import annotations

from typing import Any, Mapping

from . import asking, reading, services
from .accepting import Accepting
from .context import RequestContext
from .entry import BEYOND, image_name, keys_of, user_data_of
from .errors import ApiError
from .model import Server
from .site import Site
from .views import servers as view

# What a server may be that is rebuilt (nova's vm_states ACTIVE, STOPPED and ERROR).
REBUILDABLE = ("ACTIVE", "SHUTOFF", "ERROR")


def rebuild(site: Site, context: RequestContext, server_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Have a server made anew over a new root disk; the reply says what it becomes.

    There are no ephemeral disks here, so that all of them are preserved; and no passwords, see entry.py.
    """
    server = asking.changeable(site, context, server_id)
    asking.check_rests(server, "rebuild")
    if server.instance.status not in REBUILDABLE:
        raise asking.in_state(server, "rebuild", "vm_state", server.instance.status.lower())
    entry = _entry(site, context, server, body)
    image = services.image_of(site, context, entry["image"])
    user_data = "" if body.get("user_data", "") is None else user_data_of(body)
    Accepting(site, context, "rebuild", user_data).rebuild(server, entry, image, _extras(body))
    return {"server": view.rebuilt(context, reading.one(site, context, server_id))}


def _entry(site: Site, context: RequestContext, server: Server, body: Mapping[str, Any]) -> dict[str, Any]:
    """The entry that says the same; ApiError 400 for what cannot be had, and 409 for another name."""
    for name, why in BEYOND.items():
        if body.get(name):
            raise ApiError(400, "%s: %s" % (name, why))
    asking.check_called(server, body)
    entry = {"name": server.instance.name, "state": "rebuilt", "image": image_name(body["imageRef"], site.known)}
    if "metadata" in body:
        entry["metadata"] = body["metadata"]
    if "key_name" in body:
        mine = {key["name"]: key["public_key"] for key in reading.keys(site, context.identity.user_id or "")}
        entry["ssh_keys"] = keys_of(body["key_name"], mine)
    return entry


def _extras(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of it beside for the API's clients, as far as anything is said of it."""
    return {**asking.described(body), **({"key_name": body["key_name"]} if "key_name" in body else {})}
