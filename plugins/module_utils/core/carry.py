# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each stage takes out of the instances' documents, and lays back into them (documents.py: what a document is)."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Iterable, Mapping, Tuple

from .documents import (
    DETAILS,
    Document,
    created_here,
    event_of,
    goes_on,
    is_built,
    is_deleting,
    mark_failed,
    rebuild_of,
)

# Where each part of a document is, and the item that a stage takes for it.
Parts = Callable[[Document], Iterable[Tuple[Any, dict]]]

# Where a stage's parts are in a document, and what messages call the list of them.
LISTS = {"port": "ports", "volume": "volumes"}

# What a result says of how it went, beside what the part now is.
JUDGEMENT = ("action", "changed", "failed", "msg", "public_msg", "abort", "notes", *DETAILS)

# What is of one attempt only.
PASSING = ("msg", "public_msg", "abort", "details", "failed_in", "lost", "undone")


def parts_of(noun: str, state: str = "present", service: str = "file") -> Parts:
    """What the stage of that noun has to do with a document that goes on.

    present: the parts that stay, of an instance that does. absent: all of one that is being deleted, and of the others
    the parts that their guests have let go of. service: whose volumes are meant.
    """
    return partial(_parts, noun=noun, state=state, service=service)


def items(documents: Iterable[Document], parts: Parts) -> list[dict]:
    """The items of all documents, in their order."""
    return [item for document in documents for _where, item in parts(document)]


def carry(
    documents: Iterable[Document],
    noun: str,
    results: Iterable[dict],
    parts: Parts,
    state: str = "present",
    span: Mapping[str, str] | None = None,
) -> list[dict]:
    """The same documents with what a stage made of their parts; failed where a part is.

    results: one for each of the items, in their order. span: when the stage began and ended (moments.py).
    """
    remaining = iter(results)
    carried = []
    for document in documents:
        mine = [(where, next(remaining)) for where, _item in parts(document)]
        carried.append(_lay(document, noun, mine, state, span or {}) if mine else dict(document))
    return carried


def fail(documents: Iterable[Document], noun: str, error: Mapping[str, Any], parts: Parts) -> list[dict]:
    """The same documents; those that the stage had something to do for have failed, as the whole stage has."""
    return [mark_failed(each, noun, error) if list(parts(each)) else dict(each) for each in documents]


def _parts(document: Document, noun: str, state: str, service: str) -> list[tuple[Any, dict]]:
    """Where each part is in its document, and the item that its stage takes."""
    going = is_deleting(document)
    if noun == "instance_update":
        return [(None, dict(document))] if _is_to_be_recorded(document) else []
    if not goes_on(document) or (going and state == "present"):
        return []
    if noun in LISTS:
        return _of_list(document, noun, state, service)
    if state == "absent" and not going:
        return []
    return _of_image(document) if noun == "image" else [(None, dict(document))]


def _is_to_be_recorded(document: Document) -> bool:
    """Also what has failed in this run is to be written; what was refused at its beginning is not."""
    refused = document.get("failed") and not document.get("failed_in")
    return bool(document.get("uuid")) and not document.get("settled") and not refused


def _of_list(document: Document, noun: str, state: str, service: str) -> list[tuple[int, dict]]:
    """The ports, or the volumes of a service, each with what is its instance's."""
    own = {"availability_zone": document.get("availability_zone"), "dns_name": document.get("name")}
    owner, found = _owner(document), []
    for index, part in enumerate(document.get(LISTS[noun]) or ()):
        wanted = noun != "volume" or part.get("service", "file") == service
        if wanted and _concerns(document, part, state):
            # A local volume may be on a host already, and its instance goes there.
            found.append((index, {**own, **part, **owner, "host": part.get("host") or owner["host"]}))
    return found


def _of_image(document: Document) -> list[tuple[None, dict]]:
    """The image, if a compute host is to fetch it."""
    image = document.get("image") or {}
    if not image.get("url"):
        return []
    size = (document.get("flavor") or {}).get("disk", 0)
    made = {"launched": bool(document.get("launched")), "rebuild_id": rebuild_of(document)}
    return [(None, {**image, **_owner(document), "size": size, **made})]


def _owner(document: Document) -> dict[str, Any]:
    """Whose a part is, and where."""
    return {
        "instance_uuid": document["uuid"],
        **{key: document.get(key) for key in ("host", "record_id", "project_id")},
    }


def _concerns(document: Document, part: Mapping[str, Any], state: str) -> bool:
    """Whether a stage in that state has to do with a part."""
    if state == "present":
        return not part.get("leaving")
    if is_deleting(document):
        # A local volume that is to be kept is left in place; of others their service lets go.
        return part.get("service") != "file" or bool(part.get("delete_on_termination"))
    return bool(part.get("leaving")) and bool(document.get("domain"))


