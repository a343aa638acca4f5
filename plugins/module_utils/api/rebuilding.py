# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server that is to be rebuilt: whether that makes sense, what is asked for, and the reply; in nova's words.

(nova/api/openstack/compute/servers.py, `_rebuild`; nova/compute/api.py, `rebuild`.)
"""

from __future__ import annotations

from typing import Any, Mapping

from . import asking, reading, services
from .accepting import Accepting
from .asked import Asked
from .entry import BEYOND, image_name, keys_of, user_data_of
from .errors import ApiError
from .front import Front
from .model import Server
from .views import servers as view

# What a server may be that is rebuilt (nova's vm_states ACTIVE, STOPPED and ERROR).
REBUILDABLE = ("ACTIVE", "SHUTOFF", "ERROR")


def rebuild(front: Front, asked: Asked, server_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Have a server made anew over a new root disk; the reply says what it becomes.

    There are no ephemeral disks here, so that all of them are preserved; and no passwords, see entry.py.
    """
    server = asking.changeable(front, asked, server_id)
    asking.check_rests(server, "rebuild")
    if server.instance.status not in REBUILDABLE:
        raise asking.in_state(server, "rebuild", "vm_state", server.instance.status.lower())
    entry = _entry(front, asked, server, said)
    image = services.image_of(front, asked, entry["image"])
    user_data = "" if said.get("user_data", "") is None else user_data_of(said)
    Accepting(front, asked, "rebuild", user_data).rebuild(server, entry, image, _extras(said))
    return {"server": view.rebuilt(asked, reading.one(front, asked, server_id))}


def _entry(front: Front, asked: Asked, server: Server, said: Mapping[str, Any]) -> dict[str, Any]:
    """The entry that says the same; ApiError 400 for what cannot be had, and 409 for another name."""
    for name, why in BEYOND.items():
        if said.get(name):
            raise ApiError(400, "%s: %s" % (name, why))
    asking.check_called(server, said)
    entry = {"name": server.instance.name, "state": "rebuilt", "image": image_name(said["imageRef"], front.known)}
    if "metadata" in said:
        entry["metadata"] = said["metadata"]
    if "key_name" in said:
        mine = {key["name"]: key["public_key"] for key in reading.keys(front, asked.identity.user_id or "")}
        entry["ssh_keys"] = keys_of(said["key_name"], mine)
    return entry


def _extras(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of it beside for the API's clients, as far as anything is said of it."""
    return {**asking.described(said), **({"key_name": said["key_name"]} if "key_name" in said else {})}
