# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a build on a compute host may begin with, and what of it is taken back; pure.

No resource of its own, but those of image, volume and domain together, as nova-compute's _build_and_run_instance.
"""

from __future__ import annotations

from typing import Any, Container, Iterable, Mapping

from ..core.documents import Document, created_here, goes_on, is_deleting, is_remainder, mark_failed

# How a refusal calls each kind of room, and the flavor's word for what an instance takes of it.
UNITS = {"memory_mb": ("MiB of RAM", "ram"), "vcpus": ("vCPUs", "vcpus")}


def is_new(document: Document) -> bool:
    """Whether the instance is still to be built."""
    return goes_on(document) and document.get("status") == "BUILD" and not is_deleting(document)


def admit(documents: Iterable[Document], room: Mapping[str, Any]) -> list[dict]:
    """The documents; those of new instances that do not fit after all have failed, as in nova's claim on the host.

    The scheduler chose by what the record knew. room is what there is: vcpus and memory_mb in all, vcpus_used and
    memory_mb_used by running domains, and their UUIDs; a document's limits are what the operator keeps free of each
    (reserved), and how far it may be claimed (ratio).
    """
    used = {kind: room[kind + "_used"] for kind in UNITS}
    admitted = []
    for document in documents:
        if not is_new(document) or document["uuid"] in room["running"]:
            admitted.append(dict(document))
            continue
        wanted = {kind: document["flavor"][word] for kind, (_unit, word) in UNITS.items()}
        reason = _refusal(document.get("limits") or {}, room, used, wanted)
        if reason:
            error = {"msg": "host %s: %s" % (document["host"], reason), "public_msg": "its host has no room for it"}
            admitted.append(mark_failed(document, "host", error))
            continue
        used = {kind: used[kind] + wanted[kind] for kind in used}
        admitted.append(dict(document))
    return admitted


def _refusal(limits: Mapping, room: Mapping, used: Mapping[str, int], wanted: Mapping[str, int]) -> str | None:
    for kind, limit in limits.items():
        if kind not in UNITS:
            continue
        left = (room[kind] - limit["reserved"]) * limit["ratio"] - used[kind]
        if wanted[kind] > left:
            return "has %d %s left, not %d: something that the record does not know runs there" % (
                max(left, 0), UNITS[kind][0], wanted[kind],
            )  # fmt: skip
    return None


def needs_undo(document: Document) -> bool:
    """Whether what was made of an instance is taken back: it failed here, and goes to another host."""
    return bool(document.get("failed")) and document.get("status") == "BUILD" and not document.get("abort")


def keep_running(document: Document, running: Container[str]) -> dict[str, Any]:
    """The failed document of a guest that an earlier run had started, and that was killed then: it stays where it is.

    It may be at work by now, and no other host could do better for a guest that runs. running: the UUIDs of those.
    """
    return {**document, "abort": True} if needs_undo(document) and document["uuid"] in running else dict(document)


def undo_request(document: Document) -> dict[str, Any]:
    """The document by which the stages take back what they made here, volumes only if it was in this run."""
    return {**document, "failed": False, "task_state": "deleting", "volumes": created_here(document)}


def note_remains(document: Document, after: Document) -> dict[str, Any]:
    """The failed document, which says whether all was taken back."""
    if not after.get("failed"):
        return {**document, "undone": True}
    message = "%s (and not all was taken back: %s)" % (document["msg"], after["msg"])
    public = "%s (and not all was taken back)" % (document.get("public_msg") or document["msg"])
    return {**document, "msg": message, "public_msg": public, "lost": True}


def cleared(documents: Iterable[Document]) -> list[str]:
    """The instances of which nothing is left here any more."""
    return [each["uuid"] for each in documents if is_remainder(each) and not each.get("failed")]