def _lay(document: Document, noun: str, mine: list[tuple[Any, dict]], state: str, span: Mapping[str, str]) -> dict:
    """One document with the results of its parts."""
    changes = [result["action"] for _where, result in mine if result.get("changed")]
    laid = dict(document)
    notes = [note for _where, result in mine for note in result.get("notes") or ()]
    if notes:
        laid["notes"] = list(dict.fromkeys([*document.get("notes", ()), *notes]))
    if changes:
        laid["actions"] = {**document.get("actions", {}), noun: [*document.get("actions", {}).get(noun, ()), *changes]}
    if noun in LISTS:
        laid[LISTS[noun]] = _lay_parts(document, noun, dict(mine), state)
    else:
        laid = _lay_one(laid, noun, mine[0][1], state)
    broken = [result for _where, result in mine if result.get("failed")]
    if noun == "instance_update":
        return laid
    if broken:
        message, public = ("; ".join(_message(noun, each, key) for each in broken) for key in ("msg", "public_msg"))
        messages = {"msg": message, "public_msg": public if public != message else None}
        return mark_failed(laid, noun, {**broken[0], **messages, **span})
    event = event_of(document, {"event": noun, "result": "Success", **span})
    return {**laid, "events": [*document.get("events", ()), event]}


def _lay_parts(document: Document, noun: str, results: Mapping[int, dict], state: str) -> list[dict]:
    """The parts with what their stage says of them; without those that it took back from a running guest."""
    laid = [_lay_part(part, results.get(index), state) for index, part in enumerate(document.get(LISTS[noun]) or ())]
    parts = [part for part in laid if part is not None]
    # One of a service that is called otherwise now is not let go of: the guest has it.
    held = {part.get("volume_id") for part in parts if not part.get("leaving")} - {None}
    return [part for part in parts if not part.get("leaving") or part.get("volume_id") not in held]


def _lay_part(part: Mapping[str, Any], result: Mapping[str, Any] | None, state: str) -> Mapping[str, Any] | None:
    """One of them; None for what is taken back."""
    if result is None or result.get("failed"):
        return part
    if state == "absent":
        return None if part.get("leaving") else part
    facts = {key: value for key, value in _facts(result).items() if key not in ("host", "instance_uuid")}
    return {**part, **facts, **({"created": True} if result.get("action") == "create" else {})}


def _lay_one(document: Document, noun: str, result: dict, state: str) -> dict:
    """The document with a result that is about the whole of it, or about the one image or domain that it has."""
    if noun in ("network", "router", "gateway"):
        return dict(document)
    if noun == "image":
        return {**document, "image": {**document["image"], **_facts(result)}} if state == "present" else dict(document)
    if noun == "domain":
        return dict(document) if result.get("failed") else {**document, "domain": _facts(result)}
    if noun == "schedule":
        facts = {key: value for key, value in result.items() if key not in JUDGEMENT}
        return {**document, **facts, "resumed": bool(document.get("host"))}
    return _conclude(document, result)


def _conclude(document: Document, result: dict) -> dict:
    """The document as its record now is: settled, on its way to another host, or, in the middle of a run, going on."""
    if result.get("abandoned"):
        return _abandon(document, result)
    parts = {
        name: [{**_by_id(document, name).get(part["id"], {}), **part} for part in result.get(name) or ()]
        for name in LISTS.values()
    }
    kept = {key: value for key, value in document.items() if key not in PASSING}
    recorded = {key: value for key, value in result.items() if key not in ("action", "changed", "remains")}
    ended = document.get("failed") or is_built(document)
    again = bool(ended) and result["status"] == "BUILD" and not result.get("failed")
    settled = bool(result.get("failed")) or result["status"] == "DELETED" or (bool(ended) and not again)
    if again:
        parts["volumes"] = [{**volume, "created": False} for volume in parts["volumes"]]
    # A host that has gone silent in this attempt is not waited for in the next.
    domain = {"domain": None, "remains": []} if again else {}
    before = {
        "was_launched": document.get("was_launched", bool(document.get("launched"))),
        "was_status": document.get("was_status", document.get("status")),
        "was_task": document.get("was_task", document.get("task_state")),
    }
    return {**kept, **recorded, **parts, **domain, **before, "events": [], "settled": settled}


def _abandon(document: Document, result: dict) -> dict:
    """The document of an instance that another run has destroyed (abandoned: all), or has on another host (host).

    It goes, with what this run has made of it; not with the ports and volumes that it has elsewhere.
    """
    kept = {key: value for key, value in document.items() if key not in PASSING}
    if result["abandoned"] == "host":
        kept["ports"], kept["volumes"] = [], created_here(document)
    goes = {"failed": False, "settled": False, "task_state": "deleting", "domain": None}
    return {**kept, **goes, "events": [], "abandoned": result["msg"]}


def _by_id(document: Document, name: str) -> dict[str, dict]:
    return {part["id"]: part for part in document.get(name) or ()}


def _facts(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says of its part; what is None was not said."""
    return {key: value for key, value in result.items() if value is not None and key not in JUDGEMENT}


def _message(noun: str, result: Mapping[str, Any], key: str) -> str:
    """A part's failure, which names the part; for everybody, with public_msg for a key."""
    message = str(result.get(key) or result["msg"])
    what = "%s %s" % (str(result.get("kind") or noun).replace("_", " "), result.get("name"))
    if noun == "schedule" or message.startswith(what):
        return message
    return "%s: %s" % (what, message)
