# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of a compute host in one process: gateway, image, volume, domain; backwards for what goes, or failed."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from ..core import destroyed
from ..core.diff import merge
from ..core.documents import goes_on
from ..core.run import Stage, Travelled, exit_with, failing, take, travel
from ..domain import libvirt, xml
from ..domain import model as domain
from ..domain import request as domain_request
from ..gateway import host as gateway_host
from ..gateway import model as gateway
from ..gateway import request as gateway_request
from ..host.libvirt import read_room
from ..image import model as image
from ..image import request as image_request
from ..image import url
from ..volume import model as volume
from ..volume import request as volume_request
from ..volume.file import backend as file
from .model import admit, cleared, is_new, keep_running, needs_undo, note_remains, undo_request

HERE = partial(Stage, on_host=True)
STAGES = (
    HERE(
        "gateway",
        gateway_request.parse,
        gateway_host.connect,
        gateway.plan,
        gateway_request.OPTIONS,
        gateway.as_text,
        gateway_request.items_of,
    ),
    HERE("image", image_request.parse, url.connect, options=image_request.OPTIONS, as_text=image.as_text),
    HERE("volume", volume_request.parse, file.connect, volume.plan, volume_request.OPTIONS, volume.as_text),
    HERE("domain", domain_request.parse, libvirt.connect, domain.plan, as_text=xml.as_text),
)
# What goes for good is noted before it goes, so that no other run that is at it starts it afterwards.
DESTROYED = Stage("destroyed", destroyed.parse, destroyed.connect)


def build(module: Any) -> None:
    """Take away, make and change the instances of one host, and exit the module with their documents.

    Of a host that is to build something new its room comes back too, and of one that had something left of instances
    that are elsewhere, of which of them that is gone.
    """
    nodes: list[dict] = []
    running: list[str] = []
    travelled = Travelled(module.params["instances"])
    module.params["deadline"] = module.params["timeout"] and time.monotonic() + module.params["timeout"]
    with failing(module):
        take(module, DESTROYED, {**module.params, "state": "present"})
        travelled = _through(module, STAGES[::-1], travelled, "absent")
        gone = cleared(travelled.documents)
        if gone or any(map(is_new, travelled.documents)):
            room = read_room(module.params)
            running = room["running"]
            travelled = travelled._replace(documents=admit(travelled.documents, room))
            node = {key: value for key, value in room.items() if key != "running"}
            nodes = [{**node, "cleared": gone} if gone else node]
        travelled = _through(module, STAGES, travelled, "present")
        documents = _undo(module, travelled.documents, running)
    travelled = travelled._replace(documents=documents, diff=merge(travelled.diff, module.params["host"] or "here"))
    exit_with(module, travelled, hosts=nodes)


def _through(module: Any, stages: tuple, travelled: Travelled, state: str) -> Travelled:
    """The documents after these stages, with all that has changed so far."""
    for stage in stages:
        after = travel(module, stage, travelled.documents, state)
        travelled = Travelled(after.documents, travelled.changed or after.changed, travelled.diff + after.diff)
    return travelled


def _undo(module: Any, documents: list[dict], running: list[str]) -> list[dict]:
    """Take back what was made of instances that go to another host; those that had failed before were not begun."""
    begun = {document["uuid"] for document in module.params["instances"] if goes_on(document)}
    documents = [keep_running(document, running) for document in documents]
    going = [undo_request(document) for document in documents if document["uuid"] in begun and needs_undo(document)]
    gone = _through(module, STAGES[::-1], Travelled(going), "absent").documents
    after = {document["uuid"]: document for document in gone}
    return [note_remains(each, after[each["uuid"]]) if each["uuid"] in after else each for each in documents]
