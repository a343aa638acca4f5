# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of a compute host in one process: image, volume, domain; backwards to destroy, or where one failed."""

from __future__ import annotations

from typing import Any

from ..core.run import exit_with, failing, travel
from ..domain.stage import DOMAIN
from ..host.libvirt import room
from ..image.stage import IMAGE
from ..volume.file.stage import VOLUME
from .model import admit, is_new, note_remains, undoes, undone

STAGES = (IMAGE, VOLUME, DOMAIN)


def build(module: Any) -> None:
    """Make, change or take away the instances of one host, and exit the module with their documents.

    Of a host that is to build something new its room comes back too.
    """
    documents, diff, nodes = module.params["instances"], [], []
    with failing(module):
        if module.params["state"] == "present" and any(map(is_new, documents)):
            node = room(module.params)
            documents = admit(documents, node)
            nodes = [{key: value for key, value in node.items() if key != "running"}]
        for stage in STAGES if module.params["state"] == "present" else reversed(STAGES):
            documents, changes = travel(module, stage, documents)
            diff += changes
        documents = _undo(module, documents)
    exit_with(module, documents, diff, hosts=nodes)


def _undo(module: Any, documents: list[dict]) -> list[dict]:
    """Take back what was made of instances that go to another host."""
    going = [undone(document) for document in documents if undoes(document)]
    for stage in reversed(STAGES):
        going, _changes = travel(module, stage, going, state="absent")
    after = {document["uuid"]: document for document in going}
    return [note_remains(each, after[each["uuid"]]) if undoes(each) else each for each in documents]
